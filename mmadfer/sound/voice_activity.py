"""Whether somebody speaks: a stream's sound in, how much of any moment of its last seconds is speech out."""

from __future__ import annotations

import math
from collections import deque
from fractions import Fraction
from itertools import islice

import numpy as np
import numpy.typing as npt

from mmadfer.sound.loudness import channel_of
from mmadfer.sound.resampling import Resampler
from mmadfer.sound.voice_network import CHUNK, RATE, VoiceNetwork

Array = npt.NDArray[np.float32]

BEGINS, ENDS = 0.5, 0.35
"""Speech begins at the one probability, and ends below the other."""
PAUSE = 0.1
"""A shorter pause does not end it, s."""
LEAST_SPEECH = 0.25
"""Less speech than this is no voice, s: a click or a knock, not a syllable."""
LOWEST_RATE = 8_000
"""Sound of a lower rate tells nothing about voices, Hz."""


def is_voice(share: float, seconds: float) -> bool:
    """Return whether somebody speaks in ``seconds`` of sound of which ``share`` is speech."""
    return share * seconds >= LEAST_SPEECH


class VoiceActivity:
    """A streaming detector: samples in by their numbers, the share of speech between any two of the last seconds out.

    It listens, chunk by chunk, to the channel that the model would listen to (`loudness.channel_of`).
    """

    def __init__(self, seconds: float) -> None:
        """Args: seconds: how much of the past can be asked about."""
        self._network = VoiceNetwork()
        self._marks: deque[bool] = deque(maxlen=math.ceil(seconds * RATE / CHUNK) + 1)
        self.start(0, 0, 1)

    def start(self, number: int, sample_rate: int, channels: int) -> None:
        """Begin another stream, whose next sample has that ``number``. Args: sample_rate: Hz."""
        self._sample_rate, self._channels = sample_rate, channels
        self._first = self._next = number
        self._resampler = Resampler(sample_rate, RATE, channels) if sample_rate >= LOWEST_RATE else None
        self._network.reset()
        self._waiting = np.zeros((channels, 0), np.float32)
        self._marks.clear()
        self._judged = 0
        self._speaks, self._pause = False, 0.0

    def push(self, number: int, samples: Array) -> None:
        """Take ``samples`` `(channels, n)`, of which the first has that ``number``: the next, or one after a hole."""
        if self._resampler is None:
            return
        if number != self._next:
            self.start(number, self._sample_rate, self._channels)
        self._next = number + samples.shape[1]
        self._waiting = np.concatenate((self._waiting, self._resampler.push(samples)), axis=1)
        count = self._waiting.shape[1] // CHUNK
        for k in range(count):
            self._judge(self._waiting[:, k * CHUNK : (k + 1) * CHUNK])
        self._waiting = self._waiting[:, count * CHUNK :]

    def share(self, begin: int, stop: int) -> float | None:
        """Return how much of the sound from sample ``begin`` to before ``stop`` is speech, 0 to 1; None: not known."""
        if self._resampler is None:
            return None
        chunk = Fraction(CHUNK) / self._resampler.ratio  # in the stream's own samples
        oldest = self._judged - len(self._marks)
        first = max(oldest, math.ceil((begin - self._first) / chunk))
        last = min(self._judged, math.floor((stop - self._first) / chunk))
        if first >= last:
            return 0.0
        return sum(islice(self._marks, first - oldest, last - oldest)) / (last - first)

    def _judge(self, chunk: Array) -> None:
        """Mark the next ``chunk`` `(channels, 512)` as speech or not."""
        channel = channel_of(chunk.std(axis=1)) if len(chunk) > 1 else 0
        probability = self._network.push(chunk[channel])
        if probability >= BEGINS:
            self._speaks, self._pause = True, 0.0
        elif self._speaks and probability < ENDS:
            self._pause += CHUNK / RATE
            self._speaks = self._pause < PAUSE
        self._marks.append(self._speaks)
        self._judged += 1
