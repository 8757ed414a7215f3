"""The model as ONNX graphs: written, described, kept; and the probe by which every engine is judged."""
