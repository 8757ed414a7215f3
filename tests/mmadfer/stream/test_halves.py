"""What face and voice say alone: of one window, in the model's pauses, and only where it can be told."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pytest

from mmadfer.stream.halves import EVERY, HalvesTeller, without_face, without_sound
from mmadfer.stream.shared import Halves
from mmadfer.stream.window import Window
from mmadfer.stream.worker import Worker
from mmadfer.types import Basis, Box, Prediction, State
from tests.support.live import FollowingRecognizer
from tests.support.waiting import until


class Bearing(FollowingRecognizer):
    """Its weights bear the absence of either half, and its exact answers take next to nothing."""

    def __init__(self, missing: tuple[str, ...] = ("face", "audio"), seconds: float = 0.001) -> None:
        super().__init__(delay=seconds, image_size=16)
        self.spec = dataclasses.replace(self.spec, handles_missing=missing)
        self.exact_seconds = seconds


def full(end: float = 3.0, states: tuple[State, ...] = (), version: int = 1) -> Window:
    crops = [np.full((16, 16, 3), 200, np.uint8)] * 16
    times = [end - k / 10 for k in range(16)][::-1]
    sound = np.zeros((1, 48_000), np.float32)
    return Window(end, end - 3, crops, times, sound, 16_000, Box(1, 2, 3, 4), states, 0.0, version, 0.9)


def test_each_half_is_a_window_in_which_the_other_is_missing() -> None:
    window = full(states=(State.FACE_LOST, State.OTHER_CHANNEL, State.SOUND_GAP))
    face, voice = without_sound(window), without_face(window)
    assert (face.waveform, face.speech, face.states) == (None, None, (State.FACE_LOST, State.NO_SOUND))
    assert len(face.crops) == 16 and Basis.of(face.states) is Basis.FACE
    assert (voice.crops, voice.face) == ([], None)
    assert voice.states == (State.OTHER_CHANNEL, State.SOUND_GAP, State.NO_FACE)
    assert voice.waveform is window.waveform and Basis.of(voice.states) is Basis.VOICE
    assert window.waveform is not None and len(window.crops) == 16, "the window itself was changed"


def test_one_pass_at_a_time_once_a_second_and_both_of_one_window() -> None:
    now = [0.0]
    recognizer = Bearing()
    teller = HalvesTeller(recognizer, clock=lambda: now[0])
    first, later = full(3.0), full(3.1, version=2)
    assert teller.is_due(first) and teller.compute(first) is None
    assert len(recognizer.windows) == 1
    halves = teller.compute(later)
    assert halves is not None and halves.face.time == halves.voice.time == 3.0
    assert (halves.face.rests_on, halves.voice.rests_on) == (Basis.FACE, Basis.VOICE)
    assert not teller.is_due(later)
    now[0] += EVERY
    assert teller.is_due(later)
    assert not teller.is_due(full(states=(State.NO_FACE,))) and not teller.is_due(full(states=(State.SILENCE,)))


@pytest.mark.parametrize(
    ("face", "voice", "unsure", "disagree"),
    [
        ("anger", "fear", (False, False), True),
        ("anger", "anger", (False, False), False),
        ("anger", "fear", (False, True), False),
        ("anger", "fear", (True, False), False),
    ],
)
def test_they_disagree_where_both_are_sure_of_different_classes(
    face: str, voice: str, unsure: tuple[bool, bool], disagree: bool
) -> None:
    halves = [
        Prediction(1.0, label, {label: 0.9, "neutral": 0.1}, None, True, 1.0, unsure=doubt)
        for label, doubt in zip((face, voice), unsure, strict=True)
    ]
    assert Halves(*halves).disagree is disagree


class Watched:
    """A stream with a new window at every look, which has a face and a voice."""

    exact = False
    least_interval = 0.0

    def __init__(self, states: tuple[State, ...] = ()) -> None:
        self.number, self.states = 7, states
        self.answers: list[float] = []
        self.halves: list[Halves] = []

    def window(self) -> Window:
        now = time.monotonic()
        return full(now, self.states, int(now * 15))

    def further_windows(self) -> list[Window]:
        return []

    def publish(self, prediction: Prediction) -> None:
        self.answers.append(time.monotonic())

    def on_halves(self, halves: Halves) -> None:
        self.halves.append(halves)

    def on_drift(self, drift: Any) -> None: ...

    def on_pace(self, exact: bool, seconds: float) -> None: ...

    def on_trouble(self, words: str) -> None:
        raise AssertionError(words)

    def on_lost(self, error: Exception) -> None:
        raise AssertionError(error)


def served(recognizer: Bearing, stream: Watched, seconds: float) -> None:
    worker = Worker(lambda: recognizer)
    worker.start()
    assert worker.loaded.wait(5)
    worker.add(stream)  # type: ignore[arg-type]
    assert until(lambda: len(stream.answers) > 5 * seconds, 5 + 3 * seconds)
    worker.remove(stream)  # type: ignore[arg-type]
    assert not worker._halves
    worker.stop()


def test_the_worker_tells_them_in_its_pauses() -> None:
    stream = Watched()
    served(Bearing(), stream, 3.0)
    assert 1 <= len(stream.halves) <= 1 + (stream.answers[-1] - stream.answers[0]) / EVERY + 1
    assert len(stream.answers) > 3 * len(stream.halves), "the halves took the answers' place"


@pytest.mark.parametrize(
    ("recognizer", "states"),
    [
        (Bearing(missing=("face",)), ()),
        (Bearing(seconds=0.17), ()),
        (Bearing(), (State.NO_FACE,)),
        (Bearing(), (State.NO_VOICE,)),
    ],
    ids=["the weights need a voice", "exact answers are slow", "no face", "no voice"],
)
def test_nothing_is_told_that_has_no_ground_or_no_time(recognizer: Bearing, states: tuple[State, ...]) -> None:
    stream = Watched(states)
    served(recognizer, stream, 2.0)
    assert stream.halves == []
