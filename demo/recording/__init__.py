"""Recordings where the source is on the server, and markers from outside; others use any of it."""
