"""Keeps what MediaPipe and LiteRT tell of their own work out of the terminal; errors, and others' words, go through."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# They write to file descriptor 2 in C++, below every logging that could be set up: MediaPipe exports no call for its
# level (its logging callback hears of messages, and keeps none from being written), and no environment variable counts
# before its library is initialised, for which it exports no call either. So the descriptor is taken while they may
# speak, and read line by line. LiteRT's "INFO: [environment.cc:36] ..." and Abseil's "W0000 00:00:1795645337.719652
# 12521 runner.cc:1433] ..." are known by their form. TensorFlow Lite's "INFO: Created TensorFlow Lite XNNPACK delegate
# for CPU." has none: what it can be about is named, so that a warning from another thread is not lost.
_CHATTER = re.compile(
    rb"(?:(?:VERBOSE|DEBUG|INFO|WARNING): \[[\w./-]+:\d+\] "
    rb"|[VIW]\d{4} \d\d:\d\d:[\d.]+ +\d+ [\w./-]+:\d+\] "
    rb"|WARNING: (?:All log messages before absl::InitializeLog\(\)|Logging before InitGoogle\(\))"
    rb"|(?:VERBOSE|INFO|WARNING): [^\n]*(?:TensorFlow Lite|TFLite|LiteRT|XNNPACK|[Dd]elegate|OpenGL|OpenCL|\bEGL\b))"
    rb"[^\n]*\n"
)
_BEGINNING = re.compile(rb"(?:VERBOSE|DEBUG|INFO|WARNING): |[VIW]\d{4} |\b(?:[VDIW][A-Z]{0,6}:?|[VIW]\d{1,4})\Z")
_LATE = b"Input tensor memory is not aligned"
"""What may come at a run that is not the first: once in a process, when a tensor's memory happens to lie so."""
_READER = "quiet"
"""Name of the threads that read what was written."""
_PATIENCE = 300
"""Runs of a process at which that is waited for."""


class Sieve:
    """Takes the chatter out of a stream of bytes, whatever pieces it comes in."""

    def __init__(self) -> None:
        """Begin at the start of a line."""
        self.late = False
        """Whether what comes late has come."""
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Return what is to be passed on; the end of ``piece`` is held back only where it may become chatter."""
        text = self._held + piece
        beginning = _BEGINNING.search(text, text.rfind(b"\n") + 1)  # a bar's line has no end: look anywhere in the last
        end = beginning.start() if beginning else len(text)
        self._held = text[end:]
        self.late = self.late or _LATE in text
        return _CHATTER.sub(b"", text[:end])

    def flush(self) -> bytes:
        """Return what is still held back."""
        held, self._held = self._held, b""
        return held


class _Taken:
    """File descriptor 2, taken: a pipe to a thread of ours is in its place."""

    def __init__(self) -> None:
        """Take it. Raises OSError where there is none, RuntimeError where Python is about to end."""
        self.sieve = Sieve()
        self._mark = os.urandom(16)
        self._read = threading.Event()
        self._saved = os.dup(2)
        self._drain, self._source = os.pipe()
        try:
            threading.Thread(target=self._pass_on, name=_READER, daemon=True).start()
        except RuntimeError:
            for descriptor in (self._saved, self._drain, self._source):
                os.close(descriptor)
            raise
        os.dup2(self._source, 2)

    def give_back(self) -> None:
        """Give it back; wait, but for 5 s at most, until all that was written to the pipe is passed on or dropped."""
        os.dup2(self._saved, 2)
        os.write(self._source, self._mark)
        os.close(self._source)
        self._read.wait(5)

    def _pass_on(self) -> None:
        with open(self._drain, "rb", buffering=0) as pipe, open(self._saved, "wb", buffering=0) as terminal:
            # To the very end, not to the mark: a program that another thread started meanwhile writes here for ever.
            while piece := pipe.read(1 << 16):
                before, marked, after = piece.partition(self._mark)
                passed = self.sieve.feed(before)
                if marked:
                    passed += self.sieve.flush()
                with suppress(OSError):  # a terminal that is gone; whoever writes here must not wait for it
                    _write_all(terminal.fileno(), passed + after)
                if marked:
                    self._read.set()
        self._read.set()


def _write_all(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]


class _Runs:
    """Counts the runs of this process at which something may still come late."""

    left = _PATIENCE


_lock = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what MediaPipe and LiteRT tell meanwhile, but for errors. One thread at a time is inside; others wait."""
    if threading.current_thread().name == _READER:  # a detector is freed here, as garbage: another thread waits for us
        yield
        return
    with _lock:
        taken = None
        with suppress(OSError, RuntimeError):
            taken = _Taken()
        try:
            yield
        finally:
            if taken:
                taken.give_back()
                if taken.sieve.late:
                    _Runs.left = 0


@contextmanager
def quiet_run() -> Iterator[None]:
    """Do as `quiet` for a run of a model, for as long as a process may still say something at one."""
    if _Runs.left <= 0:
        yield
        return
    with quiet():
        _Runs.left -= 1
        yield
