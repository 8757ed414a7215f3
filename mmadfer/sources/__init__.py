"""Where frames and sound come from: files in real time, and this machine's devices; `opening` finds one by name."""
