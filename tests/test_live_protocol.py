"""The wire format: what a page sends is taken, and everything else is refused in words."""

from __future__ import annotations

import asyncio
import json
import struct

import numpy as np
import pytest

from demo.session.outbox import Outbox
from demo.session.protocol import (
    HEADER,
    MAX_MESSAGE_BYTES,
    Close,
    Kind,
    ProtocolError,
    SoundMessage,
    VideoMessage,
    check_jpeg,
    pack,
    parse_binary,
    parse_text,
)

SAMPLES = np.arange(-256, 256, dtype="<i2")


def jpeg(width: int, height: int) -> bytes:
    """Return a JPEG's header that says ``width`` x ``height``, after a table as cameras write it."""
    table = b"\xff\xdb" + struct.pack(">H", 67) + bytes(65)
    return b"\xff\xd8" + table + b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + bytes(16)


def header(kind: float, time: float, number: float) -> bytes:
    return HEADER.pack(int(kind), time, number)


def test_a_message_comes_out_as_it_went_in() -> None:
    frame = parse_binary(pack(Kind.VIDEO, 12.5, 7, jpeg(640, 360)))
    assert frame == VideoMessage(7, 12.5, jpeg(640, 360))
    sound = parse_binary(pack(Kind.SOUND, 3.25, 2**40, SAMPLES.tobytes()))
    assert isinstance(sound, SoundMessage)
    assert (sound.index, sound.time) == (2**40, 3.25)
    np.testing.assert_array_equal(sound.samples, SAMPLES)


def test_the_header_is_the_24_bytes_that_the_page_writes() -> None:
    message = pack(Kind.SOUND, 1.5, 512, b"\x01\x00")
    assert message == b"\x02" + bytes(7) + struct.pack("<d", 1.5) + struct.pack("<d", 512.0) + b"\x01\x00"


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


@pytest.mark.parametrize(("message", "code"), BAD_BINARY.values(), ids=BAD_BINARY.keys())
def test_a_malformed_message_is_refused_in_words(message: bytes, code: Close) -> None:
    with pytest.raises(ProtocolError, match=r"\w+ \w+ \w+") as caught:
        parse_binary(message)
    assert caught.value.code == code


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
    "rate too high": '{"type": "sound", "sampleRate": 1000000}',
}


@pytest.mark.parametrize("text", BAD_TEXT.values(), ids=BAD_TEXT.keys())
def test_malformed_json_is_refused_in_words(text: str) -> None:
    with pytest.raises(ProtocolError, match=r"\w+ \w+ \w+"):
        parse_text(text)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000, 96_000])
def test_every_usual_sample_rate_is_taken(rate: int) -> None:
    assert parse_text(json.dumps({"type": "sound", "sampleRate": rate})).sample_rate == rate


def test_the_size_of_a_real_jpeg_is_read() -> None:
    import cv2

    encoded = cv2.imencode(".jpg", np.zeros((123, 456, 3), np.uint8))[1].tobytes()
    assert check_jpeg(encoded) == (456, 123)


class RecordingSocket:
    """Remembers what was sent; `gate` holds it back as a slow page does."""

    def __init__(self) -> None:
        self.sent: list[str | bytes | tuple[int, str | None]] = []
        self.gate = asyncio.Event()

    async def send_text(self, data: str) -> None:
        await self.gate.wait()
        self.sent.append(data)

    async def send_bytes(self, data: bytes) -> None:
        await self.gate.wait()
        self.sent.append(data)

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        self.sent.append((code, reason))


async def sent_to_a_slow_page(limit: int) -> list[str | bytes | tuple[int, str | None]]:
    socket, outbox = RecordingSocket(), Outbox(asyncio.get_running_loop(), limit)
    for number in range(10):
        outbox.put(b"mel %d" % number)
        outbox.put({"frame": number}, b"picture %d" % number, slot="frame")
    outbox.hang_up(1008, "enough")
    sender = asyncio.create_task(outbox.drain(socket))
    await asyncio.sleep(0.01)
    socket.gate.set()
    await asyncio.wait_for(sender, 5)
    return socket.sent


def test_a_slow_page_gets_the_newest_frame_with_its_own_picture_and_then_the_reason() -> None:
    sent = asyncio.run(sent_to_a_slow_page(limit=100))
    assert [m for m in sent if isinstance(m, bytes) and m.startswith(b"mel")] == [b"mel %d" % n for n in range(10)]
    assert sent.index('{"frame": 9}') + 1 == sent.index(b"picture 9")
    assert sum(b"picture" in m for m in sent if isinstance(m, bytes)) == 1
    assert json.loads(str(sent[-2])) == {"type": "error", "message": "enough", "code": 1008}
    assert sent[-1] == (1008, "enough")


def test_what_waits_for_a_slow_page_is_bounded() -> None:
    assert len(asyncio.run(sent_to_a_slow_page(limit=4))) <= 4 + 2
