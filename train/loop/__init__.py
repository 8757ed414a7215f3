"""Stage 2: one fold from its start to its weights."""
