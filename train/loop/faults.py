"""What can go wrong inside of the trainer, in words for people."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from mmadfer.cli import USAGE_ERROR

_LOST_PROCESS = re.compile(r"closed by peer|connection reset|gloo|nccl|process group|broken pipe", re.IGNORECASE)


@contextlib.contextmanager
def as_sentences(hint: str) -> Iterator[None]:
    """Turn the trainer's failures inside of the block into ValueError or OSError with one sentence.

    Args: hint: what each ends with: what is kept, and how to go on. What is not known here passes as it is.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ValueError(
            f"the device's memory is too small; compute a batch in parts by --set accumulate=2 (or 4, 8); {hint}"
        ) from error
    except SIGTERMException as error:
        _only_first_process_says(error)
        raise InterruptedError(f"stopped by a SIGTERM; {hint}") from error
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # the trainer's way to end on Ctrl-C
            raise KeyboardInterrupt from error
        raise
    except RuntimeError as error:
        text = str(error)
        if _LOST_PROCESS.search(text):
            _only_first_process_says(error)
            raise ChildProcessError(f"another process of this run has ended; {hint}") from error
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            reason = text.splitlines()[0]
            raise ValueError(f"the blocks cannot be compiled here ({reason}); --set compile=false; {hint}") from error
        raise
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror or error}; {hint}", error.filename) from error
    except ValueError as error:
        if hint in str(error):
            raise
        raise ValueError(f"{error}; {hint}") from error


def _only_first_process_says(error: BaseException) -> None:
    """End this process here unless it is the first one of its machine: what has reached all needs one sentence."""
    if int(os.environ.get("LOCAL_RANK", "0")):
        raise SystemExit(USAGE_ERROR) from error
