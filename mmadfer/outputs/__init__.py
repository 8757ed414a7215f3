"""What is written about answers, one writer a file format; others use any of it."""
