"""The engines TensorRT and TensorRT for RTX; others use `backend`, `engine`, `cache`, `products`."""
