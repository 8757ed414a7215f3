"""Frames and sound of one source in, answers out: `session` is the object, the rest serves it; others use any of it."""
