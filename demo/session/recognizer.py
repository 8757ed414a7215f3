"""What the live app needs of the model: `mmadfer.EmotionRecognizer`, or a stand-in for it in tests."""

from __future__ import annotations

from typing import Protocol

from mmadfer.config import InputSpec, WeightsInfo
from mmadfer.stream.step import StreamingStep
from mmadfer.stream.window import Window
from mmadfer.types import Prediction


class Recognizer(Protocol):
    """What the live app needs of `mmadfer.EmotionRecognizer`."""

    spec: InputSpec
    info: WeightsInfo
    exact_seconds: float
    """Time of an exact answer here, s; infinite where it was not measured."""

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
