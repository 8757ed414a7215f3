"""What the benchmarks share; others use any of it."""
