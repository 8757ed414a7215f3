"""Faces in pictures: found, followed, cut out; others use `tracker`, `detector`, `crop`, `choice`, `identities`."""
