"""The wire format between page and server: binary messages behind a 24-byte header, JSON for everything in words.

A header is little-endian: message kind (u8, 7 bytes of padding), time (float64, s on the sender's clock) and a sequence
number or sample index (float64). Everything that comes from outside is checked here, before anything acts on it.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

HEADER = struct.Struct("<B7xdd")
MAX_MESSAGE_BYTES = 1 << 20
"""Largest message taken from a page; a 1280 x 720 JPEG has about 150 kB."""
MAX_PIXELS = 3840 * 2160
"""Largest frame decoded: a few kB of JPEG can ask for gigabytes of memory."""
MAX_SCANS = 20
"""Of a JPEG: a baseline one, as browsers make it, has one, a usual progressive one ten."""
MAX_TIME = 1e9
MAX_INDEX = 2**53 - 1
"""Largest whole number that a float64 counts without a gap."""
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 192_000
VERSION = 1
MAX_SMOOTHING = 3.0
"""Longest time constant that a page may ask for, s; the server's own may be longer."""
MAX_INTERVAL = 10.0
"""Longest time between two answers that a page may ask for, s."""


class Kind(IntEnum):
    """The first byte of a binary message."""

    VIDEO = 1
    """Page to server: one JPEG frame; the index is its sequence number."""
    SOUND = 2
    """Page to server: mono int16 samples; the index is the running index of the first one."""
    MEL = 3
    """Server to page: log-mel columns, one byte a value; the index is the running index of the first one."""
    PREVIEW = 4
    """Server to page: one JPEG frame of a source on the server's side."""


class Close(IntEnum):
    """The codes with which a connection is closed, so that the page knows whether to come back."""

    UNSUPPORTED = 1003
    BAD_DATA = 1007
    POLICY = 1008
    TOO_BIG = 1009
    BROKEN = 1011
    TRY_LATER = 1013


class ProtocolError(ValueError):
    """A message that the server does not take. Its text goes to the page in words, its code closes the connection."""

    def __init__(self, message: str, code: Close = Close.BAD_DATA) -> None:
        super().__init__(message)
        self.code = code


class VersionError(ProtocolError):
    """The page is not of this server's version: it has to be loaded anew, and asking again does not help."""


@dataclass(frozen=True)
class VideoMessage:
    """One frame as the page sent it; the JPEG is not decoded yet."""

    sequence: int
    time: float
    jpeg: bytes


@dataclass(frozen=True)
class SoundMessage:
    """One block of sound: ``samples`` is (n,) int16, ``index`` the running index of the first one."""

    index: int
    time: float
    samples: npt.NDArray[np.int16]


@dataclass(frozen=True)
class TextMessage:
    """A message in JSON.

    "hello" opens a session, "sound" tells the sample rate (Hz) before the first block, "settings" what this viewer
    wants from now on, "choose" which face is to be read.
    """

    type: str
    sample_rate: int = 0
    time_origin: float = 0.0
    """Unix time of the zero of the page's clock, s; for benchmarks on one machine only."""
    smoothing: float | None = None
    """Time constant, s; None: the server's own."""
    interval: float = 0.0
    """Least time between two answers, s; 0: as they come."""
    number: int = 0
    """Of a face, from 1."""


def pack(kind: Kind, time: float, index: int, payload: bytes) -> bytes:
    """Return a binary message; ``time`` in s."""
    return HEADER.pack(kind, time, float(index)) + payload


def parse_binary(message: bytes) -> VideoMessage | SoundMessage:
    """Return what a page's binary message holds. Raises ProtocolError where it breaks the format."""
    if len(message) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a message may have {MAX_MESSAGE_BYTES} bytes, got {len(message)}", Close.TOO_BIG)
    if len(message) <= HEADER.size:
        raise ProtocolError(f"a message needs {HEADER.size} bytes of header and a payload, got {len(message)} bytes")
    kind, time, number = HEADER.unpack_from(message)
    if kind not in (Kind.VIDEO, Kind.SOUND):
        raise ProtocolError(f"the message kind must be 1 (video) or 2 (sound), got {kind}", Close.UNSUPPORTED)
    if not (math.isfinite(time) and 0 <= time <= MAX_TIME):
        raise ProtocolError(f"the time must be a number of seconds from 0 to {MAX_TIME:.0e}, got {time}")
    if not (math.isfinite(number) and 0 <= number <= MAX_INDEX and number == int(number)):
        raise ProtocolError(f"the sequence number or sample index must be a whole number of 0 or more, got {number}")
    payload = message[HEADER.size :]
    if kind == Kind.VIDEO:
        check_jpeg(payload)
        return VideoMessage(int(number), time, payload)
    if len(payload) % 2:
        raise ProtocolError(f"sound comes in samples of 2 bytes, got {len(payload)} bytes")
    return SoundMessage(int(number), time, np.frombuffer(payload, dtype="<i2"))


