"""The model for other runtimes: ONNX files and TensorRT engines."""
