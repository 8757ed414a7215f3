"""Faces in pictures: found, followed, and cut out as the weights were trained on."""
