"""How the face and sound encoders of MMA-DFER know each other: one way a file, after the interface in `base`."""
