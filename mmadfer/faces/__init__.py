"""Faces: found, followed, cut; others use `tracker`, `detector`, `crop`, `choice`, `identities`, `mouth`."""
