"""Faces in pictures: found, followed, cut out as in training; others use `tracker`, `detector`, `crop`."""
