"""A page on another device, as the server sees it: it sends what a browser would, in real time, and draws nothing."""

from __future__ import annotations

import heapq
import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from benchmarks.support.clip import CLIP, FPS, jpegs, sound
from demo.session.protocol import VERSION, Kind, pack

WIDTH, HEIGHT = 640, 360
"""Size of the frames, px; that of the fake camera which `benchmarks.support.browser` shows to Chromium."""
BLOCK = 512
"""Samples a message of sound, as the page's recorder cuts them."""
Timed = tuple[float, bytes]
"""When a message is due (s on the monotonic clock), and the message."""


class Client:
    """A connection to the app, from `connected`. Its clock is the machine's monotonic one, as the app's own is."""

    def __init__(self, socket: ClientConnection) -> None:
        """Say hello. Raises ConnectionError where the server does not take this client."""
        self._socket = socket
        socket.send(json.dumps({"type": "hello", "version": VERSION}))
        welcome = self._receive(10.0)
        if welcome is None or welcome["type"] != "welcome":
            raise ConnectionError(f"the app did not take the client: {welcome}")
        self._rate: int = welcome["sampleRate"]

    def send(self) -> None:
        """Send camera and microphone in real time until the connection ends."""
        self._socket.send(json.dumps({"type": "sound", "sampleRate": self._rate}))
        files = [file.tobytes() for file in jpegs(CLIP.name, WIDTH, HEIGHT)[::2]]  # of 30 frames/s, 15
        samples = np.round(sound(CLIP.name, self._rate)[0].clip(-1, 1) * 32767).astype("<i2")
        start = time.monotonic()
        both = heapq.merge(frames(start, files), blocks(start, samples, self._rate), key=lambda timed: timed[0])
        try:
            for due, message in both:
                time.sleep(max(0.0, due - time.monotonic()))
                self._socket.send(message)
        except ConnectionClosed:
            return

    def delays(self, seconds: float) -> list[float]:
        """Receive for ``seconds``; return for each answer the time since the end of the window that it is about, s."""
        end, found = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            message = self._receive(left)
            if message is not None and message["type"] == "result":
                found.append(time.monotonic() - message["time"])
        return found

    def _receive(self, timeout: float) -> dict[str, Any] | None:
        """Return the next message in words, None where it is another one or none comes within ``timeout`` s."""
        try:
            message = self._socket.recv(timeout=timeout)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise ConnectionError(f"the app closed the connection: {error}") from error
        return json.loads(message) if isinstance(message, str) else None


@contextmanager
def connected(url: str, sends: bool) -> Iterator[Client]:
    """Connect to the app at ``url`` until the body of the `with` ends.

    Args: sends: whether camera and microphone are the client's, not the server's. Raises ConnectionError or OSError.
    """
    with connect(url.replace("http", "ws", 1) + "live/ws", max_size=None) as socket:
        client = Client(socket)
        sender = threading.Thread(target=client.send, daemon=True)
        if sends:
            sender.start()
        yield client
    if sends:
        sender.join()


def frames(start: float, files: Sequence[bytes]) -> Iterator[Timed]:
    """Yield JPEG ``files`` again and again from ``start`` on."""
    for number in itertools.count():
        due = start + number / FPS
        yield due, pack(Kind.VIDEO, due, number, files[number % len(files)])


def blocks(start: float, samples: npt.NDArray[np.int16], rate: int) -> Iterator[Timed]:
    """Yield mono ``samples`` at ``rate`` (Hz) again and again from ``start`` on, each block when it has been heard."""
    for index in itertools.count(0, BLOCK):
        block = samples.take(range(index, index + BLOCK), mode="wrap")
        yield start + (index + BLOCK) / rate, pack(Kind.SOUND, start + index / rate, index, block.tobytes())
