"""Each figure that is quoted, one command a file; others use none of it."""
