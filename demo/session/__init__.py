"""Watched sources and the one worker that answers for them; others use any of it."""
