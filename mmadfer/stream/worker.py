"""The one thread that runs the model: it loads it, then answers the newest window of each live stream in turn."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from mmadfer.stream.answers import Answers
from mmadfer.stream.errands import Errands
from mmadfer.stream.halves import HalvesTeller, tells_halves
from mmadfer.stream.in_turn import InTurn
from mmadfer.stream.pace import Pace
from mmadfer.stream.shared import Recognizer, Watched

if TYPE_CHECKING:
    from mmadfer.stream.window import Window

log = logging.getLogger(__name__)

IDLE_WAIT = 0.02
CPU_NICENESS = 10
LEAVE_LOADING = 1.0
"""Time that the end of the app waits for a model that still warms up, s."""


class Worker:
    """Runs one recogniser for all live streams that share it.

    Streams take turns: after each answer the next stream with something new is served, always with its newest window,
    so a slow model makes answers rarer and never later, and one busy stream cannot starve another.
    """

    def __init__(self, load: Callable[[], Recognizer], exact: bool = False, owns: bool = True) -> None:
        """Args: load: called once, on a thread; what it raises ends up in `error`.

        exact: compute every window whole, however long that takes; without it, as `Pace` chooses. owns: whether the
        model is freed at the end.
        """
        self._load = load
        self._owns = owns
        self._always_exact = exact
        self._pace: Pace | None = None
        self._condition = threading.Condition()
        self._streams: list[Watched] = []
        self._answers: dict[int, Answers] = {}
        self._halves: dict[int, HalvesTeller] = {}
        self._further: dict[int, InTurn] = {}
        self._stopped = False
        self._loading = True
        self.errands = Errands(self._condition)
        """What is done in the pauses of the live streams."""
        self._answered = -math.inf  # when the last live answer was begun, s
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

    def add(self, stream: Watched) -> None:
        """Serve ``stream`` from now on; it is told at once where the model has failed."""
        with self._condition:
            self._streams.append(stream)
            error = self.error
            self._condition.notify()
        if error is not None:
            stream.on_lost(error)

    def forget(self, stream: Watched) -> None:
        """Keep nothing of what ``stream`` has shown: its next answer is exact."""
        with self._condition:
            self._answers.pop(stream.number, None)

    def remove(self, stream: Watched) -> None:
        """Serve ``stream`` no more."""
        with self._condition:
            if stream in self._streams:
                self._streams.remove(stream)
            for kept in (self._answers, self._halves, self._further):
                kept.pop(stream.number, None)

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread and free the model; waits for a running answer, at most ``timeout`` s.

        A model that still loads is not waited for: it is freed once it is there, or with the process.
        """
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        self.errands.close(RuntimeError("The server ends."))
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
        if stopped and made is not None and self._owns:
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
            if recognizer is not None and self._owns:
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
        """Note that there is no model any more, and tell every stream why."""
        if self.loaded.is_set():  # before, `App.load` raises it
            log.error("the model has failed", exc_info=error)
        with self._condition:
            self.error, self.recognizer = error, None
            streams = list(self._streams)
        self.errands.close(error)
        for stream in streams:
            stream.on_lost(error)

    def _serve_next(self, recognizer: Recognizer, pace: Pace) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._streams or self.errands)
            waiting = list(self._streams)
        if self.errands.is_overdue():
            self.errands.run_next(recognizer)
            return
        for stream in waiting:
            answers = self._answers_of(recognizer, stream)
            answers.exact = pace.exact or stream.exact
            answers.least_interval = stream.least_interval
            window = stream.window()
            if window is not None and answers.is_due(window) and not self._stopped:
                self._rotate(stream)
                if self._answer(answers, stream, window):
                    self._keep_pace(pace, answers)
                if stream.number in self._further:
                    self._further[stream.number].chosen_was_answered()
                return
        busy = self._check_drift(waiting, pace) or self._read_further(recognizer, waiting, pace)
        busy = busy or self._tell_halves(recognizer, waiting, pace)
        since = time.monotonic() - self._answered
        room = not waiting or self.errands.fits(since, recognizer.spec.hop_seconds)
        if not busy and not (room and self.errands.run_next(recognizer)):
            time.sleep(IDLE_WAIT)

    def _answers_of(self, recognizer: Recognizer, stream: Watched) -> Answers:
        with self._condition:
            found = self._answers.get(stream.number) or Answers(recognizer, self.exact)
            if stream in self._streams:  # one that has just left must not come back into the table
                self._answers[stream.number] = found
            return found

    def _rotate(self, stream: Watched) -> None:
        with self._condition:
            if stream in self._streams:
                self._streams.remove(stream)
                self._streams.append(stream)

    def _answer(self, answers: Answers, stream: Watched, window: Window) -> bool:
        """Answer ``window``, or say that it has no answer; return which."""
        self._answered = time.monotonic()
        try:
            stream.publish(answers.answer(window))
        except (ValueError, RuntimeError) as error:
            # Out of memory on a GPU, or numbers that are not finite: this window has no answer, the next may.
            log.exception("no answer for stream %d", stream.number)
            stream.on_trouble(f"The model failed on the newest window: {error}")
            return False
        return True

    def _check_drift(self, streams: list[Watched], pace: Pace) -> bool:
        """Use the pause for an exact pass that waits, or that tells what it takes; return whether there was one."""
        for stream in streams:
            answers = self._answers.get(stream.number)
            if answers is None:
                continue
            if pace.wants_measure():
                answers.ask_check()
            try:
                drift = answers.check_drift()
            except (ValueError, RuntimeError):  # as in `_answer`; the check comes again, after further steps
                log.exception("no exact pass for stream %d", stream.number)
                return True
            if drift is not None:
                stream.on_drift(drift)
                self._keep_pace(pace, answers)
                return True
        return False

    def _read_further(self, recognizer: Recognizer, streams: list[Watched], pace: Pace) -> bool:
        """Use the pause for a face that one stream reads beside the chosen one; return whether there was a pass."""
        left = recognizer.spec.hop_seconds - (time.monotonic() - self._answered)
        for stream in streams:
            with self._condition:
                known = self._further.get(stream.number)
            if known is not None and not known.may:
                continue
            windows = stream.further_windows()
            with self._condition:
                if not windows or stream not in self._streams:
                    continue
                further = self._further.setdefault(stream.number, InTurn(recognizer))
            try:
                prediction = further.compute(windows, pace.exact or stream.exact, left)
            except (ValueError, RuntimeError):  # as in `_answer`; the next window may have an answer
                log.exception("no answer about a further face of stream %d", stream.number)
                return True
            if prediction is not None:
                stream.publish_further(prediction)
                return True
        return False

    def _tell_halves(self, recognizer: Recognizer, streams: list[Watched], pace: Pace) -> bool:
        """Use the pause for what one stream's face or voice says alone; return whether there was a pass.

        Only where exact answers are quick: an answer that becomes due meanwhile is late by a part of a hop at most.
        """
        if not (pace.exact and tells_halves(recognizer)):
            return False
        for stream in streams:
            window = stream.window()
            with self._condition:
                if window is None or stream not in self._streams:
                    continue
                teller = self._halves.setdefault(stream.number, HalvesTeller(recognizer))
            if not teller.is_due(window):
                continue
            try:
                halves = teller.compute(window)
            except (ValueError, RuntimeError):  # as in `_answer`; it comes again
                log.exception("no halves for stream %d", stream.number)
                return True
            if halves is not None:
                stream.on_halves(halves)
            return True
        return False

    def _keep_pace(self, pace: Pace, answers: Answers) -> None:
        """Take in how long the newest pass took, and say so where answers are given in another way from now on."""
        with self._condition:
            streams = list(self._streams)
        if not answers.was_exact:
            pace.saw_step(answers.seconds)
        elif pace.saw_exact(answers.seconds, len(streams)):
            way = "computed whole" if pace.exact else "given by the step"
            log.info("an exact answer took %.0f ms: from now on answers are %s", 1000 * answers.seconds, way)
            for stream in streams if answers.has_step else ():
                stream.on_pace(pace.exact, answers.seconds)


def lower_priority(by: int = CPU_NICENESS) -> None:
    """Let the calling thread, and those it starts from now on, give way to the rest of the machine.

    A model on the CPU keeps every core busy for seconds. Capture, decoding and the page need few milliseconds, but need
    them now. On Linux a thread has a priority of its own, and the worker threads that an engine starts, while it is
    loaded or at its first answer, inherit it; elsewhere the priority belongs to the whole process: nothing is done.
    """
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            usual = os.getpriority(os.PRIO_PROCESS, thread)  # the app itself may have been started to give way
            os.setpriority(os.PRIO_PROCESS, thread, usual + by)
