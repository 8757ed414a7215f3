"""A process of its own for work that a damaged file may kill: the next one goes on after that file."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from types import FrameType

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ASKED_FOR = (*_PASSED_ON, signal.SIGPIPE, signal.SIGQUIT)
"""Signals by which somebody ends a process; by others it dies."""
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


class Progress:
    """How far the work on several items has come; seen by the process that does it and the one that guards it."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self._shared, self._counts = mmap.mmap(-1, 16), struct.Struct("qq")

    @property
    def begun(self) -> int:
        """Number of items whose work has begun; a new process goes on with the item of this index."""
        return int(self._counts.unpack(self._shared[:])[0])

    @property
    def failed(self) -> int:
        """Number of items that failed."""
        return int(self._counts.unpack(self._shared[:])[1])

    def begin(self) -> None:
        """Note that the work on the next item begins."""
        self._shared[:] = self._counts.pack(self.begun + 1, self.failed)

    def fail(self) -> None:
        """Note that the item begun last failed."""
        self._shared[:] = self._counts.pack(self.begun, self.failed + 1)


def guarded(work: Callable[[Progress], int], items: int, died: Callable[[int | None, str], None]) -> tuple[int, int]:
    """Do ``work`` on ``items`` in a process of its own, and by another one from the next item on where one ends it.

    Call it before anything starts threads or opens a GPU; it leaves by SystemExit in each new process.

    Args: work: goes on at `Progress.begun` and returns 0 where it came to the end; died: called with the item at which
    a process died, None where it came to none, and the signal's name.
    Returns the exit code, and how many items failed. Nothing more is tried where a process died before its first item.
    """
    progress = Progress()
    if not sys.platform.startswith("linux"):
        return work(progress), progress.failed
    while progress.begun < items:
        first = progress.begun
        code = _run(lambda: work(progress))
        if code >= 0:
            return code, progress.failed
        if -code in _ASKED_FOR:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        name, here = signal.Signals(-code).name, progress.begun > first
        died(progress.begun - 1 if here else None, name)
        if not here:
            return 2, progress.failed
        progress.fail()
    return 0, progress.failed


def _run(work: Callable[[], int]) -> int:
    """Return the exit code of ``work`` in a new process, negative where a signal ended it."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # else both processes would write what waits
    with _signals_passed_on() as children:
        child = os.fork()
        if child:
            children.append(child)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _end_with_parent()
    raise SystemExit(work())


@contextlib.contextmanager
def _signals_passed_on() -> Iterator[list[int]]:
    """Pass signals on to the processes in the list that this yields."""
    children: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)

    # What is ignored, such as by nohup, stays so.
    heard = [number for number in _PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        yield children
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_parent() -> None:
    """Let this process end when the one that guards it does, and take Ctrl-C, which comes twice, once."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)

    def once(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, once)
