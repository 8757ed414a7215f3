"""Answers on their way to whoever asked for them: waited for by a thread or an event loop, bounded, with an end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque

from mmadfer.types import Prediction

WAITING = 256
"""Answers that wait to be read; of more, the oldest are lost, and counted."""
FACES_KEPT = 16
"""Further faces whose newest answers are kept."""


class Results:
    """The answers of one stream. Any thread may put, any may take."""

    def __init__(self) -> None:
        """Begin with none."""
        self._condition = threading.Condition()
        self._waiting: deque[Prediction] = deque()
        self._asleep: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._error: Exception | None = None
        self._ended = False
        self.latest: Prediction | None = None
        """The newest answer of all, read or not, but for those about further faces."""
        self.further: dict[int, Prediction] = {}
        """The newest answer about each further face, by its number."""
        self.lost = 0
        """Answers that nobody read in time."""

    def put(self, prediction: Prediction) -> None:
        """Add an answer; after the end it is left out."""
        with self._condition:
            if not self._ended:
                self.latest = prediction
                self._add(prediction)

    def put_further(self, prediction: Prediction) -> None:
        """Add an answer about a face that is read beside the chosen one."""
        with self._condition:
            if not self._ended and prediction.face_number is not None:
                others = {n: kept for n, kept in self.further.items() if n != prediction.face_number}
                newest = [*others.items()][1 - FACES_KEPT :]  # by when they were answered: people pass by for hours
                self.further = {**dict(newest), prediction.face_number: prediction}
                self._add(prediction)

    def _add(self, prediction: Prediction) -> None:
        self._waiting.append(prediction)
        if len(self._waiting) > WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._wake()

    def clear(self) -> None:
        """Forget all answers that were not read, and the newest."""
        with self._condition:
            self._waiting.clear()
            self.latest, self.further = None, {}

    def end(self, error: Exception | None = None) -> None:
        """Let whoever waits know that no more will come; what waits can still be read. ``error``: why, where it is one.

        Only the first end counts.
        """
        with self._condition:
            if not self._ended:
                self._ended, self._error = True, error
                self._wake()

    def next(self) -> Prediction:
        """Return the oldest answer that was not read; wait for one. Raises StopIteration at the end, or its error."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._ended)
            return self._take(StopIteration)

    async def next_async(self) -> Prediction:
        """Do as `next` without holding up the event loop. Raises StopAsyncIteration at the end, or its error."""
        loop = asyncio.get_running_loop()
        while True:
            with self._condition:
                if self._waiting or self._ended:
                    return self._take(StopAsyncIteration)
                woken = loop.create_future()
                self._asleep.append((loop, woken))
            await woken

    def _take(self, end: type[Exception]) -> Prediction:
        if self._waiting:
            return self._waiting.popleft()
        if self._error is not None:
            raise self._error
        raise end

    def _wake(self) -> None:
        self._condition.notify_all()
        asleep, self._asleep = self._asleep, []
        for loop, woken in asleep:
            with contextlib.suppress(RuntimeError):  # a loop that has ended waits for nothing
                loop.call_soon_threadsafe(_set, woken)


def _set(woken: asyncio.Future[None]) -> None:
    if not woken.done():  # it was cancelled
        woken.set_result(None)
