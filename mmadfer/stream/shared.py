"""What streams and the recogniser that they share need of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mmadfer.config import InputSpec
from mmadfer.stream.step import StreamingStep
from mmadfer.stream.window import Window
from mmadfer.types import Prediction, WeightsInfo


class Recognizer(Protocol):
    """What streams need of `mmadfer.EmotionRecognizer`."""

    spec: InputSpec
    info: WeightsInfo
    exact_seconds: float
    """Time of an exact answer here, s; infinite where it was not measured."""
    weights_sha256: str
    """Of weights and settings; empty where they have no origin."""

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


class Watched(Protocol):
    """What the worker needs of a stream whose newest window it answers; all but `window` is called on its thread."""

    number: int
    """Its own among all of the process."""
    exact: bool
    """Whether each of its windows is computed whole, however long that takes."""
    least_interval: float
    """Time between two answers that its viewer has asked for, s; 0: as they come."""

    def window(self) -> Window | None:
        """Return the newest window; None before anything has come, and after the end."""
        ...

    def further_windows(self) -> list[Window]:
        """Return the newest windows of the faces that are read beside the chosen one; none for most streams."""
        ...

    def publish(self, prediction: Prediction) -> None:
        """Take an answer."""
        ...

    def publish_further(self, prediction: Prediction) -> None:
        """Take an answer about one of the further faces."""
        ...

    def on_trouble(self, words: str) -> None:
        """Learn that the newest window has no answer; the next may have one."""
        ...

    def on_drift(self, drift: Drift) -> None:
        """Learn how far steps were from exact answers."""
        ...

    def on_pace(self, exact: bool, seconds: float) -> None:
        """Learn that from now on answers are exact, or steps again; an exact one takes ``seconds``."""
        ...

    def on_halves(self, halves: Halves) -> None:
        """Take what face and voice say by themselves."""
        ...

    def on_lost(self, error: Exception) -> None:
        """Learn that the model has failed for good."""
        ...


@dataclass(frozen=True)
class Drift:
    """How far steps were from the exact pass."""

    checks: int
    last: float
    """Largest difference of a probability in the newest check."""
    largest: float
    """The same over all checks of the stream."""


@dataclass(frozen=True)
class Halves:
    """The answers to one window from its face alone and from its voice alone."""

    face: Prediction
    voice: Prediction

    @property
    def disagree(self) -> bool:
        """Whether the two name different classes, and neither is unsure."""
        return self.face.label != self.voice.label and not (self.face.unsure or self.voice.unsure)
