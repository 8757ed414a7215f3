"""MediaPipe and OpenCV: loaded where they are needed, with an error that says what to install where they cannot be."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PACKAGES = {"mediapipe": "mediapipe", "cv2": "opencv-contrib-python"}
_SYSTEM_LIBRARIES = "libgl1 libegl1 libgles2 libglib2.0-0"


def load_runtime(module: str) -> Any:
    """Return ``module``: "cv2", "mediapipe" or a part of it. Raises ImportError that says what to install."""
    with explain_missing(module):
        return importlib.import_module(module)


@contextmanager
def explain_missing(module: str) -> Iterator[None]:
    """Turn the errors of loading ``module``, at once or at first use, into an ImportError that says what to install."""
    package = _PACKAGES[module.split(".")[0]]
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f"finding faces needs {package}, which is not installed: pip install {package}") from error
    except (ImportError, OSError) as error:
        raise ImportError(
            f"{package} cannot start, for a library of the system is missing ({error}); "
            f"on Debian and Ubuntu: apt-get install {_SYSTEM_LIBRARIES}"
        ) from error
