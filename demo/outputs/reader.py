"""One program that reads answers: what waits for it, bounded, and which session it follows."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

LIMIT = 64
"""Messages that wait for one reader, some seconds of answers; then the oldest go."""


class Reader:
    """A queue into one program, filled from any thread and emptied on the event loop that made it."""

    def __init__(self, wanted: int | None = None, limit: int = LIMIT) -> None:
        """Args: wanted: number of the session to read; None: whichever runs. limit: messages that wait."""
        self.wanted = wanted
        self.following: int | None = None
        """The session whose answers come now; None while it waits for one."""
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._limit = limit
        self._dropped = 0
        self._finished = False
        self._lock = threading.Lock()
        self._changed = asyncio.Event()

    def put(self, message: Mapping[str, Any]) -> None:
        """Queue a message, in the place of the oldest where too many wait; callable from any thread."""
        with self._lock:
            if len(self._waiting) >= self._limit:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(message)
        self._wake()

    def finish(self) -> None:
        """Let nothing come after what waits; callable from any thread."""
        self._finished = True
        self._wake()

    async def next(self) -> dict[str, Any] | None:
        """Return the next message, with the number of those ``dropped`` before it; None at the end."""
        while True:
            with self._lock:
                self._changed.clear()
                if self._waiting:
                    dropped, self._dropped = self._dropped, 0
                    return {**self._waiting.popleft(), **({"dropped": dropped} if dropped else {})}
            if self._finished:
                return None
            await self._changed.wait()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have closed
            self._loop.call_soon_threadsafe(self._changed.set)
