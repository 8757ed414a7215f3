"""Stage 3: from weights to answers, and from answers to figures."""
