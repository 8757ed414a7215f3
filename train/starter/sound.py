"""Voices as the model takes them: windows of log-mel, varied for training, and the several kinds of silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mmadfer.config import InputSpec
from mmadfer.data.adapters.starter import Voice
from mmadfer.sound.logmel import log_mel

FLOOR = float(np.log(np.finfo(np.float32).eps))
"""Log-mel of digital silence: Kaldi's energies are at least the smallest step of a float."""


@dataclass(frozen=True)
class Variation:
    """How far a voice is changed from epoch to epoch, all in the log-mel."""

    gain: float = 4.0
    """Natural logarithm of the power, up or down: 4 is about 17 dB. Actors are loud where they are angry, and a loud
    microphone must not be."""
    speed: float = 0.15
    """Share by which it is quicker or slower."""
    pitch: float = 1.5
    """Mel bins by which it is shifted, up or down."""
    tilt: float = 2.0
    """Of the spectrum, from the lowest to the highest bin: another microphone, another room."""
    noise: tuple[float, float] = (-16.0, -4.0)
    """Log power that the background is drawn from, before the gain: -16 is none, and half of the voices' sounds lie
    above -6."""
    hum: float = 0.0
    """Largest log power of a background without a voice: a fan, a street."""
    masks: int = 2
    """Stretches of time, and as many of bins, that are hidden."""
    mask_frames: int = 30
    mask_bins: int = 6
    least: float = 0.75
    """Shortest part of the window that is filled, as a share: live, the window fills up first."""
    outside: float = 0.3
    """Largest share of the window that lies before or after the recording: live, a voice comes and goes at any time."""
    whole: float = 0.5
    """Share of the voices that are given from their first sample on."""


def columns_of(voice: Voice, spec: InputSpec) -> np.ndarray:
    """Return the log-mel `(frames, bins)` of a whole voice, neither normalised nor cut."""
    return log_mel(voice.sound - voice.sound.mean(), spec.sample_rate, spec.mel).numpy()


def varied_input(columns: np.ndarray, spec: InputSpec, variation: Variation, rng: np.random.Generator) -> np.ndarray:
    """Return a normalised window `(frames, bins)` of a voice's log-mel ``columns``, changed at random."""
    mel = spec.mel
    speed = 1 + rng.uniform(-variation.speed, variation.speed)
    bins = np.arange(mel.bins) + rng.uniform(-variation.pitch, variation.pitch)
    times = np.arange(int(len(columns) / speed)) * speed
    grid = np.meshgrid(bins.astype(np.float32), times.astype(np.float32))
    sound = cv2.remap(columns, *grid, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    tilt = np.linspace(-0.5, 0.5, mel.bins) * rng.uniform(-variation.tilt, variation.tilt)
    gain = rng.uniform(-variation.gain, variation.gain)
    sound = _window(sound + tilt + gain, spec, variation, rng)
    level = gain + rng.uniform(*variation.noise)
    sound = np.logaddexp(sound, _background(level, len(sound), mel.bins, rng))
    for _ in range(variation.masks):
        _mask(sound, 0, variation.mask_frames, rng)
        _mask(sound, 1, variation.mask_bins, rng)
    return _padded(sound, spec)


def silent_input(spec: InputSpec, variation: Variation, rng: np.random.Generator) -> np.ndarray:
    """Return a normalised window `(frames, bins)` without a voice: no microphone, digital silence, or a room."""
    kind = rng.integers(4)
    if kind == 0:
        return np.full((spec.mel.frames, spec.mel.bins), spec.mel.padding, np.float32)
    length = _live_length(spec, variation, rng)
    sound = np.full((length, spec.mel.bins), FLOOR)
    if kind > 1:
        level = rng.uniform(variation.noise[0], variation.hum)
        sound = np.logaddexp(sound, _background(level, length, spec.mel.bins, rng))
    return _padded(sound, spec)


def _window(sound: np.ndarray, spec: InputSpec, variation: Variation, rng: np.random.Generator) -> np.ndarray:
    """Return a window of ``sound``: all that the model can take, or what a live window might hold of it."""
    if rng.random() < variation.whole:
        return sound[: spec.mel.frames].copy()
    length = _live_length(spec, variation, rng)
    most = round(variation.outside * length)
    first, last = -most, max(-most, len(sound) - length + most)
    start = int(rng.integers(first, last + 1))
    window = np.full((length, sound.shape[1]), FLOOR, sound.dtype)
    begin, end = max(0, -start), min(length, len(sound) - start)
    window[begin:end] = sound[start + begin : start + end]
    return window


def _live_length(spec: InputSpec, variation: Variation, rng: np.random.Generator) -> int:
    """Return how many columns a live window has: all, or fewer while it fills up."""
    share = 1.0 if rng.random() < 0.5 else rng.uniform(variation.least, 1)
    return min(spec.mel.frames, round(share * spec.window_seconds / spec.mel.frame_shift))


def _background(level: float, length: int, bins: int, rng: np.random.Generator) -> np.ndarray:
    """Return steady noise of a random colour `(length, bins)`, as log power: each value of a mean of squares."""
    colour = np.linspace(0.5, -0.5, bins) * rng.uniform(-2, 4)
    return level + colour + np.log(rng.gamma(4.0, 0.25, (length, bins)) + 1e-3)


def _mask(sound: np.ndarray, axis: int, most: int, rng: np.random.Generator) -> None:
    width = int(rng.integers(0, min(most, sound.shape[axis]) + 1))
    start = int(rng.integers(0, sound.shape[axis] - width + 1))
    part = [slice(None), slice(None)]
    part[axis] = slice(start, start + width)
    sound[tuple(part)] = sound.mean()


def _padded(sound: np.ndarray, spec: InputSpec) -> np.ndarray:
    out = np.zeros((spec.mel.frames, spec.mel.bins), np.float32)
    out[: len(sound)] = np.maximum(sound, FLOOR)
    return (out - spec.mel.mean) / (2.0 * spec.mel.std)


def statistics(columns: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return mean and standard deviation of all values of several log-mels."""
    values = np.concatenate([part.ravel() for part in columns])
    return float(values.mean()), float(values.std())
