"""Intake and session: newest frame wins, no sound is lost, and what a page is told follows what came in."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo.session.outbox import Outbox
from demo.session.protocol import HEADER, Close, Kind
from demo.session.session import Session, decode, in_protocol
from demo.session.spectrogram import SpectrogramFeed
from mmadfer.config import InputSpec
from mmadfer.media.media_file import open_media
from mmadfer.sound.logmel import log_mel
from mmadfer.stream.intake import Frame, Intake, SeenFrame, Sound, StreamError
from mmadfer.stream.shared import Halves
from mmadfer.stream.window import AVWindow
from tests.support.programs import answer
from tests.support.waiting import until

RATE = 44_100
GREY = np.full((48, 64, 3), 128, np.uint8)


def sound(index: int, count: int = 512, value: float = 0.1) -> Sound:
    return Sound(index, index / RATE, np.full((1, count), value, np.float32), RATE)


class Listener:
    """Remembers what the intake tells; `gate` lets it take frames one by one."""

    def __init__(self) -> None:
        self.frames: list[SeenFrame] = []
        self.sounds: list[Sound] = []
        self.errors: list[Exception] = []
        self.gate = threading.Event()

    def make_window(self) -> AVWindow:
        return AVWindow(InputSpec(image_size=112))

    def on_frame(self, seen: SeenFrame) -> None:
        self.frames.append(seen)
        self.gate.wait(10)

    def on_sound(self, sound: Sound) -> None:
        self.sounds.append(sound)

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def intake(listener: Listener) -> Iterator[Intake]:
    made = Intake(listener, "test")
    yield made
    listener.gate.set()
    made.stop()
    made.join(5)


def test_while_a_frame_is_looked_at_only_the_newest_waits(intake: Intake, listener: Listener) -> None:
    intake.offer_frame(Frame(0, 0.0, GREY))
    assert until(lambda: listener.frames)
    for number in range(1, 40):
        intake.offer_frame(Frame(number, number / 15, GREY))
    listener.gate.set()
    assert until(lambda: len(listener.frames) == 2)
    time.sleep(0.05)
    assert [seen.frame.sequence for seen in listener.frames] == [0, 39]
    assert intake.frames_replaced == 38


def test_a_frame_that_was_overtaken_is_left_out(intake: Intake, listener: Listener) -> None:
    listener.gate.set()
    for number in (3, 2, 5, 4, 5):
        intake.offer_frame(Frame(number, number / 15, GREY))
        until(lambda wanted=number: listener.frames and listener.frames[-1].frame.sequence >= wanted)
    assert [seen.frame.sequence for seen in listener.frames] == [3, 5]


def test_no_sound_is_lost_while_a_frame_is_looked_at(intake: Intake, listener: Listener) -> None:
    intake.offer_frame(Frame(0, 0.0, GREY))
    assert until(lambda: listener.frames)
    for block in range(400):
        intake.offer_sound(sound(512 * block))
    listener.gate.set()
    assert until(lambda: len(listener.sounds) == 400), f"only {len(listener.sounds)} of 400 blocks came through"
    assert [s.index for s in listener.sounds] == [512 * block for block in range(400)]
    assert intake.index_gaps == 0
    assert intake.sound_seconds == pytest.approx(400 * 512 / RATE)


def test_a_jump_of_the_index_is_counted_and_a_wild_one_refused(intake: Intake) -> None:
    for index in (0, 512, 2048):
        intake.offer_sound(sound(index))
    assert intake.index_gaps == 1
    with pytest.raises(StreamError, match="jumped by"):
        intake.offer_sound(sound(10**12))


def test_an_announced_microphone_may_count_anew(intake: Intake, listener: Listener) -> None:
    far = 100 * RATE
    intake.offer_sound(Sound(far, 100.0, np.full((1, RATE), 0.5, np.float32), RATE))
    with pytest.raises(StreamError, match="jumped by"):
        intake.offer_sound(sound(0))
    intake.announce_sound()
    intake.offer_sound(Sound(0, 103.0, np.full((1, RATE), 0.25, np.float32), RATE))
    assert until(lambda: len(listener.sounds) == 2)
    assert intake.window is not None and intake.index_gaps == 2
    view = intake.window.window()
    assert view.end == pytest.approx(104.0) and view.waveform is not None
    assert view.waveform[0, -1] == 0.25 and intake.window.gaps == 1
    with pytest.raises(StreamError, match="jumped by"):
        intake.offer_sound(sound(far))


@pytest.mark.parametrize(
    "error", [ImportError("apt-get install libegl1"), OSError("libGL.so.1"), RuntimeError("graph")]
)
def test_a_face_detector_that_cannot_run_is_told(error: Exception, listener: Listener) -> None:
    class Blind:
        restarts = 0

        def update(self, rgb: np.ndarray, time_s: float) -> None:
            raise error

        def close(self) -> None: ...

    listener.make_window = lambda: AVWindow(InputSpec(image_size=112), Blind())  # type: ignore[assignment, arg-type]
    made = Intake(listener, "blind")
    made.offer_frame(Frame(0, 0.0, GREY))
    made.join(5)
    told = in_protocol(listener.errors[0])
    assert (str(told), told.code) == (f"The server cannot look for faces: {error}", Close.BROKEN)


def test_sound_far_ahead_of_real_time_is_refused(intake: Intake, listener: Listener) -> None:
    intake.offer_frame(Frame(0, 0.0, GREY))
    assert until(lambda: listener.frames)
    with pytest.raises(StreamError, match="ahead of real time"):
        for second in range(40):
            intake.offer_sound(sound(second * RATE, RATE))


@pytest.mark.parametrize("jpeg", [b"\xff\xd8 not a picture", b""], ids=["damaged", "empty"])
def test_a_frame_that_cannot_be_decoded_ends_the_intake_in_words(
    intake: Intake, listener: Listener, jpeg: bytes
) -> None:
    intake.offer_frame(Frame(0, 0.0, partial(decode, jpeg)))
    assert until(lambda: listener.errors)
    intake.join(2)
    assert "frame" in str(listener.errors[0])


def test_the_spectrogram_that_is_sent_is_the_models_own(clips: Path) -> None:
    waveform = open_media(clips / "jfk.flac").read_audio()
    assert waveform is not None
    waveform = waveform[:, : 3 * RATE]
    feed, got, index = SpectrogramFeed(InputSpec(), RATE), [], 0
    for length in np.random.default_rng(1).integers(100, 3000, 200):
        piece = waveform[:, index : index + length]
        if piece.size and (message := feed.push(Sound(index, index / RATE, piece, RATE))):
            kind, _, column = HEADER.unpack_from(message)
            assert (kind, int(column)) == (Kind.MEL, sum(len(part) for part in got))
            got.append(np.frombuffer(message[HEADER.size :], np.uint8).reshape(-1, 128))
        index += piece.shape[1]
    columns = np.concatenate(got)
    wanted = np.clip((np.asarray(log_mel(waveform, RATE)) + 14) * 255 / 18, 0, 255).astype(np.uint8)[: len(columns)]
    assert len(columns) > 280
    np.testing.assert_array_equal(columns, wanted)


def columns_of(feed: SpectrogramFeed, waveform: np.ndarray) -> np.ndarray:
    got = []
    for index in range(0, waveform.shape[1], 512):
        if message := feed.push(Sound(index, index / RATE, waveform[:, index : index + 512], RATE)):
            got.append(np.frombuffer(message[HEADER.size :], np.uint8).reshape(-1, 128))
    return np.concatenate(got)


@pytest.mark.parametrize("channels", [2, 6])
def test_the_picture_of_the_voice_shows_the_channel_that_the_model_hears(clips: Path, channels: int) -> None:
    waveform = open_media(clips / "jfk.flac").read_audio()
    assert waveform is not None
    voice = waveform[:1, : 4 * RATE]
    wanted = columns_of(SpectrogramFeed(InputSpec(), RATE), voice)
    for place in range(channels):
        spread = np.full((channels, voice.shape[1]), 1e-6, np.float32)
        spread[place] = voice
        got = columns_of(SpectrogramFeed(InputSpec(), RATE), spread)
        same = (got == wanted).all(axis=1)
        assert same[100:].all(), f"channel {place + 1}: {np.flatnonzero(~same)[-1]} of {len(same)} columns are others"


def test_sound_whose_channels_change_goes_on() -> None:
    session, sent = Session(InputSpec(image_size=112)), []
    session.send = lambda *messages, slot=None: sent.extend(messages)  # type: ignore[assignment, misc]
    index = 0
    for channels in (1, 2, 1, 6):
        for _ in range(20):
            samples = np.full((channels, 512), 0.1, np.float32)
            session.on_sound(Sound(index, index / RATE, samples, RATE))
            index += 512
    session.stop()
    assert sum(isinstance(message, bytes) for message in sent) >= 4


async def told_about_a_face(clip: Path) -> tuple[list[dict], Session]:
    """Send a clip's first frames as JPEG and return what the page is told."""
    session = Session(InputSpec(image_size=112))
    outbox = Outbox(asyncio.get_running_loop())
    session.add(outbox)
    told: list[dict] = []
    frames: list[dict] = []

    class Page:
        async def send_text(self, data: str) -> None:
            told.append(json.loads(data))
            frames.extend(m for m in told[-1:] if m["type"] == "frame")

        async def send_bytes(self, data: bytes) -> None: ...

        async def close(self, code: int = 1000, reason: str | None = None) -> None: ...

    sender = asyncio.create_task(outbox.drain(Page()))
    for number, (moment, rgb) in zip(range(8), open_media(clip).frames(), strict=False):
        jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()
        session.intake.offer_frame(Frame(number, moment, partial(decode, jpeg)))
        for _ in range(500):
            if frames and frames[-1]["sequence"] == number:
                break
            await asyncio.sleep(0.01)
    sender.cancel()
    session.stop()
    session.intake.join(5)
    return told, session


