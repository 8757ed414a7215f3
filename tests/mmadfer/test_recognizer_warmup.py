"""How long an exact answer takes is the floor of warm runs: no cold one, and no busy moment, decides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest

from mmadfer.recognizer import EmotionRecognizer
from tests.support.small_models import small_model


class Slowed:
    """A clock that stands still but for what answers are said to take, and a recogniser whose answers take it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, warmup: float, answers: Sequence[float]) -> None:
        self.now = 0.0
        self.asked = 0
        self._answers: Iterator[float] = iter(answers)
        self.recognizer = EmotionRecognizer(small_model(), "pytorch", "cpu", "fp32")
        monkeypatch.setattr("mmadfer.recognizer.time", SimpleNamespace(perf_counter=lambda: self.now))
        monkeypatch.setattr(self.recognizer._backend, "warmup", lambda: self._pass(warmup))
        monkeypatch.setattr(self.recognizer, "predict", lambda window: self._answer())

    def _pass(self, seconds: float) -> None:
        self.now += seconds

    def _answer(self) -> SimpleNamespace:
        seconds = next(self._answers)
        self.asked += 1
        self._pass(seconds)
        return SimpleNamespace(latency_ms=1000 * seconds)


@pytest.mark.parametrize(
    ("warmup", "answers", "expected", "runs"),
    [
        pytest.param(0.2, [0.5, *[0.02] * 9], 0.02, 4, id="a cold run is not measured"),
        pytest.param(0.2, [0.5, 0.364, 0.506, *[0.023] * 9], 0.364, 3, id="busy for as long as it may be timed"),
        pytest.param(0.2, [0.5, 0.5, *[0.023] * 9], 0.023, 5, id="one slow run does not end it"),
        pytest.param(0.2, [0.1, 0.3, 0.3, 0.023, *[0.3] * 9], 0.023, 5, id="the least counts"),
        pytest.param(1.0, [1.1, *[0.8] * 9], 0.8, 2, id="a large model is timed once"),
        pytest.param(1.0, [2.5, *[0.02] * 9], math.inf, 1, id="a cold run that takes long ends it"),
        pytest.param(3.5, [0.02] * 9, math.inf, 0, id="a long warm-up ends it"),
    ],
)
def test_the_floor_of_warm_runs(
    monkeypatch: pytest.MonkeyPatch, warmup: float, answers: list[float], expected: float, runs: int
) -> None:
    slowed = Slowed(monkeypatch, warmup, answers)
    slowed.recognizer.warmup()
    assert slowed.recognizer.exact_seconds == pytest.approx(expected)
    assert slowed.asked == runs
    assert slowed.now < 3.0 + max(answers[:runs], default=warmup) + 1.0, "nobody waits long for it"
