"""The one `openvino.Core` of the process."""

from __future__ import annotations

import threading
from typing import Any

_lock = threading.Lock()
_core: Any = None


def openvino_core() -> Any:
    """Return the `openvino.Core` that everything in this process shares; raises ImportError without OpenVINO.

    Each Core's CPU plugin gives the thread that first used it a stack for signals, and takes the memory back when the
    Core goes. Where two Cores do not go in reverse order, or one goes in another thread, the stack that is left is no
    longer there, and the next signal with a handler (Ctrl-C, a child that ends) kills the process. One that stays is
    safe.
    """
    global _core
    with _lock:
        if _core is None:
            import openvino

            _core = openvino.Core()
        return _core
