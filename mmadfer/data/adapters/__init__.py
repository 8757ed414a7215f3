"""The data sets as distributed, one a file: add one here and in `sets`; others use `sets`, `starter`."""
