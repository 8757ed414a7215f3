"""The answers about the faces that are read beside the chosen one: in turn, and never before its own."""

from __future__ import annotations

import time
from collections.abc import Callable

from mmadfer.stream.answers import Answers
from mmadfer.stream.shared import Recognizer
from mmadfer.stream.window import Window
from mmadfer.types import Prediction


class InTurn:
    """One stream's further faces. Used on the model's thread only.

    After each answer about the chosen face one further face may be answered, the one that has waited longest: however
    many there are, a stream costs the model at most twice what one face does.
    """

    def __init__(self, recognizer: Recognizer, clock: Callable[[], float] = time.monotonic) -> None:
        self._recognizer = recognizer
        self._clock = clock
        self._answers: dict[int, Answers] = {}
        self._answered: dict[int, float] = {}
        self._may = False

    def chosen_was_answered(self) -> None:
        """Note that there has been an answer about the chosen face."""
        self._may = True

    @property
    def may(self) -> bool:
        """Whether a further face may be answered now."""
        return self._may

    def compute(self, windows: list[Window], exact: bool, left: float) -> Prediction | None:
        """Answer the window that has waited longest, of those that are due; None where none is, or time is short.

        Args: windows: the newest of each further face. exact: compute it whole. left: time until the next answer about
        the chosen face is due, s. Raises ValueError or RuntimeError where the model has no answer.
        """
        here = {window.face_number: window for window in windows if window.face_number is not None}
        for gone in self._answers.keys() - here.keys():
            del self._answers[gone], self._answered[gone]
        for number, window in sorted(here.items(), key=lambda item: self._answered.get(item[0], 0.0)):
            answers = self._answers.setdefault(number, Answers(self._recognizer, exact))
            self._answered.setdefault(number, 0.0)
            answers.exact = exact
            if not answers.is_due(window):
                continue
            if answers.seconds > left and self._clock() - self._answered.get(number, 0.0) < _LONGEST_WAIT:
                return None
            self._may = False
            self._answered[number] = self._clock()
            return answers.answer(window)
        return None


_LONGEST_WAIT = 3.0
"""Time after which a further face is answered even where that makes the chosen one's next answer late, s."""
