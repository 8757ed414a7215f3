"""The model for other runtimes: ONNX files and TensorRT engines; others use `builder`, `int8`."""
