"""What a stream has encoded and may use again: frames with the sound that they saw, and that sound itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F

_MOST_FRAMES = 96
"""Frames kept at most: those of a window at 30 a second, were each one needed at some time."""
_COARSE = (8, 4)
"""Frames and bins of a log-mel over which it is averaged before it is compared: what a patch sees of it and no more."""


@dataclass(frozen=True, eq=False)
class KeptSound:
    """A window's sound, as encoded."""

    end: float
    """End of its window, s."""
    absent: bool
    """Whether there was none."""
    cls: torch.Tensor
    """``(1, D)``"""
    means: torch.Tensor
    """What frames see of it ``(depth, K)``."""
    coarse: torch.Tensor
    """Its log-mel, coarsely."""


@dataclass(frozen=True, eq=False)
class KeptFrame:
    """One encoded frame."""

    time: float
    """s"""
    crop: np.ndarray
    cls: torch.Tensor
    """``(D,)``"""
    means: torch.Tensor
    """What the sound sees of it ``(depth, K)``."""
    heard: torch.Tensor
    """The means of the sound that it saw ``(depth, K)``."""

    def differs_from(self, time: float, crop: np.ndarray) -> float:
        """Return how far another frame looks from this one, root mean square in grey levels of 255; 0 for this one."""
        if crop is self.crop and time == self.time:
            return 0.0
        known = all(isinstance(image, np.ndarray) and image.dtype == np.uint8 for image in (crop, self.crop))
        if not known or crop.shape != self.crop.shape:
            return math.inf
        return float(cv2.norm(crop, self.crop, cv2.NORM_L2)) / math.sqrt(crop.size)


def coarse(spectrogram: torch.Tensor) -> torch.Tensor:
    """Return what is compared of a log-mel: ``(1, 1, 512, 128)`` -> ``(1, 1, 64, 32)``."""
    return F.avg_pool2d(spectrogram.cpu(), _COARSE, ceil_mode=True)


def sound_change(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return how far two sounds lie apart, root mean square of their coarse log-mels in the model's unit."""
    return (one - other).square().mean().sqrt().item()


def context_change(frames: Sequence[KeptFrame], sound: KeptSound, num_frames: int) -> float:
    """Return how far the sound has gone from what ``frames`` saw, in lengths of its means; as a mean over the window.

    Args: num_frames: frames of the window; those that are not among ``frames`` see the sound as it is.
    """
    if not frames or not sound.means.numel():
        return 0.0
    gone = (torch.stack([frame.heard for frame in frames]) - sound.means).flatten(1).norm(dim=1).sum()
    return (gone / sound.means.norm().clamp(min=1e-6) / num_frames).item()


def renewed(kept: Iterable[KeptFrame], encoded: Iterable[KeptFrame], start: float, end: float) -> list[KeptFrame]:
    """Return ``kept``, as far as it lies between ``start`` and ``end`` (s), with ``encoded`` for those of its times."""
    frames = {frame.time: frame for frame in kept if start < frame.time <= end}
    frames |= {frame.time: frame for frame in encoded}
    return [frames[time] for time in sorted(frames)][-_MOST_FRAMES:]


def match(times: list[float], kept: list[float], tolerance: float) -> list[int | None]:
    """Return for each of ``times`` the index of the nearest of ``kept`` within ``tolerance`` (s), or None.

    Both ascend, and so do the indices: none is used twice.
    """
    result: list[int | None] = []
    first = 0
    for time in times:
        near = min(range(first, len(kept)), key=lambda k: abs(kept[k] - time), default=None)
        if near is None or abs(kept[near] - time) > tolerance:
            result.append(None)
        else:
            result.append(near)
            first = near + 1
    return result
