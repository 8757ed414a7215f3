"""The model's thread: newest window of each session in turn, no backlog, and trouble that stays with one window."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

from demo.app import App
from demo.server.what_runs import what_runs
from mmadfer.stream.shared import Drift
from mmadfer.stream.window import AVWindow, Window
from mmadfer.stream.worker import CPU_NICENESS, Worker
from mmadfer.types import Prediction
from tests.support.live import FollowingRecognizer, Machine
from tests.support.waiting import until


class Watched:
    """A session whose source moves on by itself, 15 times a second."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.started = time.monotonic()
        self.answers: list[tuple[float, float]] = []
        self.exact = False
        self.least_interval = 0.0
        self.told: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self._empty = AVWindow(FollowingRecognizer().spec).window()

    def window(self) -> Window:
        now = time.monotonic()
        values = {**vars(self._empty), "end": now, "version": int((now - self.started) * 15)}
        return Window(**values)

    def further_windows(self) -> list[Window]:
        return []

    def publish(self, prediction: Prediction) -> None:
        self.answers.append((prediction.time, time.monotonic()))

    def on_trouble(self, words: str) -> None:
        self.told.append({"type": "trouble", "message": words})

    def on_drift(self, drift: Drift) -> None:
        self.told.append({"type": "drift", **asdict(drift)})

    def on_pace(self, exact: bool, seconds: float) -> None:
        self.told.append({"type": "pace", "exact": exact, "exactMs": round(1000 * seconds, 1)})

    def on_lost(self, error: Exception) -> None:
        self.errors.append(f"The model has failed: {error}")


@pytest.fixture
def start() -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def make(load: Callable[[], Any], exact: bool = False) -> Worker:
        workers.append(Worker(load, exact))
        workers[-1].start()
        assert workers[-1].loaded.wait(5)
        return workers[-1]

    yield make
    for worker in workers:
        worker.stop()


def test_a_slow_model_answers_rarely_and_never_late(start: Callable[..., Worker]) -> None:
    worker, session = start(lambda: FollowingRecognizer(delay=0.3)), Watched(1)
    worker.add(session)  # type: ignore[arg-type]
    assert until(lambda: len(session.answers) >= 5)
    ages = [answered - end for end, answered in session.answers]
    assert max(ages) < 0.45, f"an answer was {max(ages):.2f} s old with a model of 0.3 s: {ages}"


def test_sessions_take_turns(start: Callable[..., Worker]) -> None:
    worker, sessions = start(lambda: FollowingRecognizer(delay=0.05)), [Watched(n) for n in range(3)]
    for session in sessions:
        worker.add(session)  # type: ignore[arg-type]
    assert until(lambda: sum(len(s.answers) for s in sessions) >= 30)
    counts = [len(s.answers) for s in sessions]
    assert max(counts) - min(counts) <= 2, counts
    worker.remove(sessions[0])  # type: ignore[arg-type]
    time.sleep(0.1)
    before = len(sessions[0].answers)
    assert until(lambda: sum(len(s.answers) for s in sessions) >= 40)
    assert len(sessions[0].answers) == before


def test_a_window_that_the_model_fails_on_is_told_and_the_next_is_answered(start: Callable[..., Worker]) -> None:
    class Failing(FollowingRecognizer):
        def predict(self, window: Window, step: None = None) -> Prediction:
            if not self.windows:
                self.windows = [window]
                raise ValueError("the logits are not finite")
            return super().predict(window)

    worker, session = start(Failing), Watched(1)
    worker.add(session)  # type: ignore[arg-type]
    assert until(lambda: session.answers)
    assert [m["type"] for m in session.told] == ["trouble"]
    assert "the logits are not finite" in session.told[0]["message"]


