"""Many clips, many processes; others use `run`, `input_files`, `pool`, `worker`, `parts`, `crash_guard`."""
