"""Work for the model's thread that gives way to live streams: the windows of files that a server scores meanwhile."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from mmadfer.stream.shared import Recognizer

T = TypeVar("T")
LONGEST_WAIT = 2.0
"""Time after which an errand is no longer put off for live answers, s: it goes on where no pause comes, too."""


class Errands:
    """What waits to be done in a pause, first come, first served."""

    def __init__(self, changed: threading.Condition, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: changed: notified when something has come, and held while the queue is touched."""
        self._changed = changed
        self._clock = clock
        self._waiting: deque[tuple[Future[Any], Callable[[Recognizer], Any], float]] = deque()
        self._closed: Exception | None = None
        self._seconds = 0.0  # that the last one took

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def do(self, work: Callable[[Recognizer], T]) -> T:
        """Wait until ``work`` was done on the model's thread; return what it returned, or raise what it raised.

        Raises RuntimeError where there is no model any more.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._closed is not None:
                raise RuntimeError(str(self._closed))
            self._waiting.append((future, work, self._clock()))
            self._changed.notify_all()
        return future.result()

    def is_overdue(self) -> bool:
        """Return whether the first has waited for so long that live answers have to wait for it."""
        with self._changed:
            return bool(self._waiting) and self._clock() - self._waiting[0][2] > LONGEST_WAIT

    def fits(self, since: float, hop: float) -> bool:
        """Return whether one is likely to end before the next live answer is due.

        Args: since: s since the last live answer was begun. hop: s between two. Where none has come for two hops
        there is nothing to be late for.
        """
        return since + self._seconds < hop or since > 2 * hop

    def run_next(self, recognizer: Recognizer) -> bool:
        """Do the first one, on the model's thread; return whether there was one."""
        with self._changed:
            if not self._waiting:
                return False
            future, work, _ = self._waiting.popleft()
        begun = self._clock()
        try:
            future.set_result(work(recognizer))
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            future.set_exception(error)
        self._seconds = self._clock() - begun
        return True

    def close(self, error: Exception) -> None:
        """Let everything that waits, or comes later, fail by ``error``."""
        with self._changed:
            self._closed = error
            waiting, self._waiting = self._waiting, deque()
        for future, _, _ in waiting:
            future.set_exception(RuntimeError(str(error)))
