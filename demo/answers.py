"""One session's answers: when the next is due, what is kept for it, and how far quick answers are from exact ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmadfer.config import InputSpec
from mmadfer.postprocess import Prediction

if TYPE_CHECKING:
    from demo.worker import Recognizer
    from mmadfer.stream import Window

log = logging.getLogger(__name__)

MIN_INTERVAL = 0.1
"""Time between two exact answers to one session, s: more than ten a second nobody reads, and others wait for them."""
HOP_SLACK = 0.9
"""Share of a hop after which the next step is due: camera frames do not fall on hops."""
DRIFT_EVERY = 128
"""One in so many steps is also computed exactly, when the model has nothing else to do."""


@dataclass(frozen=True)
class Drift:
    """How far steps were from the exact pass."""

    checks: int
    last: float
    """Largest difference of a probability in the newest check."""
    largest: float
    """The same over all checks of the session."""


class Answers:
    """The memory of one session between answers. Used on the model's thread only."""

    def __init__(
        self,
        recognizer: Recognizer,
        exact: bool,
        drift_every: int = DRIFT_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: exact: compute every window whole. drift_every: steps between two checks, at least 1. clock: s."""
        spec: InputSpec = recognizer.spec
        self._recognizer = recognizer
        self._step = None if exact else recognizer.streaming_step()
        self._interval = MIN_INTERVAL if self._step is None else HOP_SLACK * spec.hop_seconds
        self._drift_every = drift_every
        self._clock = clock
        self._newest: tuple[int, float, float] | None = None
        self._steps = 0
        self._unchecked: tuple[Window, Prediction] | None = None
        self._drift: Drift | None = None

    def is_due(self, window: Window) -> bool:
        """Return whether ``window`` is to be answered: it holds something new, and its turn has come.

        Its turn is counted on the source's clock; and on ours where a source halts, so that its last frame is answered.
        """
        if self._newest is None:
            return True
        version, end, answered = self._newest
        if window.version == version:
            return False
        return not 0 <= window.end - end < self._interval or self._clock() - answered >= 2 * self._interval

    def answer(self, window: Window) -> Prediction:
        """Return the model's answer. Raises ValueError or RuntimeError where it has none."""
        self._newest = (window.version, window.end, self._clock())
        if self._step is None:
            return self._recognizer.predict(window)
        prediction = self._recognizer.predict(window, self._step)
        if self._step.new_frames < self._recognizer.spec.num_frames:
            self._steps += 1
            if self._steps % self._drift_every == 1 % self._drift_every:
                self._unchecked = (window, prediction)
        return prediction

    def check_drift(self) -> Drift | None:
        """Compute exactly what waits to be checked, and return the drift so far; None where nothing waits."""
        if self._unchecked is None:
            return None
        window, quick = self._unchecked
        self._unchecked = None
        exact = self._recognizer.predict(window).probabilities
        last = max(abs(exact[name] - value) for name, value in quick.probabilities.items())
        before = self._drift or Drift(0, 0.0, 0.0)
        self._drift = Drift(before.checks + 1, last, max(before.largest, last))
        log.info("step against exact pass: largest probability difference %.4f, so far %.4f", last, self._drift.largest)
        return self._drift
