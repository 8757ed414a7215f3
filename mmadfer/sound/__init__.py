"""Sound as numbers: its log-mel, its loudness, and the last seconds of it; others use any of it."""
