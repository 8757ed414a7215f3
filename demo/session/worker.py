"""The one thread that runs the model: it loads it, then answers the newest window of each session in turn."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from .answers import Answers
from .pace import Pace
from .protocol import Close, ProtocolError
from .recognizer import Recognizer

if TYPE_CHECKING:
    from mmadfer.stream.window import Window

    from .session import Session

log = logging.getLogger(__name__)

IDLE_WAIT = 0.02
CPU_NICENESS = 10
LEAVE_LOADING = 1.0
"""Time that the end of the app waits for a model that still warms up, s."""


class Worker:
    """Runs one recogniser for all sessions of the process.

    Sessions take turns: after each answer the next session with something new is served, always with its newest window,
    so a slow model makes answers rarer and never later, and one busy session cannot starve another.
    """

    def __init__(self, load: Callable[[], Recognizer], exact: bool = False) -> None:
        """Args: load: called once, on a thread; what it raises ends up in `error`.

        exact: compute every window whole, however long that takes; without it, as `Pace` chooses.
        """
        self._load = load
        self._always_exact = exact
        self._pace: Pace | None = None
        self._condition = threading.Condition()
        self._sessions: list[Session] = []
        self._answers: dict[int, Answers] = {}
        self._stopped = False
        self._loading = True
        self._made: Recognizer | None = None
        self._torch_threads = torch.get_num_threads()
        self.loaded = threading.Event()
        """Set when the model is loaded and warm, or has failed."""
        self.recognizer: Recognizer | None = None
        """The model, once it is ready; None again where it has failed for good."""
        self.error: Exception | None = None
        self._loader = threading.Thread(target=self._load_model, name="model-loader", daemon=True)
        # A thread of its own, so that torch starts a new set of worker threads for it; see `lower_priority`.
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    @property
    def exact(self) -> bool:
        """Whether every answer is computed whole at present, instead of encoding what is new only."""
        return self._always_exact if self._pace is None else self._pace.exact

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
        """End the thread and free the model; waits for a running answer, at most ``timeout`` s.

        A model that still loads is not waited for: it is freed once it is there, or with the process.
        """
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout if self.loaded.is_set() else min(timeout, LEAVE_LOADING))

    def _load_model(self) -> None:
        lower_priority()  # some engines start the threads that they run on here
        made = None
        try:
            made = self._load()
        except Exception as error:  # noqa: BLE001 - the thread's outermost frame; somebody waits to be told
            self._fail(error)
        with self._condition:
            self._loading = False
            self._made = made
            stopped = self._stopped
            self._condition.notify_all()
        if stopped and made is not None:
            made.close()

    def _run(self) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or not self._loading)
            recognizer = None if self._stopped else self._made
        try:
            if recognizer is not None:
                self._run_model(recognizer)
        except Exception as error:  # noqa: BLE001 - the thread's outermost frame; the pages wait for answers
            self._fail(error)
        finally:
            if recognizer is not None:
                recognizer.close()
            self.loaded.set()

    def _run_model(self, recognizer: Recognizer) -> None:
        torch.set_num_threads(self._torch_threads)  # the intake threads set 1 for themselves and for later threads
        if recognizer.device.startswith("cpu"):
            lower_priority()
        recognizer.warmup()
        pace = Pace(recognizer.spec.hop_seconds, self._always_exact)
        pace.saw_exact(recognizer.exact_seconds)
        self._pace = pace
        self.recognizer = recognizer
        self.loaded.set()
        while not self._stopped:
            self._serve_next(recognizer, pace)

    def _fail(self, error: Exception) -> None:
        """Note that there is no model any more, and hang up, so that every page asks again and is told why."""
        if self.loaded.is_set():  # before, `App.load` raises it
            log.error("the model has failed", exc_info=error)
        with self._condition:
            self.error, self.recognizer = error, None
            sessions = list(self._sessions)
        for session in sessions:
            session.on_error(ProtocolError(f"The model has failed: {error}", Close.TRY_LATER))

    def _serve_next(self, recognizer: Recognizer, pace: Pace) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._sessions)
            waiting = list(self._sessions)
        for session in waiting:
            answers = self._answers_of(recognizer, session)
            answers.exact = pace.exact
            window = session.window()
            if window is not None and answers.is_due(window) and not self._stopped:
                self._rotate(session)
                if self._answer(answers, session, window):
                    self._keep_pace(pace, answers)
                return
        if not self._check_drift(waiting, pace):
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

    def _answer(self, answers: Answers, session: Session, window: Window) -> bool:
        """Answer ``window``, or say that it has no answer; return which."""
        try:
            session.publish(answers.answer(window))
        except (ValueError, RuntimeError) as error:
            # Out of memory on a GPU, or numbers that are not finite: this window has no answer, the next may.
            log.exception("no answer for session %d", session.number)
            words = f"The model failed on the newest window: {error}"
            session.send({"type": "trouble", "message": words}, slot="trouble")
            return False
        return True

    def _check_drift(self, sessions: list[Session], pace: Pace) -> bool:
        """Use the pause for an exact pass that waits, or that tells what it takes; return whether there was one."""
        for session in sessions:
            answers = self._answers.get(session.number)
            if answers is None:
                continue
            if pace.wants_measure():
                answers.ask_check()
            try:
                drift = answers.check_drift()
            except (ValueError, RuntimeError):  # as in `_answer`; the check comes again, after further steps
                log.exception("no exact pass for session %d", session.number)
                return True
            if drift is not None:
                session.send({"type": "drift", **asdict(drift)}, slot="drift")
                self._keep_pace(pace, answers)
                return True
        return False

    def _keep_pace(self, pace: Pace, answers: Answers) -> None:
        """Take in how long the newest pass took, and say so where answers are given in another way from now on."""
        with self._condition:
            sessions = list(self._sessions)
        if not answers.was_exact:
            pace.saw_step(answers.seconds)
        elif pace.saw_exact(answers.seconds, len(sessions)):
            way = "computed whole" if pace.exact else "given by the step"
            log.info("an exact answer took %.0f ms: from now on answers are %s", 1000 * answers.seconds, way)
            message = {"type": "pace", "exact": pace.exact, "exactMs": round(1000 * answers.seconds, 1)}
            for session in sessions if answers.has_step else ():
                session.send(message, slot="pace")


def lower_priority() -> None:
    """Let the calling thread, and those it starts from now on, give way to the rest of the machine.

    A model on the CPU keeps every core busy for seconds. Capture, decoding and the page need few milliseconds, but need
    them now. On Linux a thread has a priority of its own, and the worker threads that an engine starts, while it is
    loaded or at its first answer, inherit it; elsewhere the priority belongs to the whole process: nothing is done.
    """
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            usual = os.getpriority(os.PRIO_PROCESS, thread)  # the app itself may have been started to give way
            os.setpriority(os.PRIO_PROCESS, thread, usual + CPU_NICENESS)
