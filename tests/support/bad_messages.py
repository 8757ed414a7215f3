"""Messages of the live page's wire format, and those that a server has to refuse."""

from __future__ import annotations

import json
import struct

from demo.session.protocol import HEADER, MAX_MESSAGE_BYTES, Close


def jpeg(width: int, height: int) -> bytes:
    """Return a JPEG's header that says ``width`` x ``height``, after a table as cameras write it."""
    table = b"\xff\xdb" + struct.pack(">H", 67) + bytes(65)
    return b"\xff\xd8" + table + b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + bytes(16)


def header(kind: float, time: float, number: float) -> bytes:
    """Return the 24 bytes before a message's payload."""
    return HEADER.pack(int(kind), time, number)


BAD_BINARY = {
    "empty": (b"", Close.BAD_DATA),
    "header cut short": (header(1, 1.0, 0)[:20], Close.BAD_DATA),
    "no payload": (header(2, 1.0, 0), Close.BAD_DATA),
    "unknown kind": (header(9, 1.0, 0) + b"\x00\x00", Close.UNSUPPORTED),
    "a kind only the server sends": (header(3, 1.0, 0) + b"\x00\x00", Close.UNSUPPORTED),
    "time is NaN": (header(2, float("nan"), 0) + b"\x00\x00", Close.BAD_DATA),
    "time is infinite": (header(2, float("inf"), 0) + b"\x00\x00", Close.BAD_DATA),
    "time before the start": (header(2, -0.1, 0) + b"\x00\x00", Close.BAD_DATA),
    "time in the far future": (header(2, 1e300, 0) + b"\x00\x00", Close.BAD_DATA),
    "negative index": (header(2, 1.0, -1) + b"\x00\x00", Close.BAD_DATA),
    "broken index": (header(2, 1.0, 0.5) + b"\x00\x00", Close.BAD_DATA),
    "index is NaN": (header(2, 1.0, float("nan")) + b"\x00\x00", Close.BAD_DATA),
    "index beyond float64": (header(2, 1.0, 1e17) + b"\x00\x00", Close.BAD_DATA),
    "half a sample": (header(2, 1.0, 0) + b"\x00\x00\x00", Close.BAD_DATA),
    "no JPEG": (header(1, 1.0, 0) + b"GIF89a" + bytes(64), Close.BAD_DATA),
    "JPEG without a frame": (header(1, 1.0, 0) + b"\xff\xd8\xff\xd9" + bytes(64), Close.BAD_DATA),
    "a small JPEG that asks for gigabytes": (header(1, 1.0, 0) + jpeg(65_535, 65_535), Close.TOO_BIG),
    "a JPEG without pixels": (header(1, 1.0, 0) + jpeg(0, 480), Close.TOO_BIG),
    "oversized": (header(2, 1.0, 0) + bytes(MAX_MESSAGE_BYTES), Close.TOO_BIG),
}
BAD_TEXT = {
    "no JSON": "hello",
    "no object": "[1]",
    "unknown type": '{"type": "shutdown"}',
    "deep": "[" * 4000,
    "long": json.dumps({"type": "hello", "x": "x" * 5000}),
    "other version": '{"type": "hello", "version": 99}',
    "rate missing": '{"type": "sound"}',
    "rate is text": '{"type": "sound", "sampleRate": "44100"}',
    "rate is true": '{"type": "sound", "sampleRate": true}',
    "rate is NaN": '{"type": "sound", "sampleRate": NaN}',
    "rate is a number of 400 digits": '{"type": "sound", "sampleRate": 1' + "0" * 400 + "}",
    "rate too low": '{"type": "sound", "sampleRate": 4000}',
    "smoothing is negative": '{"type": "settings", "smoothing": -0.1}',
    "smoothing too long": '{"type": "settings", "smoothing": 3.01}',
    "smoothing is text": '{"type": "settings", "smoothing": "1"}',
    "a face of no number": '{"type": "choose"}',
    "face 0": '{"type": "choose", "number": 0}',
    "half a face": '{"type": "choose", "number": 1.5}',
    "a face by name": '{"type": "choose", "number": "1"}',
    "no face's number": '{"type": "choose", "number": NaN}',
    "a face beyond all": '{"type": "choose", "number": 1e300}',
    "interval is NaN": '{"type": "settings", "interval": NaN}',
    "interval is null": '{"type": "settings", "interval": null}',
    "interval too long": '{"type": "settings", "interval": 1e9}',
    "rate too high": '{"type": "sound", "sampleRate": 1000000}',
}