def test_each_frame_is_acknowledged_with_its_face_box_as_shares_of_the_frame(clips: Path) -> None:
    told, session = asyncio.run(told_about_a_face(clips / "pyfeat_single_face.mp4"))
    frames = [message for message in told if message["type"] == "frame"]
    assert [m["sequence"] for m in frames] == list(range(8))
    x, y, width, height, _ = frames[-1]["box"]
    # The clip's face is about 213 px high in 640 x 360 px, right of the middle or near it.
    assert 0.2 < width < 0.6 and 0.3 < height < 0.9, frames[-1]["box"]
    assert 0.1 < x + width / 2 < 0.9 and 0.2 < y + height / 2 < 0.9, frames[-1]["box"]
    assert session.counters.frames == 8
    states = [message for message in told if message["type"] == "states"]
    assert states[0]["states"] == ["window filling", "no sound"], "states must not wait for the model"


def test_a_stopped_session_leaves_no_thread_and_gives_no_window() -> None:
    session = Session(InputSpec(image_size=112))
    name = f"intake-{session.stream.number}"
    session.intake.offer_frame(Frame(0, 0.0, GREY))
    assert until(lambda: session.counters.frames)
    assert session.window() is not None
    session.stop()
    assert until(lambda: name not in [thread.name for thread in threading.enumerate()], 2.0)
    assert session.window() is None


def test_what_face_and_voice_say_alone_goes_with_the_next_answer_and_no_other() -> None:
    session, seen = Session(InputSpec(image_size=112), smoothing=0.5), []
    session.on_answer = lambda prediction, _: seen.append((session.alone, session.smoothing))
    prediction = answer().prediction
    halves = Halves(prediction, prediction)
    session.on_result(prediction)
    session.set_wishes(2.0, 1.0)
    session.on_halves(halves)
    session.on_result(prediction)
    session.set_wishes(None, 0.0)
    session.on_result(prediction)
    assert seen == [(None, 0.5), (halves, 2.0), (None, 0.5)]
    assert session.stream.least_interval == 0
    session.stop()
