"""What waits to be sent to one page: bounded, with the newest of each kind replacing what is still waiting."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, Protocol

Payload = tuple[str | bytes, ...]
"""Messages that belong together and are sent one after the other."""


class Socket(Protocol):
    """What is used of Starlette's WebSocket."""

    async def send_text(self, data: str) -> None:
        """Send a text message."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """End the connection."""


class Outbox:
    """A queue into one page, filled from any thread and emptied on the page's event loop.

    A page that reads slowly must not make the server remember everything it missed: a message with a ``slot`` takes the
    place of an unsent one with the same slot, and beyond ``limit`` the oldest message goes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int = 100) -> None:
        self._loop = loop
        self._limit = limit
        self._waiting: dict[str, Payload] = {}
        self._count = 0
        self._filled = asyncio.Event()
        self._closed = False
        self._hang_up: tuple[int, str] | None = None

    def put(self, *messages: dict[str, Any] | bytes, slot: str | None = None) -> None:
        """Queue ``messages``; callable from any thread, and without effect once the page has gone."""
        payload = tuple(m if isinstance(m, bytes) else json.dumps(m, allow_nan=False) for m in messages)
        if self._closed:
            return
        with contextlib.suppress(RuntimeError):  # the loop may close between any check and this call
            self._loop.call_soon_threadsafe(self._put, payload, slot)

    def hang_up(self, code: int, reason: str) -> None:
        """Send what waits, then the reason in words, and close the connection; callable from any thread."""
        self.put({"type": "error", "message": reason, "code": int(code)})
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._set_hang_up, int(code), reason)

    def close(self) -> None:
        """Forget what waits and take nothing more."""
        self._closed = True
        self._waiting.clear()

    def _put(self, payload: Payload, slot: str | None) -> None:
        if self._closed:
            return
        self._count += 1
        self._waiting[slot or f"#{self._count}"] = payload
        if len(self._waiting) > self._limit:
            del self._waiting[next(iter(self._waiting))]
        self._filled.set()

    def _set_hang_up(self, code: int, reason: str) -> None:
        # A close frame takes 123 bytes of reason; the whole sentence went out as a message before.
        self._hang_up = (code, reason.encode("ascii", "replace")[:120].decode())
        self._filled.set()

    async def drain(self, socket: Socket) -> None:
        """Send what comes, until the connection is hung up or the task is cancelled."""
        while True:
            await self._filled.wait()
            while self._waiting:
                for message in self._waiting.pop(next(iter(self._waiting))):
                    if isinstance(message, bytes):
                        await socket.send_bytes(message)
                    else:
                        await socket.send_text(message)
            if self._hang_up:
                await socket.close(*self._hang_up)
                return
            self._filled.clear()
