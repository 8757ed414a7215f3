"""The engine PyTorch, on the CPU and on CUDA GPUs; `backend` is the engine, the others serve it."""
