"""Events per second over the last seconds."""

from __future__ import annotations

import threading
import time
from collections import deque

_LEAST = 0.5
"""Time that the events must cover before a rate is told, s: the first two may come together, having waited."""


class RateMeter:
    """Counts events over a sliding span; thread-safe."""

    def __init__(self, span: float = 2.0) -> None:
        """Args: span: seconds over which the rate is taken."""
        self._span = span
        self._times: deque[float] = deque()
        self._lock = threading.Lock()

    def tick(self) -> None:
        """Count one event now."""
        with self._lock:
            self._times.append(time.monotonic())

    def rate(self) -> float:
        """Return the events per second; 0 where fewer than two came, or all within half a second."""
        with self._lock:
            now = time.monotonic()
            while self._times and self._times[0] < now - self._span:
                self._times.popleft()
            if len(self._times) < 2 or self._times[-1] - self._times[0] < _LEAST:
                return 0.0
            # The time since the newest event counts as soon as it is longer than usual, so that a stop is seen.
            mean = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
            return 1.0 / max(mean, (now - self._times[-1]) / 2, 1e-3)
