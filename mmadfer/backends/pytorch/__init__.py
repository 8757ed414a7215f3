"""The engine PyTorch, on the CPU and on CUDA GPUs; others use `backend`, `device_frames`."""
