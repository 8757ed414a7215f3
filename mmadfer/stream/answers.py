"""One live stream's answers: when the next is due, what is kept for it, and how far steps are from exact ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mmadfer.config import InputSpec
from mmadfer.stream.shared import Drift, Recognizer
from mmadfer.stream.step_error import LIMIT
from mmadfer.types import Prediction

if TYPE_CHECKING:
    from mmadfer.stream.window import Window

log = logging.getLogger(__name__)

MIN_INTERVAL = 0.1
"""Time between two exact answers to one stream, s: more than ten a second nobody reads, and others wait for them."""
HOP_SLACK = 0.9
"""Share of a hop after which the next step is due: camera frames do not fall on hops."""
DRIFT_EVERY = 128
"""One in so many steps is also computed exactly, when the model has nothing else to do."""
DRIFT_AGAIN = 8
"""The same after a step that was too far off; then twice as many each time, up to the usual number."""


class Answers:
    """The memory of one stream between answers. Used on the model's thread only."""

    def __init__(
        self,
        recognizer: Recognizer,
        exact: bool,
        drift_every: int = DRIFT_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: exact: compute every window whole. drift_every: steps between two checks, at least 1. clock: s."""
        self._recognizer = recognizer
        self._spec: InputSpec = recognizer.spec
        self._step = recognizer.streaming_step()
        self.has_step = self._step is not None
        """Whether there is a choice; without it every answer is exact."""
        self._exact = exact
        self._whole_next = False
        self._drift_every = self._check_every = drift_every
        self._clock = clock
        self.least_interval = 0.0
        """Time between two answers that somebody has asked for, s; it makes them rarer and never more frequent."""
        self._newest: tuple[int, float, float] | None = None
        self._steps = 0
        self._stepped: tuple[Window, Prediction] | None = None
        self._check_due = False
        self._drift: Drift | None = None
        self.seconds = 0.0
        """Time that the newest answer or check took, s."""
        self.was_exact = False
        """Whether it was an exact pass."""

    @property
    def exact(self) -> bool:
        """Whether every window is computed whole; may be changed between two answers."""
        return self._exact or not self.has_step

    @exact.setter
    def exact(self, exact: bool) -> None:
        if exact != self._exact:
            self._exact, self._stepped, self._check_due = exact, None, False
            self._step = self._recognizer.streaming_step()  # what it has kept is of another time

    def is_due(self, window: Window) -> bool:
        """Return whether ``window`` is to be answered: it holds something new, and its turn has come.

        Its turn is counted on the source's clock; and on ours where a source halts, so that its last frame is answered.
        """
        if self._newest is None:
            return True
        version, end, answered = self._newest
        if window.version == version:
            return False
        interval = max(MIN_INTERVAL if self.exact else HOP_SLACK * self._spec.hop_seconds, self.least_interval)
        return not 0 <= window.end - end < interval or self._clock() - answered >= 2 * interval

    def answer(self, window: Window) -> Prediction:
        """Return the model's answer. Raises ValueError or RuntimeError where it has none."""
        self._newest = (window.version, window.end, self._clock())
        prediction = self._whole(window) if self.exact or self._step is None else self._by_step(window)
        self._whole_next = self._whole_next and not self.was_exact
        return prediction

    def _whole(self, window: Window) -> Prediction:
        start = self._clock()
        prediction = self._recognizer.predict(window)
        self.seconds, self.was_exact = self._clock() - start, True
        return prediction

    def _by_step(self, window: Window) -> Prediction:
        assert self._step is not None
        start = self._clock()
        prediction = self._recognizer.predict(window, self._step)
        self.seconds, self.was_exact = self._clock() - start, self._step.new_frames >= self._spec.num_frames
        if self.was_exact:
            return prediction
        if self._whole_next:
            return self._whole(window)
        self._stepped = (window, prediction)
        self._steps += 1
        self._check_due = self._check_due or self._steps % self._check_every == 1 % self._check_every
        return prediction

    def ask_check(self) -> None:
        """Have the newest step checked by `check_drift`, if there is one that was not."""
        self._check_due = True

    def check_drift(self) -> Drift | None:
        """Compute exactly what waits to be checked, and return the drift so far; None where nothing waits.

        Where the step was too far off, the next answer is exact, and the step begins anew.
        """
        if not self._check_due or self._stepped is None:
            return None
        window, quick = self._stepped
        self._stepped, self._check_due = None, False
        exact = self._whole(window).probabilities
        last = max(abs(exact[name] - value) for name, value in quick.probabilities.items())
        before = self._drift or Drift(0, 0.0, 0.0)
        self._drift = Drift(before.checks + 1, last, max(before.largest, last))
        log.info("step against exact pass: largest probability difference %.4f, so far %.4f", last, self._drift.largest)
        if last > LIMIT:
            self._begin_anew()
        else:
            self._check_every = min(2 * self._check_every, self._drift_every)
        return self._drift

    def _begin_anew(self) -> None:
        self._step = self._recognizer.streaming_step()  # what it has kept is wrong, and what it has learnt
        self._whole_next = True
        self._steps, self._check_every = 0, min(DRIFT_AGAIN, self._drift_every)
