"""The two TensorRT products: loading them, the one logger that each allows, and which GPUs and engines each runs."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import torch

from mmadfer.backends.tensorrt.engine import PRODUCTS, EngineKey

log = logging.getLogger(__name__)

RTX_GPUS = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
"""Compute capabilities that TensorRT for RTX knows; Hopper (9.0) and the data centre's Blackwell (10.x) it does not."""
OLDEST = {"tensorrt_rtx": (1, 7), "tensorrt": (10, 13)}
"""Oldest version of each that this code is written for."""
_PACKAGES = {"tensorrt_rtx": "tensorrt-rtx>=1.7", "tensorrt": "tensorrt-cu13>=10.13"}


def load_product(product: str) -> Any:
    """Return the Python module of ``product`` ("tensorrt_rtx" or "tensorrt").

    Raises ImportError in one sentence where it is not installed, ValueError where its version is too old.
    """
    install = f"pip install '{_PACKAGES[product]}'"
    try:
        module = importlib.import_module(product)
    except (ImportError, OSError) as error:
        raise ImportError(f"{PRODUCTS[product]} is not installed ({error}): {install}") from error
    version = tuple(int(part) for part in module.__version__.split(".")[:2])
    if version < OLDEST[product]:
        wanted = ".".join(map(str, OLDEST[product]))
        raise ValueError(
            f"{PRODUCTS[product]} {module.__version__} is too old; {wanted} or newer is needed: {install} --upgrade"
        )
    return module


def gpu_capability(device: torch.device | None = None) -> str | None:
    """Return the compute capability of the GPU ``device``, such as "8.6"; None where PyTorch sees no GPU."""
    if not torch.cuda.is_available():
        return None
    return "{}.{}".format(*torch.cuda.get_device_capability(device))


def load_for(key: EngineKey, device: torch.device) -> Any:
    """Return the module of the product that runs the engine of ``key`` on the GPU ``device``.

    Raises ImportError where it is not installed, ValueError where its version or the GPU is not the engine's.
    """
    trt = load_product(key.product)
    name = PRODUCTS[key.product]
    if trt.__version__ != key.version:
        raise ValueError(
            f"the engine was built by {name} {key.version}, but {trt.__version__} is installed, and another version "
            "cannot load it; build it again with mmadfer export trt"
        )
    here = gpu_capability(device)
    if here not in key.compute_capabilities:
        rtx = key.product == "tensorrt_rtx" and here in RTX_GPUS
        option = f"--product rtx --gpu {here}" if rtx else "--product tensorrt"
        raise ValueError(
            f"the engine was built for GPUs of compute capability {', '.join(key.compute_capabilities)}, but "
            f"{torch.cuda.get_device_name(device)} has {here}; build it again with mmadfer export trt {option}"
        )
    return trt


_loggers: dict[str, Any] = {}


def logger_of(trt: Any) -> Any:
    """Return the one logger that a process may have for the product ``trt``; what it says goes to `logging`.

    Its ``last`` is the newest error, for the sentence that tells of it.
    """
    if trt.__name__ not in _loggers:

        class Logger(trt.ILogger):
            def __init__(self) -> None:
                super().__init__()
                self.last = ""

            def log(self, severity: Any, message: str) -> None:
                """Take one message of the builder or the runtime; errors are told of by what is raised."""
                severities = trt.ILogger.Severity
                if severity <= severities.ERROR:
                    self.last = message
                    log.info("%s", message)
                else:
                    log.log(logging.WARNING if severity == severities.WARNING else logging.DEBUG, "%s", message)

        _loggers[trt.__name__] = Logger()
    return _loggers[trt.__name__]
