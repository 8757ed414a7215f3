"""Data sets: the record of a clip, an adapter for each set as distributed, the prepared set; others use any of it."""
