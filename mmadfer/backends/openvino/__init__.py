"""The engine OpenVINO, on the CPU; others use `backend`, `core`, `int8`."""
