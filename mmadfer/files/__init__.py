"""Files by name: how they are spelled, written whole, known by their sums, and told of where something is wrong."""
