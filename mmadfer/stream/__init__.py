"""Frames and sound as they come, made the model's input; others use `window`, `step`, `step_error`."""
