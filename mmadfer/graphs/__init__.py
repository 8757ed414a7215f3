"""The model as ONNX graphs, and the probe that judges every engine; others use `graph`, `cache`, `probe`."""
