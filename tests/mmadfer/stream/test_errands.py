"""Work in the pauses of live streams: they come first, but not for ever, and whoever waits learns of an end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mmadfer.stream.errands import LONGEST_WAIT, Errands
from mmadfer.stream.live import LiveStream
from mmadfer.stream.window import AVWindow
from mmadfer.stream.worker import Worker
from tests.support.live import FollowingRecognizer
from tests.support.waiting import until


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(FollowingRecognizer)
    made.start()
    assert made.loaded.wait(10)
    yield made
    made.stop()


def test_it_is_done_on_the_models_thread_and_its_answer_comes_back(worker: Worker) -> None:
    assert worker.errands.do(lambda recognizer: (recognizer.device, threading.current_thread().name)) == (
        "cpu",
        "model",
    )
    with pytest.raises(ZeroDivisionError):
        worker.errands.do(lambda _: 1 / 0)
    assert worker.errands.do(lambda _: 5) == 5, "an errand that failed has ended the thread"


def test_a_live_answer_comes_first(worker: Worker) -> None:
    order: list[str] = []
    held, go = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        held.set()
        go.wait(10)

    blocked = threading.Thread(target=worker.errands.do, args=(hold,))
    blocked.start()
    assert held.wait(10)
    waiting = threading.Thread(target=worker.errands.do, args=(lambda _: order.append("errand"),))
    waiting.start()
    assert until(lambda: bool(worker.errands))
    spec = worker.recognizer.spec  # type: ignore[union-attr]
    stream = LiveStream(lambda: AVWindow(spec), worker, on_result=lambda _: order.append("live"))
    stream.push_audio(np.zeros((1, 16_000), np.float32), 16_000, 0.0)
    assert until(lambda: stream.window() is not None)
    go.set()
    waiting.join(10)
    blocked.join(10)
    stream.close()
    assert order[:2] == ["live", "errand"]


def test_nobody_waits_for_ever() -> None:
    now = [0.0]
    errands = Errands(threading.Condition(), lambda: now[0])
    caller = threading.Thread(target=errands.do, args=(lambda _: None,))
    caller.start()
    assert until(lambda: bool(errands))
    assert not errands.is_overdue()
    now[0] = LONGEST_WAIT + 0.1
    assert errands.is_overdue()
    recognizer: Any = FollowingRecognizer()
    assert errands.run_next(recognizer) and not errands.run_next(recognizer)
    caller.join(10)


def test_it_is_begun_only_where_it_ends_in_time() -> None:
    now = [0.0]
    errands = Errands(threading.Condition(), lambda: now[0])

    def work(_: object) -> None:
        now[0] += 0.1

    caller = threading.Thread(target=errands.do, args=(work,))
    caller.start()
    assert until(lambda: bool(errands))
    recognizer: Any = FollowingRecognizer()
    errands.run_next(recognizer)
    caller.join(10)
    assert errands.fits(since=0.05, hop=0.2) and not errands.fits(since=0.15, hop=0.2)
    assert not errands.fits(since=0.3, hop=0.2), "an answer is late, and must not be later"
    assert errands.fits(since=0.5, hop=0.2), "none comes"


def test_the_end_is_told(worker: Worker) -> None:
    worker.stop()
    with pytest.raises(RuntimeError, match="ends"):
        worker.errands.do(lambda _: None)
