"""The one thread that runs the model: it loads it, then answers the newest window of each session in turn."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

import torch

from demo.answers import Answers
from mmadfer.config import InputSpec, WeightsInfo
from mmadfer.postprocess import Prediction

if TYPE_CHECKING:
    from demo.session import Session
    from mmadfer.step import StreamingStep
    from mmadfer.stream import Window

log = logging.getLogger(__name__)

IDLE_WAIT = 0.02
CPU_NICENESS = 10


class Recognizer(Protocol):
    """What the live app needs of `mmadfer.EmotionRecognizer`."""

    spec: InputSpec
    info: WeightsInfo

    @property
    def device(self) -> str:
        """Where the model runs, such as "cpu" or "cuda:0"."""
        ...

    def describe(self) -> str:
        """Return weights, engine and device in words."""
        ...

    def warmup(self) -> None:
        """Run once on blank input."""

    def close(self) -> None:
        """Free the weights."""

    def streaming_step(self) -> StreamingStep | None:
        """Return the memory of one stream, for `predict`; None where every answer is exact."""
        ...

    def predict(self, window: Window, step: StreamingStep | None = None) -> Prediction:
        """Return what the model makes of ``window``; with a ``step``, of its new frames and what that has kept."""
        ...


class Worker:
    """Runs one recogniser for all sessions of the process.

    Sessions take turns: after each answer the next session with something new is served, always with its newest window,
    so a slow model makes answers rarer and never later, and one busy session cannot starve another.
    """

    def __init__(self, load: Callable[[], Recognizer], exact: bool = False) -> None:
        """Args: load: called once, on a thread; its OSError, ValueError or ImportError ends up in `error`.

        exact: compute every window whole instead of encoding its new frames only.
        """
        self._load = load
        self.exact = exact
        self._condition = threading.Condition()
        self._sessions: list[Session] = []
        self._answers: dict[int, Answers] = {}
        self._stopped = False
        self._torch_threads = torch.get_num_threads()
        self.loaded = threading.Event()
        """Set when the model is ready or has failed to load."""
        self.recognizer: Recognizer | None = None
        self.error: BaseException | None = None
        self._loader = threading.Thread(target=self._load_model, name="model-loader", daemon=True)
        # A thread of its own, so that torch starts a new set of worker threads for it; see `lower_priority`.
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        """Start loading."""
        self._loader.start()
        self._thread.start()

    def add(self, session: Session) -> None:
        """Serve ``session`` from now on."""
        with self._condition:
            self._sessions.append(session)
            self._condition.notify()

    def remove(self, session: Session) -> None:
        """Serve ``session`` no more."""
        with self._condition:
            if session in self._sessions:
                self._sessions.remove(session)
            self._answers.pop(session.number, None)

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread and free the model; waits for a running answer, at most ``timeout`` s."""
        with self._condition:
            self._stopped = True
            self._condition.notify()
        for thread in (self._loader, self._thread):
            if thread.is_alive():
                thread.join(timeout)

    def _load_model(self) -> None:
        lower_priority()  # some engines start the threads that they run on here
        try:
            self.recognizer = self._load()
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            self.error = error
        self.loaded.set()

    def _run(self) -> None:
        self.loaded.wait()
        recognizer = self.recognizer
        if recognizer is None:
            return
        torch.set_num_threads(self._torch_threads)  # the intake threads set 1 for themselves and for later threads
        if recognizer.device.startswith("cpu"):
            lower_priority()
        try:
            recognizer.warmup()
            while not self._stopped:
                self._serve_next(recognizer)
        finally:
            recognizer.close()

    def _serve_next(self, recognizer: Recognizer) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._sessions)
            waiting = list(self._sessions)
        for session in waiting:
            answers = self._answers_of(recognizer, session)
            window = session.window()
            if window is not None and answers.is_due(window) and not self._stopped:
                self._rotate(session)
                self._answer(answers, session, window)
                return
        if not self._check_drift(waiting):
            time.sleep(IDLE_WAIT)

    def _answers_of(self, recognizer: Recognizer, session: Session) -> Answers:
        with self._condition:
            found = self._answers.get(session.number) or Answers(recognizer, self.exact)
            if session in self._sessions:  # one that has just left must not come back into the table
                self._answers[session.number] = found
            return found

    def _rotate(self, session: Session) -> None:
        with self._condition:
            if session in self._sessions:
                self._sessions.remove(session)
                self._sessions.append(session)

    def _answer(self, answers: Answers, session: Session, window: Window) -> None:
        try:
            session.publish(answers.answer(window))
        except (ValueError, RuntimeError) as error:
            # Out of memory on a GPU, or numbers that are not finite: this window has no answer, the next may.
            log.exception("no answer for session %d", session.number)
            words = f"The model failed on the newest window: {error}"
            session.send({"type": "trouble", "message": words}, slot="trouble")

    def _check_drift(self, sessions: list[Session]) -> bool:
        """Use the pause for one exact pass where one waits; return whether there was one."""
        for session in sessions:
            answers = self._answers.get(session.number)
            drift = answers.check_drift() if answers else None
            if drift is not None:
                session.send({"type": "drift", **asdict(drift)}, slot="drift")
                return True
        return False


def lower_priority() -> None:
    """Let the calling thread, and those it starts from now on, give way to the rest of the machine.

    A model on the CPU keeps every core busy for seconds. Capture, decoding and the page need few milliseconds, but need
    them now. On Linux a thread has a priority of its own, and the worker threads that an engine starts, while it is
    loaded or at its first answer, inherit it; elsewhere the priority belongs to the whole process: nothing is done.
    """
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), CPU_NICENESS)
