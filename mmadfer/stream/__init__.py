"""Frames and sound of one source in, answers out: `session`, `live` or `recorded`; others use any of it."""
