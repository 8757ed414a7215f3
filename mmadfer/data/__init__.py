"""Data sets: one record of a clip, an adapter for each set as distributed, the prepared set that training reads."""
