"""Cameras, microphones and clips of the machine that runs the server; others use `sources`, `devices`."""
