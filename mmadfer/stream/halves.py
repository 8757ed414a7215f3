"""What the face and the voice of a window say by themselves, told in the pauses of the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from mmadfer.stream.shared import Halves, Recognizer
from mmadfer.stream.window import Window
from mmadfer.types import NOBODY_HEARD, Basis, Prediction, State

EVERY = 1.0
"""Time between two tellings, s."""


def tells_halves(recognizer: Recognizer) -> bool:
    """Return whether its weights bear the absence of either half."""
    return {"face", "audio"} <= set(recognizer.spec.handles_missing)


def without_sound(window: Window) -> Window:
    """Return ``window`` as if no microphone had been there."""
    states = [state for state in window.states if state not in {*NOBODY_HEARD, State.OTHER_CHANNEL, State.SOUND_GAP}]
    return replace(window, waveform=None, sample_rate=0, speech=None, states=(*states, State.NO_SOUND))


def without_face(window: Window) -> Window:
    """Return ``window`` as if nobody had been in view."""
    states = [state for state in window.states if state is not State.FACE_LOST]
    return replace(window, crops=[], frame_times=[], face=None, states=(*states, State.NO_FACE))


class HalvesTeller:
    """Computes the halves of one stream's windows, one pass at a time, so that an answer never waits for two."""

    def __init__(self, recognizer: Recognizer, clock: Callable[[], float] = time.monotonic) -> None:
        self._recognizer = recognizer
        self._clock = clock
        self._due = 0.0
        self._begun: tuple[Window, Prediction] | None = None

    def is_due(self, window: Window) -> bool:
        """Return whether there is something to compute: a second has passed, and ``window`` has both halves."""
        if self._begun is not None:
            return True
        return self._clock() >= self._due and Basis.of(window.states) is Basis.BOTH

    def compute(self, window: Window) -> Halves | None:
        """Do one pass, the face's or the voice's; return both once both are there."""
        if self._begun is None:
            self._due = self._clock() + EVERY
            self._begun = window, self._recognizer.predict(without_sound(window))
            return None
        (window, face), self._begun = self._begun, None
        return Halves(face, self._recognizer.predict(without_face(window)))
