"""Sound as numbers: log-mel, loudness, whether somebody speaks, and the last seconds of it; others use any of it."""
