"""Stage 2: one fold from start to weights; others use `fold`, `module`, `trainer`, `callbacks`, `processes`."""
