"""Parts that several model families share; others use any of it."""
