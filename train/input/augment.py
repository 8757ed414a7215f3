"""What is done to decoded frames in training: brightness, crop, resize and flip; one draw per clip, on any device.

The draws are the published ones, and so is the order: brightness in whole levels of 0 to 255, cut off at both ends;
then the crop, resized by PIL's bilinear filter; then the flip. Results are within 1/255 of PIL's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from train.input.resize import resized

AUGMENTATION_DRAWS = 3
"""Keeps the generator apart from those of other purposes, as `mmadfer.data.dataset.FRAME_DRAWS` does."""
_ATTEMPTS = 10


@dataclass(frozen=True)
class Draw:
    """What is done to all frames of one clip."""

    brightness: float = 1.0
    """Factor."""
    width: float = 1.0
    """Of the crop, as a share of the frame's side."""
    height: float = 1.0
    x: float = 0.0
    """Where the crop lies, from 0 (left) to below 1 (right)."""
    y: float = 0.0
    flip: bool = False
    """Mirror left and right."""

    def box(self, side: int) -> tuple[int, int, int, int]:
        """Return left, top, width and height of the crop in frames of ``side`` x ``side`` px, px."""
        width, height = (min(side, max(1, round(share * side))) for share in (self.width, self.height))
        return int(self.x * (side - width + 1)), int(self.y * (side - height + 1)), width, height


@dataclass(frozen=True)
class Augmentation:
    """The ranges that are drawn from; the defaults are the published ones."""

    brightness: tuple[float, float] = (0.5, 1.5)
    """Lowest and highest factor."""
    area: tuple[float, float] = (0.08, 1.0)
    """Least and largest share of the frame's area."""
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    """Least and largest width / height of a crop; every other crop is turned on its side."""
    flip: float = 0.5
    """Share of the clips that are mirrored."""

    def __post_init__(self) -> None:
        for name in ("brightness", "area", "aspect"):
            value = getattr(self, name)
            if len(value) != 2 or not 0 <= value[0] <= value[1] < math.inf or (name != "brightness" and value[0] == 0):
                raise ValueError(f"{name} must be two numbers above 0, the smaller one first; got {value}")
        if self.area[1] > 1:
            raise ValueError(f"area must be at most 1, the whole frame; got {self.area}")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip must be from 0 to 1, got {self.flip}")

    def draw(self, seed: int, epoch: int, index: int) -> Draw:
        """Return what is done to clip ``index`` in ``epoch``: always the same for the same arguments, all 0 or more."""
        rng = np.random.default_rng((seed, epoch, index, AUGMENTATION_DRAWS))
        brightness = float(rng.uniform(*self.brightness))
        width, height = self._crop(rng)
        x, y, flip = rng.random(3).tolist()
        return Draw(brightness, width, height, x, y, flip < self.flip)

    def _crop(self, rng: np.random.Generator) -> tuple[float, float]:
        """Return width and height of a crop that fits; the whole frame where none of the attempts does."""
        for _ in range(_ATTEMPTS):
            area, aspect = rng.uniform(*self.area), rng.uniform(*self.aspect)
            sides = math.sqrt(area * aspect), math.sqrt(area / aspect)
            if rng.random() < 0.5:
                sides = sides[::-1]
            if max(sides) <= 1:
                return sides
        return 1.0, 1.0


def apply(frames: torch.Tensor, draws: Sequence[Draw] | None, size: int) -> torch.Tensor:
    """Return `(B, T, 3, size, size)` float32 in [0, 1] on the device of ``frames``: what the model takes.

    Args: frames: `(B, T, side, side, 3)` uint8; draws: one for each of the B clips, or None for test time: resize
    alone; size: px. Raises ValueError on another shape or type, and on another number of draws.
    """
    if frames.dtype != torch.uint8 or frames.ndim != 5 or frames.shape[2] != frames.shape[3] or frames.shape[4] != 3:
        raise ValueError(
            f"frames must be uint8 of shape (clips, frames, side, side, 3), got {frames.dtype} of {tuple(frames.shape)}"
        )
    clips, count, side = frames.shape[:3]
    if draws is not None and len(draws) != clips:
        raise ValueError(f"{clips} clips need as many draws, got {len(draws)}")
    # Colours side by side, as they come; what is returned is a view of it in the order that the model names.
    out = _empty((clips, count, size, size, 3), frames.device)
    for clip, result, draw in zip(frames, out, draws or [Draw()] * clips, strict=True):
        left, top, width, height = draw.box(side)
        crop = _brightened(clip[:, top : top + height, left : left + width], draw.brightness)
        result.copy_(resized(crop, size, draw.flip))
    # By a tensor: CUDA multiplies by the reciprocal of a plain number, which rounds differently.
    return out.div_(torch.full((), 255.0, device=out.device)).permute(0, 1, 4, 2, 3)


def _empty(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return a float32 tensor to be filled. NumPy asks for large pages: filling small ones takes four times as long."""
    if device.type == "cpu":
        return torch.from_numpy(np.empty(shape, dtype=np.float32))
    return torch.empty(shape, device=device)


def _works_on_bytes(device: torch.device) -> bool:
    """Say whether ``device`` resizes bytes, as CPUs do, many at a time; others are given floats in whole levels."""
    return device.type == "cpu"


def _brightened(crop: torch.Tensor, factor: float) -> torch.Tensor:
    """Return ``crop`` `(T, h, w, 3)` times ``factor``, in levels that are cut down to whole ones as PIL does it."""
    if not _works_on_bytes(crop.device):
        return crop.to(torch.float32).mul_(factor).clamp_(max=255.0).floor_()
    if factor == 1.0:
        return crop
    table = torch.arange(256, dtype=torch.float32).mul_(factor).clamp_(max=255.0).to(torch.uint8).numpy()
    bright = torch.empty(crop.shape, dtype=torch.uint8)
    for source, target in zip(crop.numpy(), bright.numpy(), strict=True):
        cv2.LUT(source, table, dst=target)
    return bright
