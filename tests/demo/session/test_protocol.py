"""The wire format: what a page sends is taken, and everything else is refused in words."""

from __future__ import annotations

import asyncio
import json
import struct

import numpy as np
import pytest

from demo.session.outbox import Outbox
from demo.session.protocol import (
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
from tests.support.bad_messages import BAD_BINARY, BAD_TEXT, jpeg

SAMPLES = np.arange(-256, 256, dtype="<i2")


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


@pytest.mark.parametrize(("message", "code"), BAD_BINARY.values(), ids=BAD_BINARY.keys())
def test_a_malformed_message_is_refused_in_words(message: bytes, code: Close) -> None:
    with pytest.raises(ProtocolError, match=r"\w+ \w+ \w+") as caught:
        parse_binary(message)
    assert caught.value.code == code


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


def test_a_viewers_wishes_come_out_as_they_went_in() -> None:
    assert parse_text('{"type": "choose", "number": 3}').number == 3
    told = parse_text('{"type": "settings", "smoothing": 2.5, "interval": 0.5}')
    assert (told.smoothing, told.interval) == (2.5, 0.5)
    usual = parse_text('{"type": "settings", "smoothing": null}')
    assert (usual.smoothing, usual.interval) == (None, 0.0)
