"""What the benchmarks share; the commands are in the folder above."""
