"""A page's messages: the hello of one that has no place yet, and what comes then."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from functools import partial
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from mmadfer.stream.intake import Frame, Sound

from ..session.protocol import (
    Close,
    ProtocolError,
    SoundMessage,
    TextMessage,
    VersionError,
    parse_binary,
    parse_text,
)
from ..session.session import Session, decode

HELLO_TIMEOUT = 10.0
"""Time a connection has to say hello, s."""
MOST_SILENT, MOST_SILENT_OF_ONE = 64, 32
"""Connections that may be open without a hello, in all and of one address: they have no place, but take memory. Behind
a proxy, or by a share link, all come from one."""


class Greeting:
    """Waits for the hello of pages that have no place yet, and of not too many at once."""

    def __init__(self) -> None:
        self._silent: collections.Counter[str] = collections.Counter()

    @property
    def waiting(self) -> int:
        """Connections that have not said hello."""
        return self._silent.total()

    async def hello(self, websocket: WebSocket) -> TextMessage | None:
        """Return the hello; None where there is none, or too many wait, which the page is told."""
        address = websocket.client.host if websocket.client else ""
        if self.waiting >= MOST_SILENT or self._silent[address] >= MOST_SILENT_OF_ONE:
            words = "Too many connections to this server have not said what they want. It goes on by itself."
            await send_away(websocket, "full", words)
            return None
        self._silent[address] += 1
        try:
            return await _hello(websocket)
        finally:
            self._silent[address] -= 1
            self._silent += collections.Counter()  # forgets those at 0


async def _hello(websocket: WebSocket) -> TextMessage | None:
    try:
        hello = await asyncio.wait_for(receive(websocket), HELLO_TIMEOUT)
        if not isinstance(hello, TextMessage) or hello.type != "hello":
            raise ProtocolError("the first message must be the hello", Close.POLICY)
    except ProtocolError as error:
        kind = "refused" if isinstance(error, VersionError) else "error"
        await send_away(websocket, kind, str(error), error.code)
    except asyncio.TimeoutError:
        await send_away(websocket, "error", f"no hello came within {HELLO_TIMEOUT:.0f} s", Close.POLICY)
    else:
        return hello
    return None


async def receive(websocket: WebSocket) -> Any:
    """Return the next message. Raises ProtocolError for one that is none, WebSocketDisconnect at the end."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    if message.get("bytes") is not None:
        return parse_binary(message["bytes"])
    return parse_text(message["text"])


async def receive_into(session: Session, websocket: WebSocket) -> None:
    """Drop what comes into the session's intake and go on; nothing is waited for but the next message."""
    sample_rate = 0
    while True:
        message = await receive(websocket)
        if isinstance(message, TextMessage):
            if message.type == "sound":
                sample_rate = message.sample_rate
                session.intake.announce_sound()
            elif message.type == "settings":
                session.set_wishes(message.smoothing, message.interval)
            elif message.type == "choose":
                session.intake.choose_face(message.number)
        elif isinstance(message, SoundMessage):
            if not sample_rate:
                raise ProtocolError("the sample rate must be told before the first sound", Close.POLICY)
            samples = message.samples.astype(np.float32)[np.newaxis] / 32768.0
            session.intake.offer_sound(Sound(message.index, message.time, samples, sample_rate))
        else:
            session.intake.offer_frame(Frame(message.sequence, message.time, partial(decode, message.jpeg)))


async def send_away(
    websocket: WebSocket, kind: str, message: str, code: Close = Close.TRY_LATER, **further: str
) -> None:
    """Tell a page why it is not served, and close its connection."""
    with contextlib.suppress(WebSocketDisconnect, ConnectionError, RuntimeError):
        await websocket.send_json({"type": kind, "message": message, "code": int(code), **further})
        await websocket.close(code, kind)
