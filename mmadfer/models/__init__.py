"""The model families, a folder each, and the `parts` that they share; others use `mma_dfer`, `fingerprint`."""
