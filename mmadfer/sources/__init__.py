"""Where frames and sound come from: clips in real time, this machine's devices; others use any of it."""
