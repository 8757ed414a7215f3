"""Stage 3: weights to figures; others use `protocols`, `predictions`, `evaluation`, `output`, `figures`."""