def check_jpeg(data: bytes) -> tuple[int, int]:
    """Return (width, height) in px from a JPEG's header. Raises ProtocolError where it is none, or takes too much."""
    width, height = _jpeg_size(data)
    # Each scan of a progressive JPEG costs a pass over the whole picture, and a few bytes hold one. In the picture's
    # own bytes this marker cannot stand.
    if (scans := data.count(b"\xff\xda")) > MAX_SCANS:
        raise ProtocolError(f"a frame may be a JPEG of up to {MAX_SCANS} scans, got {scans}", Close.TOO_BIG)
    if not 0 < width * height <= MAX_PIXELS:
        raise ProtocolError(f"a frame may have up to 3840 x 2160 px, got {width} x {height}", Close.TOO_BIG)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    # Walks the segments up to the frame header (SOF0 to SOF15, without the tables DHT, JPG and DAC among them).
    position = 2
    while data[:2] == b"\xff\xd8" and position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        position += 2 + max(length, 2)
    raise ProtocolError(f"a frame must be a JPEG image, got {len(data)} bytes that are none")


def parse_text(text: str) -> TextMessage:
    """Return what a page's JSON message holds. Raises ProtocolError where it is none that the server knows."""
    if len(text) > 4096:
        raise ProtocolError(f"a JSON message may have 4096 characters, got {len(text)}", Close.TOO_BIG)
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a text message must be JSON, got something else") from error
    if not isinstance(values, dict) or values.get("type") not in ("hello", "sound", "settings", "choose"):
        words = 'a JSON message must be an object with the type "hello", "sound", "settings" or "choose"'
        raise ProtocolError(words, Close.UNSUPPORTED)
    if values["type"] == "hello":
        return TextMessage("hello", time_origin=_hello_origin(values))
    if values["type"] == "settings":
        return _settings(values)
    if values["type"] == "choose":
        return TextMessage("choose", number=face_number(values))
    rate: Any = values.get("sampleRate")
    if not _is_number(rate) or not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise ProtocolError(f"sampleRate must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, got {rate!r}"[:200])
    return TextMessage("sound", sample_rate=round(rate))


def _hello_origin(values: dict[str, Any]) -> float:
    if values.get("version") != VERSION:
        raise VersionError("This page is of another version than the server: please reload it.", Close.POLICY)
    origin = values.get("timeOrigin", 0.0)
    return float(origin) if _is_number(origin) else 0.0


def _settings(values: dict[str, Any]) -> TextMessage:
    smoothing, interval = values.get("smoothing"), values.get("interval", 0.0)
    if smoothing is not None and not (_is_number(smoothing) and 0 <= smoothing <= MAX_SMOOTHING):
        words = f"smoothing must be 0 to {MAX_SMOOTHING:.0f} s, or null for the server's own, got {smoothing!r}"
        raise ProtocolError(words[:200])
    if not (_is_number(interval) and 0 <= interval <= MAX_INTERVAL):
        raise ProtocolError(f"interval must be 0 to {MAX_INTERVAL:.0f} s, got {interval!r}"[:200])
    return TextMessage("settings", smoothing=None if smoothing is None else float(smoothing), interval=float(interval))


def face_number(values: dict[str, Any]) -> int:
    """Return the number in a message that chooses a face. Raises ProtocolError where it is none."""
    number: Any = values.get("number")
    if not (_is_number(number) and number == int(number) and 1 <= number <= MAX_INDEX):
        raise ProtocolError(f"number must be that of a face, 1 or more, got {number!r}"[:200])
    return int(number)


def _is_number(value: object) -> bool:
    # The bound comes first: an integer of 400 digits is valid JSON, and no float can hold it.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e15 < value < 1e15
