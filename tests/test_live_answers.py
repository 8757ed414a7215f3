"""When a session is answered, by the step or exactly, and how far the one is from the other."""

from __future__ import annotations

import numpy as np
import pytest
from test_model import TINY
from test_step import HOP, SPEC, window

from demo.answers import MIN_INTERVAL, Answers, Drift
from mmadfer.config import WeightsInfo
from mmadfer.model import untrained_model
from mmadfer.recognizer import EmotionRecognizer


@pytest.fixture(scope="module")
def recognizer() -> EmotionRecognizer:
    model = untrained_model(SPEC, TINY)
    model.info = WeightsInfo("small", True)
    for fusion in model.fusion:
        fusion.face_gate.data.fill_(1.0)
        fusion.audio_gate.data.fill_(1.0)
    return EmotionRecognizer(model, "pytorch", "cpu")


@pytest.mark.parametrize("exact", [False, True])
def test_a_window_is_due_once_and_the_next_after_its_time(recognizer: EmotionRecognizer, exact: bool) -> None:
    now = 100.0
    answers = Answers(recognizer, exact, clock=lambda: now)
    first = window(16)
    assert answers.is_due(first)
    answers.answer(first)
    assert not answers.is_due(first)
    interval = MIN_INTERVAL if exact else 0.9 * HOP
    for later, due in ((interval * 0.9, False), (interval * 1.1, True), (-5.0, True)):
        values = {**vars(first), "end": first.end + later, "version": first.version + 1}
        assert answers.is_due(type(first)(**values)) is due, f"{later:.3f} s later"
    last = type(first)(**{**vars(first), "end": first.end + 0.01, "version": first.version + 1})
    assert not answers.is_due(last)
    now += 1.0  # the source has halted: its last frame is answered all the same
    assert answers.is_due(last)
    assert not answers.is_due(first)


def test_one_step_in_so_many_is_checked_and_the_difference_told(recognizer: EmotionRecognizer) -> None:
    answers = Answers(recognizer, exact=False, drift_every=3)
    told = []
    for hop in range(16, 25):
        answers.answer(window(hop))
        told.append(answers.check_drift())
    checks = [drift for drift in told if drift is not None]
    assert [drift.checks for drift in checks] == [1, 2, 3]
    assert told[0] is None  # the first answer is exact: there is nothing to check
    assert all(isinstance(drift, Drift) and drift.last > 0 for drift in checks)
    assert checks[-1].largest == pytest.approx(max(drift.last for drift in checks))
    exact = recognizer.predict(window(23)).probabilities
    assert np.isfinite(list(exact.values())).all()


def test_exact_answers_have_no_drift(recognizer: EmotionRecognizer) -> None:
    answers = Answers(recognizer, exact=True, drift_every=1)
    for hop in range(16, 19):
        assert answers.answer(window(hop)).probabilities == recognizer.predict(window(hop)).probabilities
        assert answers.check_drift() is None
