"""How far an answer by the streaming step may be off, judged by what exact passes have shown of the same stream."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import torch

from mmadfer.postprocess import softmax
from mmadfer.types import Basis, WeightsInfo

LIMIT = 0.02
"""Largest difference of a probability from the exact pass that an answer by the step may be expected to have."""
_SAFETY = 2.0
"""An answer may follow a change so many times as strongly as any has done before."""
_REACH = 2.0
"""Nothing is concluded about changes that are so many times as large as the largest seen."""
_MEMORY = 64
"""Comparisons that are remembered."""


class Response:
    """How strongly a stream's answers follow one kind of change: the strongest that was seen decides.

    What has not been seen is not guessed: then, and for changes far beyond those seen, anything is expected.
    """

    def __init__(self, noise: float, assumed: tuple[float, float] = (0.0, math.inf)) -> None:
        """Args: noise: change that means nothing, in the kind's own unit; assumed: before anything was seen.

        ``assumed`` is (largest change, shift per change).
        """
        self._noise = noise
        self._assumed = assumed
        self._seen: deque[tuple[float, float]] = deque(maxlen=_MEMORY)

    def observe(self, change: float, shift: float) -> None:
        """Take in that a ``change`` has moved an answer by ``shift``."""
        if change > 0 and math.isfinite(change) and math.isfinite(shift):
            self._seen.append((change, shift))

    def expect(self, change: float) -> float:
        """Return the largest shift that ``change`` may bring; infinite where nobody knows."""
        if change <= 0:
            return 0.0
        if not self._seen:
            most, slope = self._assumed
            return slope * change if change <= most else math.inf
        if change > _REACH * max(seen for seen, _ in self._seen):
            return math.inf
        slope = max(shift / (seen + self._noise) for seen, shift in self._seen)
        return _SAFETY * slope * (change + self._noise)


def shift(one: torch.Tensor, other: torch.Tensor, info: WeightsInfo) -> float:
    """Return how far two answers ``(1, C)`` lie apart: the range over the classes of what their logits differ by.

    In units of the general temperature, whatever the answers rest on: so shifts of different windows can be compared.
    """
    moved = (one - other)[0] / info.temperature
    return (moved.max() - moved.min()).item()


def allowed_shift(
    logits: torch.Tensor | None, info: WeightsInfo, basis: Basis | None = None, limit: float = LIMIT
) -> float:
    """Return the largest `shift` of ``logits`` ``(1, C)`` that moves no probability by more than ``limit``.

    Args: basis: what the answer rests on; None: the general temperature and bias.

    A shift changes each class's odds by at most its exponential, so it moves an answer that is sure of itself less.
    Without logits it is that of the least sure answer. Raises ValueError as `softmax` does.
    """
    temperature = info.temperature_for(basis)
    values = np.array([0.5])
    if logits is not None:
        values = softmax(logits[0].numpy(), temperature, info.bias_for(basis))
    edges = [(value, value + sign * limit) for value in values.tolist() for sign in (1, -1)]
    most = min((abs(_log_odds(a) - _log_odds(b)) for a, b in edges if 0 < a < 1 and 0 < b < 1), default=math.inf)
    return most * temperature / info.temperature


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))
