"""The engines TensorRT and TensorRT for RTX; `backend` runs them, the others keep and describe what was built."""
