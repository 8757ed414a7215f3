"""How loud sound is, channel by channel: which of them carries it, and whether there is any at all."""

from __future__ import annotations

import numpy as np

SILENCE = 1e-3
"""RMS of the loudest moments below which nobody is heard, of full scale: -60 dB, as in a quiet room or a muted line."""
NEXT_TO_NOTHING = 0.1
"""A channel this much weaker than the loudest carries next to nothing: -20 dB."""
_RATE_ENOUGH = 16_000.0
"""Samples a second that are looked at, Hz."""
_MOMENT = 0.025
"""Length of the pieces whose loudness is taken, s."""
_LOUD_PIECES = 3
"""The loudness is one that so many pieces reach: a syllable does, a click does not."""


def levels(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the loudness of each channel of ``waveform`` `(channels, n)` as RMS of its loud moments: `(channels,)`.

    A constant offset is no sound. Args: sample_rate: Hz.
    """
    # Loudness shows in some of the samples as well as in all, and this is done at every frame of a camera.
    step = max(1, int(sample_rate / _RATE_ENOUGH))
    sound = np.ascontiguousarray(waveform[:, ::step], np.float32)
    channels, count = sound.shape
    if not count:
        return np.zeros(channels, np.float32)
    sound = sound - sound.mean(axis=1, keepdims=True)  # or a large offset would take the digits of small sounds
    length = min(count, max(1, round(_MOMENT * sample_rate / step)))
    pieces = sound[:, : count // length * length].reshape(channels, -1, length)
    power = np.einsum("cpl,cpl->cp", pieces, pieces) / length - pieces.mean(axis=2) ** 2
    rank = max(0, power.shape[1] - _LOUD_PIECES)
    return np.sqrt(np.maximum(np.partition(power, rank, axis=1)[:, rank], 0))


def sounding_channel(waveform: np.ndarray, sample_rate: int) -> int:
    """Return which channel of ``waveform`` `(channels, n)` is listened to: the first, as the method does (section 4.1).

    Where that carries next to nothing beside another, it is the loudest: a voice recorded on the right only, or on the
    centre of six. Args: sample_rate: Hz.
    """
    return 0 if len(waveform) == 1 else channel_of(levels(waveform, sample_rate))


def channel_of(found: np.ndarray) -> int:
    """Return `sounding_channel` of sound with the `levels` ``found``."""
    return 0 if found[0] >= NEXT_TO_NOTHING * found.max() else int(found.argmax())


def is_silent(found: np.ndarray) -> bool:
    """Return whether nobody can be heard on any channel of sound with the `levels` ``found``."""
    return bool(found.max(initial=0.0) < SILENCE)


def loudness_over_time(waveform: np.ndarray, sample_rate: int, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Return times (s) and loudness (RMS) of pieces of 50 ms of the channel that is listened to.

    Args: waveform: `(channels, n)`. sample_rate: Hz. end: time of its end, s.
    """
    sound = waveform[sounding_channel(waveform, sample_rate)]
    length = max(1, round(2 * _MOMENT * sample_rate))
    pieces = sound[len(sound) % length :].reshape(-1, length)
    times = end - (np.arange(len(pieces))[::-1] + 0.5) * length / sample_rate
    return times, pieces.std(axis=1)
