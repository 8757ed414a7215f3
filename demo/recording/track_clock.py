"""Sound on the recording's clock: no sound card runs at quite its rate, and what was lost leaves a hole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

HOLE = 0.1
"""A block this far from where the sound has got to was lost or moved, s: silence fills the hole."""
CREEP = 1e-3
"""How much a block may be stretched so that the sound keeps to the clock: nobody hears it."""
MEMORY = 20.0
"""Blocks over which the distance from the clock is averaged: the times of blocks jitter."""
STILL = 1e-3
"""A distance that is left as it is, s."""


class SoundClock:
    """Where blocks of sound go in a track that begins at 0 s; ``position`` counts its samples."""

    def __init__(self, rate: int) -> None:
        """Args: rate: of the track, Hz."""
        self.position = 0
        self.filled = 0
        """Samples of silence that stand for what was lost."""
        self._rate = rate
        self._off = 0.0
        self._begun = False

    def place(self, time: float, samples: npt.NDArray[np.float32], at_once: bool = False) -> npt.NDArray[np.float32]:
        """Return what to write for ``samples`` `(channels, n)`, whose first one is of ``time`` (s).

        Args: at_once: fill the hole before them however short it is.
        """
        off = time - self.position / self._rate
        if abs(off) > HOLE or at_once or not self._begun:
            self._begun = True
            self._off = 0.0
            count = round(off * self._rate)
            if count >= 0:
                self.filled += count
                samples = np.concatenate([np.zeros((len(samples), count), np.float32), samples], axis=1)
            else:
                samples = samples[:, -count:]
        else:
            self._off += (off - self._off) / MEMORY
            samples = self._stretched(samples)
        self.position += samples.shape[1]
        return samples

    def _stretched(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        count = samples.shape[1]
        more = round(min(max(self._off * self._rate, -CREEP * count), CREEP * count))
        if abs(self._off) < STILL or not more:
            return samples
        self._off -= more / self._rate
        places = np.linspace(0, count - 1, count + more)
        return np.stack([np.interp(places, np.arange(count), channel) for channel in samples]).astype(np.float32)
