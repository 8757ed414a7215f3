"""Data sets: one record for a clip, an adapter for each set as distributed, and the prepared set that training reads."""
