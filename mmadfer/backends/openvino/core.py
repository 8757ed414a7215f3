"""The one `openvino.Core` of the process."""

from __future__ import annotations

import threading
from typing import Any

import torch

from mmadfer.backends.device import choose_precision, instruction_limit

_lock = threading.Lock()
_core: Any = None


def openvino_core() -> Any:
    """Return the `openvino.Core` that everything in this process shares; ImportError where OpenVINO is not or broken.

    Each Core's CPU plugin gives the thread that first used it a stack for signals, and takes the memory back when the
    Core goes. Where two Cores do not go in reverse order, or one goes in another thread, the stack that is left is no
    longer there, and the next signal with a handler (Ctrl-C, a child that ends) kills the process. One that stays is
    safe.
    """
    global _core
    with _lock:
        if _core is None:
            _core = _new_core()
        return _core


def _new_core() -> Any:
    try:
        import openvino

        core = openvino.Core()
        core.get_property("CPU", "FULL_DEVICE_NAME")  # its plugin is loaded by this
    except ModuleNotFoundError as error:
        raise ImportError("the backend openvino is not installed: pip install 'mmadfer[cpu]'") from error
    except (ImportError, OSError, RuntimeError) as error:
        raise ImportError(f"OpenVINO is installed but cannot start here: {error}") from error
    return core


def identity(core: Any) -> tuple[str, str]:
    """Return OpenVINO's version, and the CPU's name with all that it can do: what compiled graphs depend on."""
    import openvino

    features = sorted(name for name, there in torch.cpu.get_capabilities().items() if there is True)
    abilities = sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    cpu = (core.get_property("CPU", "FULL_DEVICE_NAME").strip(), *abilities, *features, instruction_limit())
    return openvino.get_version(), " ".join(cpu).rstrip()


def openvino_precision(core: Any, precision: str = "auto") -> str:
    """Return ``precision`` where one is named, else "bf16" where this CPU computes it in hardware, else "fp32".

    Both OpenVINO and PyTorch have to say that it does: where it is emulated it takes five times as long as float32.
    Raises ValueError for fp16.
    """
    chosen = choose_precision(torch.device("cpu"), precision)
    return "fp32" if precision == "auto" and chosen == "bf16" and not computes_bf16(core) else chosen


def computes_bf16(core: Any) -> bool:
    """Return whether OpenVINO says that this CPU computes bf16 by itself."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
