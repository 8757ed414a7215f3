"""How a backend is chosen: a named one is used or refused, never replaced by another.

Each has answered the probe as the weights do (`proof`) before it is returned. One that has not is never used: where
none was named the next one is taken, and says why.
"""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING

from mmadfer.backends.base import BACKENDS, PRECISIONS, Backend
from mmadfer.backends.device import choose_device
from mmadfer.backends.proof import Unproven
from mmadfer.graphs import graph
from mmadfer.weights.lazy import LazyModel

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER

log = logging.getLogger(__name__)


def load_backend(
    model: MMADFER | LazyModel, backend: str = "auto", device: str = "auto", precision: str = "auto"
) -> Backend:
    """Return ``backend`` running ``model`` on ``device``; the model must not be used by the caller afterwards.

    A `LazyModel` is built only where there are no graphs or engines of it yet, or none are used.

    Args: backend: one of `BACKENDS`; device: "auto" (the GPU where PyTorch sees one, else the CPU), "cpu", "cuda" or
    "cuda:N"; precision: "auto" (the fastest that the device computes in hardware) or one of `PRECISIONS`.
    Raises ValueError where one of them is unknown, not there or answers wrongly, ImportError where a named backend is
    not installed, FileNotFoundError where a named backend needs an engine that has not been built.
    """
    if backend not in BACKENDS:
        raise ValueError(f"there is no backend {backend!r}; choose one of {', '.join(BACKENDS)}")
    if precision not in PRECISIONS:
        raise ValueError(f"there is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
    model = LazyModel.of(model)
    if backend != "auto":
        loaded = _load(model, backend, device, precision)
        if loaded.reason:
            log.warning("%s, because %s", loaded.description, loaded.reason)
        return loaded
    if why_not := graph.inexpressible(model.config):
        loaded = _because(_load(model, "pytorch", device, precision), why_not)
    elif choose_device(device).type == "cpu":
        why = "there is no GPU" if device == "auto" else "the CPU was asked for"
        loaded = _best_on_cpu(model, precision, why)
    else:
        loaded = _best_on_gpu(model, device, precision)
    log.info("%s, because %s", loaded.description, loaded.reason)
    return loaded


def _because(loaded: Backend, reason: str) -> Backend:
    """Return ``loaded`` with ``reason`` before what it says itself."""
    loaded.reason = "; ".join(filter(None, (reason, loaded.reason)))
    return loaded


def _load(model: LazyModel, backend: str, device: str, precision: str) -> Backend:
    if precision == "int8" and backend != "openvino":
        raise ValueError(f"precision int8 is for the backend openvino on a CPU; {backend} does not have it")
    if backend == "openvino":
        from mmadfer.backends.openvino.backend import OpenVINOBackend

        return OpenVINOBackend.of_model(model, device, precision)
    if backend == "tensorrt":
        from mmadfer.backends.tensorrt.backend import TensorRTBackend

        return TensorRTBackend.of_model(model, device, precision)
    from mmadfer.backends.pytorch.backend import PyTorchBackend

    return PyTorchBackend.of_model(model, device, precision)


def _best_on_cpu(model: LazyModel, precision: str, why: str) -> Backend:
    """Return OpenVINO, 4 times as fast there as PyTorch, where it can run and is right, and PyTorch elsewhere."""
    if all(importlib.util.find_spec(name) for name in ("openvino", "onnx", "onnxscript")):
        try:
            return _because(_load(model, "openvino", "cpu", precision), f"{why} and OpenVINO is installed")
        except (ImportError, OSError, Unproven) as error:
            if precision == "int8":
                raise
            kept = isinstance(error, OSError)
            why_not = f"the graphs for OpenVINO cannot be kept: {error}" if kept else str(error)
    else:
        why_not = "OpenVINO is not installed: pip install 'mmadfer[cpu]'"
    return _because(_load(model, "pytorch", "cpu", precision), f"{why} and {why_not}")


def _best_on_gpu(model: LazyModel, device: str, precision: str) -> Backend:
    """Return TensorRT where an engine for exactly these weights and this GPU has been built, else PyTorch.

    Where both are wrong, and the GPU was not named, the CPU remains.
    """
    try:
        return _because(
            _load(model, "tensorrt", device, precision), "an engine for these weights and this GPU is in the cache"
        )
    except (ImportError, OSError, ValueError) as error:
        why_not = f"TensorRT cannot be used: {error}"
    try:
        return _because(_load(model, "pytorch", device, precision), why_not)
    except Unproven as error:
        if device != "auto" or precision == "fp16":
            raise
        log.warning("%s: the CPU is used", error)
        return _best_on_cpu(model, precision, f"{why_not}; {error}")
