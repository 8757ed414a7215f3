"""Of a sound card with very many channels those that matter: the first, and the one that carries most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FEW = 8
"""So many channels are passed on as they are. Sound servers offer 32 or 64 for any microphone, most of them copies or
silent, and every window would be copied with all of them."""
MEMORY = 1.0
"""Time over which loudness is compared, s."""
CLEARLY = 4.0
"""Another channel takes over where it has this many times the power: 6 dB."""


class FewChannels:
    """Turns blocks of more than `FEW` channels into blocks of two; which the second one is stays the same for long."""

    def __init__(self, sample_rate: int) -> None:
        """Args: sample_rate: Hz."""
        self._rate = sample_rate
        self._power: npt.NDArray[np.float64] = np.zeros(0)
        self._second = 1

    def pick(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the channels that matter of ``samples`` `(channels, n)`: all of few, as they are; two of many."""
        if len(samples) <= FEW:
            return samples
        if len(self._power) != len(samples):
            self._power, self._second = np.zeros(len(samples)), 1
        keep = np.exp(-samples.shape[1] / (MEMORY * self._rate))
        self._power = keep * self._power + (1 - keep) * np.var(samples, axis=1, dtype=np.float64)
        loudest = 1 + int(np.argmax(self._power[1:]))
        before = self._second
        if self._power[loudest] > CLEARLY * self._power[before]:
            self._second = loudest
        if self._second == before:
            return samples[[0, before]]
        share = np.linspace(0, 1, samples.shape[1], dtype=np.float32)  # one passes into the other, without a click
        passing = (1 - share) * samples[before] + share * samples[self._second]
        return np.stack([samples[0], passing])
