"""The model families, a folder each, and the `parts` that several of them share."""
