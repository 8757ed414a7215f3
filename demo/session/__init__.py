"""Watched sources and the one worker that answers for them."""