def test_a_model_that_cannot_be_loaded_is_told_and_leaves_no_thread(start: Callable[..., Worker]) -> None:
    def load() -> FollowingRecognizer:
        raise ValueError("weights.pth is cut short")

    worker = start(load)
    assert str(worker.error) == "weights.pth is cut short"
    worker.stop()
    assert not {"model", "model-loader"} & {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("error", [ImportError("no libGL"), KeyError("mel"), RuntimeError("out of memory")])
@pytest.mark.parametrize("step", ["load", "warmup"])
def test_whatever_loading_or_warming_up_raises_is_told(step: str, error: Exception) -> None:
    class Cold(FollowingRecognizer):
        def warmup(self) -> None:
            raise error

    def load() -> FollowingRecognizer:
        if step == "load":
            raise error
        made.append(Cold())
        return made[0]

    made: list[Cold] = []
    app = App(load=load)
    app.worker.start()
    assert app.worker.loaded.wait(5)
    with pytest.raises(type(error)) as raised:
        app.load()
    assert raised.value is error and app.worker.recognizer is None
    assert what_runs(app.worker, 0.0) == {"model": "failed", "error": str(error)}
    app.close()
    assert all(recognizer.closed for recognizer in made)


def test_a_failed_drift_check_leaves_the_answers_going_on(
    start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[float] = []

    def fail(answers: object) -> None:
        checks.append(time.monotonic())
        raise RuntimeError("out of memory")

    monkeypatch.setattr("mmadfer.stream.answers.Answers.check_drift", fail)
    worker, session = start(FollowingRecognizer), Watched(1)
    worker.add(session)  # type: ignore[arg-type]
    assert until(lambda: checks and session.answers and session.answers[-1][1] > checks[0])
    assert worker.error is None and not session.errors


def test_an_error_that_nobody_foresaw_ends_the_model_aloud(start: Callable[..., Worker]) -> None:
    class Broken(FollowingRecognizer):
        def predict(self, window: Window, step: None = None) -> Prediction:
            raise KeyError("crops")

    worker, session = start(Broken), Watched(1)
    worker.add(session)  # type: ignore[arg-type]
    assert until(lambda: session.errors)
    assert "The model has failed" in session.errors[0] and "crops" in session.errors[0]
    assert isinstance(worker.error, KeyError) and worker.recognizer is None


def test_the_end_does_not_wait_for_a_model_that_loads() -> None:
    may_end, made = threading.Event(), FollowingRecognizer()

    def load() -> FollowingRecognizer:
        may_end.wait(10)
        return made

    worker = Worker(load)
    worker.start()
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 0.5
    assert "model" not in {thread.name for thread in threading.enumerate()}
    may_end.set()
    assert until(lambda: made.closed) and worker.recognizer is None


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux only")
def test_a_model_on_the_cpu_gives_way_and_so_do_torchs_threads(start: Callable[..., Worker]) -> None:
    import torch

    seen: dict[str, list[int]] = {}

    class Busy(FollowingRecognizer):
        def predict(self, window: Window, step: None = None) -> Prediction:
            before = set(os.listdir("/proc/self/task"))
            torch.set_num_threads(2)
            torch.randn(700, 700) @ torch.randn(700, 700)
            started = set(os.listdir("/proc/self/task")) - before
            seen["model"] = [os.getpriority(os.PRIO_PROCESS, threading.get_native_id())]
            seen.setdefault("torch", [os.getpriority(os.PRIO_PROCESS, int(task)) for task in started])
            return super().predict(window)

    normal = os.getpriority(os.PRIO_PROCESS, 0)
    worker, session = start(Busy), Watched(1)
    worker.add(session)  # type: ignore[arg-type]
    assert until(lambda: session.answers)
    assert seen["model"] == [normal + CPU_NICENESS]
    assert set(seen["torch"]) <= {normal + CPU_NICENESS}, seen
    assert os.getpriority(os.PRIO_PROCESS, threading.main_thread().native_id or 0) == normal


@pytest.mark.parametrize(("share", "exact"), [(0.1, True), (0.5, False), (float("inf"), False)])
def test_every_answer_is_exact_where_that_is_quick(share: float, exact: bool, start: Callable[..., Worker]) -> None:
    recognizer = FollowingRecognizer()
    recognizer.exact_seconds = share * recognizer.spec.hop_seconds
    assert start(lambda: recognizer).exact is exact


def paces(session: Watched) -> list[bool]:
    """Return what the session was told of exact answers, in turn."""
    return [message["exact"] for message in session.told if message["type"] == "pace"]


def test_a_machine_that_was_busy_at_the_start_goes_over_to_exact_answers(start: Callable[..., Worker]) -> None:
    machine, sessions = Machine(0.2), [Watched(1), Watched(2)]
    worker = start(lambda: machine)
    assert not worker.exact
    for session in sessions:
        worker.add(session)  # type: ignore[arg-type]
    assert until(lambda: len(machine.ways) > 6) and not worker.exact
    machine.seconds = 0.0
    assert until(lambda: worker.exact, 20), "its quick passes were not seen"
    assert until(lambda: len(machine.ways) > 100 and all(machine.ways[-20:]))
    assert [paces(session) for session in sessions] == [[True], [True]]
    assert {m["exactMs"] < 50 for m in sessions[0].told if m["type"] == "pace"} == {True}


def test_a_machine_that_is_late_for_seconds_goes_back_to_the_step_and_says_so(
    start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmadfer.stream.pace.LATE_AFTER", 1.0)
    machine, session = Machine(0.0), Watched(1)
    worker = start(lambda: machine)
    worker.add(session)  # type: ignore[arg-type]
    assert worker.exact and until(lambda: len(session.answers) > 3) and paces(session) == []
    machine.seconds = 0.25
    assert until(lambda: not worker.exact, 20)
    assert until(lambda: paces(session) == [False])
    before = len(machine.ways)
    assert until(lambda: len(machine.ways) > before + 12)
    assert machine.ways[-10:].count(False) >= 8, "checks aside, all are steps"


def test_whoever_asks_for_exact_answers_gets_them_however_late(
    start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmadfer.stream.pace.LATE_AFTER", 0.5)
    machine, session = Machine(0.3), Watched(1)
    worker = start(lambda: machine, exact=True)
    worker.add(session)  # type: ignore[arg-type]
    assert until(lambda: len(session.answers) > 6, 20)
    assert worker.exact and all(machine.ways) and paces(session) == []


def test_the_page_is_told_the_present_way(start: Callable[..., Worker]) -> None:
    machine, session = Machine(0.2), Watched(1)
    worker = start(lambda: machine)
    assert what_runs(worker, 0.0)["exact"] is False
    machine.seconds = 0.0
    worker.add(session)  # type: ignore[arg-type]
    assert until(lambda: worker.exact, 20)
    assert what_runs(worker, 0.0)["exact"] is True
