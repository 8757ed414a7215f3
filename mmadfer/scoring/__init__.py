"""Many clips scored by a pool of workers; `run` is its door."""
