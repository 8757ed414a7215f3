"""Files by name: spelled, written whole, known by their sums, told of where one is wrong; others use any of it."""
