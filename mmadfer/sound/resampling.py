"""Sound of a stream at another rate: pushed in pieces of any size, the same to the bit."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_ZEROS = 6
"""Zero crossings of the filter on each side."""
_ROLLOFF = 0.99
"""Its cut-off, as a share of the lower of both Nyquist frequencies."""
_LARGEST_TERM = 1000
"""Ratios of larger terms are taken as the nearest of such: less than 2 millionths off, and filters stay small."""
_PIECE = 256
"""Samples computed at once, at least: products of one shape agree to the bit, whatever came at once."""


def ratio_of(from_rate: int, to_rate: int) -> Fraction:
    """Return by how much sound gets longer, in samples, that goes from one rate to the other (Hz)."""
    ratio = Fraction(to_rate, from_rate)
    if max(ratio.numerator, ratio.denominator) <= _LARGEST_TERM:
        return ratio
    bound = _LARGEST_TERM if ratio < 1 else int(_LARGEST_TERM / ratio)
    return ratio.limit_denominator(max(1, bound))


class Resampler:
    """A stream of one rate in, the same at another rate out: by a sinc under a Hann window, as torchaudio does it.

    It gives sample k of the new rate once all is there that the filter reaches. Before the stream's start are zeros.
    """

    def __init__(self, from_rate: int, to_rate: int, channels: int = 1) -> None:
        """Args: rates in Hz. Raises ValueError where one is not positive."""
        if from_rate <= 0 or to_rate <= 0:
            raise ValueError(f"sample rates must be positive, got {from_rate} and {to_rate} Hz")
        self.ratio = ratio_of(from_rate, to_rate)
        """Samples out for each sample in."""
        self._channels = channels
        self._same = self.ratio == 1
        old, new = self.ratio.denominator, self.ratio.numerator
        self._reach = math.ceil(_ZEROS * old / (min(old, new) * _ROLLOFF))
        self._filters = _filters(old, new, self._reach)
        self._blocks = math.ceil(_PIECE / new)
        first = old * np.arange(self._blocks)[:, None]
        self._places = first + np.arange(len(self._filters))
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._waiting = np.zeros((self._channels, self._reach), np.float32)

    def push(self, samples: Array) -> Array:
        """Take the next ``samples`` `(channels, n)`; return what can be told by now, `(channels, k)`."""
        if self._same:
            return samples
        self._waiting = np.concatenate((self._waiting, samples), axis=1, dtype=np.float32)
        step = self._blocks * self.ratio.denominator
        needed = int(self._places[-1, -1]) + 1
        count = max(0, (self._waiting.shape[1] - needed) // step + 1)
        found = np.empty((self._channels, count, self._blocks * self.ratio.numerator), np.float32)
        for k in range(count):
            for channel in range(self._channels):
                found[channel, k] = (self._waiting[channel, k * step + self._places] @ self._filters).ravel()
        self._waiting = self._waiting[:, count * step :].copy()
        return found.reshape(self._channels, -1)


def _filters(old: int, new: int, reach: int) -> Array:
    """Return `(2 * reach + old, new)`: what ``new`` samples are made of, out of ``old`` ones and those around them."""
    cutoff = min(old, new) * _ROLLOFF
    times = np.arange(-reach, reach + old)[:, None] / old - np.arange(new) / new
    phase = np.clip(times * cutoff, -_ZEROS, _ZEROS)
    return (np.sinc(phase) * np.cos(phase * np.pi / _ZEROS / 2) ** 2 * cutoff / old).astype(np.float32)
