"""When a session is answered, by the step or exactly, and how far the one is from the other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mmadfer.models.mma_dfer import untrained_model
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.stream.answers import DRIFT_AGAIN, MIN_INTERVAL, Answers, Drift
from mmadfer.stream.window import Window
from mmadfer.types import Prediction, WeightsInfo
from tests.support.live import FollowingRecognizer
from tests.support.small_models import SPEC, TINY
from tests.support.steps import HOP, window_after


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
    first = window_after(16)
    assert answers.is_due(first)
    answers.answer(first)
    assert not answers.is_due(first)
    interval = MIN_INTERVAL if exact else 0.9 * HOP
    for later, due in ((interval * 0.9, False), (interval * 1.1, True), (-5.0, True)):
        values = {**vars(first), "end": first.end + later, "version": first.version + 1}
        assert answers.is_due(type(first)(**values)) is due, f"{later:.3f} s later"
    last = type(first)(**{**vars(first), "end": first.end + 0.01, "version": first.version + 1})
    assert not answers.is_due(last)
    answers.least_interval = 0.7  # somebody has asked for fewer
    for later, due in ((0.6, False), (0.8, True)):
        values = {**vars(first), "end": first.end + later, "version": first.version + 1}
        assert answers.is_due(type(first)(**values)) is due, f"{later:.3f} s later"
    answers.least_interval = 0.01  # more than there are cannot be asked for
    assert not answers.is_due(last)
    now += 1.0  # the source has halted: its last frame is answered all the same
    assert answers.is_due(last)
    assert not answers.is_due(first)


def test_one_step_in_so_many_is_checked_and_the_difference_told(recognizer: EmotionRecognizer) -> None:
    answers = Answers(recognizer, exact=False, drift_every=3)
    told = []
    for hop in range(16, 25):
        answers.answer(window_after(hop))
        told.append(answers.check_drift())
    checks = [drift for drift in told if drift is not None]
    assert [drift.checks for drift in checks] == [1, 2, 3]
    assert told[0] is None  # the first answer is exact: there is nothing to check
    assert all(isinstance(drift, Drift) and drift.last > 0 for drift in checks)
    assert checks[-1].largest == pytest.approx(max(drift.last for drift in checks))
    exact = recognizer.predict(window_after(23)).probabilities
    assert np.isfinite(list(exact.values())).all()


def test_exact_answers_have_no_drift(recognizer: EmotionRecognizer) -> None:
    answers = Answers(recognizer, exact=True, drift_every=1)
    for hop in range(16, 19):
        assert answers.answer(window_after(hop)).probabilities == recognizer.predict(window_after(hop)).probabilities
        assert answers.check_drift() is None


class Stepping(FollowingRecognizer):
    """Its steps are off by as much as it is told; each answer's way is noted."""

    def __init__(self, off: float = 0.0) -> None:
        super().__init__()
        self.off = off
        self.ways: list[str] = []

    def streaming_step(self) -> Any:
        return SimpleNamespace(new_frames=1)

    def predict(self, window: Window, step: Any = None) -> Prediction:
        self.ways.append("exact" if step is None else "step")
        found = super().predict(window)
        names = list(found.probabilities)
        moved = {names[0]: self.off, names[1]: -self.off} if step is not None else {}
        values = {name: value + moved.get(name, 0.0) for name, value in found.probabilities.items()}
        return Prediction(**{**vars(found), "probabilities": values})


@pytest.mark.parametrize(("off", "then"), [(0.05, "exact"), (0.021, "exact"), (0.019, "step"), (0.0, "step")])
def test_after_a_step_that_was_too_far_off_the_next_answer_is_exact(off: float, then: str) -> None:
    recognizer = Stepping(off)
    answers = Answers(recognizer, exact=False)
    answers.answer(window_after(16))
    drift = answers.check_drift()
    assert drift is not None and drift.last == pytest.approx(off)
    assert recognizer.ways == ["step", "exact"]
    given = answers.answer(window_after(17))
    truth = recognizer.predict(window_after(17)).probabilities
    assert (given.probabilities == pytest.approx(truth, abs=1e-9)) is (then == "exact" or off == 0)
    assert answers.was_exact is (then == "exact")
    answers.answer(window_after(18))
    assert not answers.was_exact, "and then it steps again"


def test_a_step_that_was_too_far_off_is_checked_again_soon_and_rarer_each_time_that_it_was_not() -> None:
    recognizer = Stepping(0.05)
    answers, checked = Answers(recognizer, exact=False), []
    for hop in range(16, 100):
        answers.answer(window_after(16 + hop % 4))
        if answers.check_drift() is not None:
            checked.append(hop - 16)
            recognizer.off = 0.0
    assert checked[:2] == [0, 2]  # the one after the exact answer
    assert checked[2] - checked[1] <= 2 * DRIFT_AGAIN < checked[-1] - checked[-2]


def test_a_check_can_be_asked_for_and_its_time_is_told() -> None:
    now = [100.0]
    recognizer = Stepping()
    answers = Answers(recognizer, exact=False, clock=lambda: now[0])
    answers.ask_check()
    assert answers.check_drift() is None, "there was no step yet"
    real = recognizer.predict

    def predict(window: Window, step: Any = None) -> Prediction:
        now[0] += 0.25 if step is None else 0.0625
        return real(window, step)

    recognizer.predict = predict  # type: ignore[method-assign]
    for hop in (16, 17, 18):
        answers.answer(window_after(hop))
        assert (answers.seconds, answers.was_exact) == (0.0625, False)
        answers.ask_check()
        assert answers.check_drift() is not None
        assert (answers.seconds, answers.was_exact) == (0.25, True)
        assert answers.check_drift() is None, "once"


def test_the_way_may_change_between_two_answers() -> None:
    recognizer = Stepping(0.01)
    answers = Answers(recognizer, exact=False)
    for hop, exact in ((16, False), (17, True), (18, True), (19, False)):
        answers.exact = exact
        answers.answer(window_after(hop))
        assert answers.was_exact is exact
    assert recognizer.ways == ["step", "exact", "exact", "step"]
    answers.exact = True
    answers.ask_check()
    assert answers.check_drift() is None, "exact answers have none"


def test_whole_passes_of_the_step_are_told_as_exact(recognizer: EmotionRecognizer) -> None:
    answers = Answers(recognizer, exact=False)
    answers.answer(window_after(16))
    assert answers.was_exact and answers.seconds > 0
    answers.answer(window_after(17))
    assert not answers.was_exact
