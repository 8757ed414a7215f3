"""The live app in a process of its own, with its real model, that tells what it has answered; see `end_to_end`."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import psutil

from benchmarks.support.clip import CLIP
from benchmarks.support.engine_process import Engine, NotAvailable, prepare
from benchmarks.support.models import load
from mmadfer import cli
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.stream.step import StreamingStep
from mmadfer.stream.window import Window
from mmadfer.types import Prediction

if TYPE_CHECKING:
    from mmadfer.stream.worker import Worker

SOURCES = ("browser", "clip")


@dataclass(frozen=True)
class Setting:
    """What is measured end to end."""

    engine: Engine
    size: int
    """Face size of untrained weights, px."""
    source: str = "browser"
    """"browser": the page's camera and microphone; "clip": a file on the server's side."""
    weights: str | None = None
    """File of weights; untrained ones where None."""


@dataclass(frozen=True)
class Answer:
    """What the model did for one answer."""

    new_frames: int
    new_sound: bool
    model_ms: float


@dataclass(frozen=True)
class Snapshot:
    """What the app has done so far."""

    time: float
    """s on the machine's monotonic clock."""
    cpu_s: float
    frames: int
    """Frames that reached Python in the newest session."""
    answers: list[Answer]
    """Those since the last snapshot; checks of the drift are none."""


@dataclass(frozen=True)
class StartedApp:
    """The app that runs."""

    url: str
    description: str
    """Weights and engine in words."""
    size: int
    """Face size of its weights, px."""
    hop_s: float
    """Time between two answers that is asked for."""


class AppProcess:
    """The app in its process, from `running_app`."""

    def __init__(self, connection: Connection, setting: Setting) -> None:
        """Wait until the model is ready. Raises NotAvailable where it refuses."""
        self._connection = connection
        self.setting = setting
        started = connection.recv()
        if isinstance(started, str):
            raise NotAvailable(started)
        self.started: StartedApp = started

    def snapshot(self) -> Snapshot:
        """Return what the app has done so far, and its answers since the last call."""
        self._connection.send(None)
        snapshot: Snapshot = self._connection.recv()
        return snapshot


class Recorder(EmotionRecognizer):
    """A recogniser that notes what each answer took."""

    answers: list[Answer]
    exact: bool
    """Whether the app computes every answer whole; else only those by steps are answers, the others check them."""
    worker: Worker | None = None
    """The app's, which may go over from the one to the other while it runs."""

    def predict(self, window: Window, step: StreamingStep | None = None) -> Prediction:
        """As of `EmotionRecognizer`."""
        prediction = super().predict(window, step)
        if step is not None:
            self.answers.append(Answer(step.new_frames, step.new_sound, prediction.latency_ms))
        elif self.exact or (self.worker is not None and self.worker.exact):
            self.answers.append(Answer(self.spec.num_frames, True, prediction.latency_ms))
        return prediction


@contextmanager
def running_app(setting: Setting, home: str) -> Iterator[AppProcess]:
    """Run the app until the body of the `with` ends; ``home`` is its cache folder. Raises NotAvailable."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, setting, home), daemon=True)
    process.start()
    theirs.close()
    try:
        yield AppProcess(ours, setting)
    except EOFError as error:
        raise NotAvailable("the app's process ended by itself; too little memory?") from error
    finally:
        ours.close()
        process.join()


def _serve(connection: Connection, setting: Setting, home: str) -> None:
    """Start the app, then tell what it does until the connection ends."""
    os.environ.update(MMADFER_HOME=home, GRADIO_ANALYTICS_ENABLED="False")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no part of the table
    from demo.app import App  # here, since it takes seconds that the measuring process can spare
    from mmadfer.stream.answers import MIN_INTERVAL

    app = App(str(CLIP) if setting.source == "clip" else "browser", load=lambda: _recorder(setting))
    try:
        url = app.launch()
        recognizer = app.load()
        assert isinstance(recognizer, Recorder)
        spec = recognizer.spec
        recognizer.worker = app.worker
        interval = MIN_INTERVAL if app.worker.exact else spec.hop_seconds
        connection.send(StartedApp(url, recognizer.describe(), spec.image_size, interval))
        while True:
            connection.recv()
            answers, recognizer.answers = recognizer.answers, []
            frames = app.server.sessions[-1].counters.frames if app.server.sessions else 0
            cpu = sum(psutil.Process().cpu_times()[:2])
            connection.send(Snapshot(time.monotonic(), cpu, frames, answers))
    except (ValueError, OSError, ImportError) as error:
        connection.send(cli.sentence(error))
    except EOFError:
        return
    finally:
        app.close()


def _recorder(setting: Setting) -> Recorder:
    engine = setting.engine
    model = load(setting.weights, setting.size, gate=0.0)
    try:
        recorder = Recorder(model, engine.backend, engine.device, engine.precision)
    except FileNotFoundError:  # calibration or engine build, which a user does once, by a command
        prepare(model, engine)
        recorder = Recorder(model, engine.backend, engine.device, engine.precision)
    recorder.answers, recorder.exact = [], False
    return recorder
