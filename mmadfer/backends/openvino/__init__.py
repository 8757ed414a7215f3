"""The engine OpenVINO, on the CPU; `backend` is the engine, the others serve it."""
