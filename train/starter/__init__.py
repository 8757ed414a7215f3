"""The starter weights, from the starter data to the packaged file; others use `clips`, `motion`, `scores`."""
