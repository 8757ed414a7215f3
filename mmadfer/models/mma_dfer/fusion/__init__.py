"""How the face and sound encoders know each other, one way a file, all after `base`; others use any of it."""
