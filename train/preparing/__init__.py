"""Stage 1: from a data set as distributed to a prepared one; others use any of it."""
