"""The model's thread: newest window of each session in turn, no backlog, and trouble that stays with one window."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from live_support import FollowingRecognizer
from test_live_session import until

from demo.worker import CPU_NICENESS, Worker
from mmadfer.postprocess import Prediction
from mmadfer.stream import AVWindow, Window


class Watched:
    """A session whose source moves on by itself, 15 times a second."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.started = time.monotonic()
        self.answers: list[tuple[float, float]] = []
        self.told: list[dict[str, Any]] = []
        self._empty = AVWindow(FollowingRecognizer().spec).window()

    def window(self) -> Window:
        now = time.monotonic()
        values = {**vars(self._empty), "end": now, "version": int((now - self.started) * 15)}
        return Window(**values)

    def publish(self, prediction: Prediction) -> None:
        self.answers.append((prediction.time, time.monotonic()))

    def send(self, *messages: dict[str, Any], slot: str | None = None) -> None:
        self.told.extend(messages)


@pytest.fixture
def start() -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def make(load: Callable[[], Any]) -> Worker:
        workers.append(Worker(load))
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
