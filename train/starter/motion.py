"""Photographs of faces made to move: clips of them, as a camera might see people who hold an expression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Motion:
    """How far faces are moved and lit; sizes in shares of the face's side. The first group is drawn once for a clip."""

    rotation: float = 10.0
    """Degrees, to either side."""
    scale: tuple[float, float] = (0.8, 1.1)
    """The live crop is about 1.2 times as wide as the photographs: 0.84 is a face as it stands there."""
    aspect: float = 0.05
    """Share by which faces are made wider or narrower."""
    across: float = 0.08
    """To either side."""
    down: tuple[float, float] = (-0.06, 0.14)
    """In the live crop, which shows more forehead, faces stand about 0.1 lower."""
    flip: float = 0.5
    """Share of the clips that are mirrored."""
    contrast: tuple[float, float] = (0.6, 1.4)
    brightness: float = 0.15
    """Of the full range, up or down."""
    blur: float = 0.3
    """Share of the clips that are softened, as a webcam's small faces are."""
    hidden: float = 0.25
    """Share of the clips in which a grey box hides up to a third of the side."""

    drift: float = 0.3
    """How far the pose wanders from frame to frame within a clip, as a share of the ranges above."""
    noise: float = 4.0
    """Standard deviation of each pixel's own noise, levels of 255."""


STILL = Motion(0.0, (1.0, 1.0), 0.0, 0.0, (0.0, 0.0), 0.0, (1.0, 1.0), 0.0, 0.0, 0.0, 0.0, 0.0)
"""The photograph itself, again and again."""
MILD = Motion(3.0, (0.97, 1.03), 0.05, 0.02, (-0.02, 0.02), 0.0, (0.95, 1.05), 0.02, 0.0, 0.0, 1.0, 2.0)
"""The photograph as the data has it, hardly moving: for clips that are scored."""
LIVE = Motion(3.0, (0.81, 0.87), 0.05, 0.02, (0.08, 0.12), 0.0, (0.95, 1.05), 0.02, 0.0, 0.0, 1.0, 2.0)
"""The same as the live crop shows it: smaller and lower."""

_WAYS = 7
"""Numbers of a pose that wander in time: angle, scale, x, y, aspect, contrast and brightness."""
_BLUR = (0.4, 1.0)
"""Standard deviations that a photograph of 48 px is softened with, px."""
_BOX = (0.1, 0.33)
"""Sides of a box that hides a part, as shares of the face's."""


@dataclass(frozen=True)
class _Draws:
    """One clip's random numbers in [0, 1), a row for each clip of a batch."""

    places: torch.Tensor
    """`(B, 7)`: where the pose is on the whole."""
    phases: torch.Tensor
    speeds: torch.Tensor
    """`(B, 7)`: how it wanders from there."""
    switches: torch.Tensor
    """`(B, 3)`: whether it is mirrored, softened, partly hidden."""
    sizes: torch.Tensor
    """`(B, 7)`: how much it is softened and noisy; the box's height, width, top, left and level."""

    @classmethod
    def of(cls, rngs: Sequence[np.random.Generator]) -> _Draws:
        """Return as many numbers of each generator as a clip needs."""
        numbers = torch.from_numpy(np.stack([rng.random(3 * _WAYS + 10, np.float32) for rng in rngs]))
        return cls(*numbers.split((_WAYS, _WAYS, _WAYS, 3, 7), dim=1))


def moving(images: torch.Tensor, frames: int, motion: Motion, rngs: Sequence[np.random.Generator]) -> torch.Tensor:
    """Return photographs as clips: ``images`` `(B, S, S)` uint8 -> `(B, frames, S, S)` uint8.

    Args: rngs: one for each clip, which its draws come from alone.
    """
    draws = _Draws.of(rngs)
    ways = _wander(draws, frames, motion.drift)
    photographs = _prepared(images.float(), motion, draws)
    levels = _lit(_placed(photographs, motion, ways, draws.switches[:, 0] < motion.flip), motion, ways)
    if motion.noise:
        shape = levels.shape[1:]
        noise = np.stack([rng.standard_normal(shape, np.float32) for rng in rngs])
        levels += motion.noise * draws.sizes[:, 1, None, None, None] * torch.from_numpy(noise)
    return levels.round_().clamp_(0, 255).to(torch.uint8)


def _wander(draws: _Draws, frames: int, drift: float) -> torch.Tensor:
    """Return `(B, frames, 7)` numbers in [-1, 1]: one draw for the clip, and a smooth way from there."""
    base = 2 * draws.places[:, None] - 1
    if frames == 1 or not drift:
        return base.expand(-1, frames, -1)
    times = torch.linspace(0, 1, frames)[:, None]
    way = torch.sin(2 * np.pi * (draws.phases[:, None] + times * draws.speeds[:, None]))
    return (base * (1 - drift) + drift * way).clamp(-1, 1)


def _prepared(images: torch.Tensor, motion: Motion, draws: _Draws) -> torch.Tensor:
    """Return ``images`` `(B, S, S)`, some of them softened, some with a part hidden."""
    side = images.shape[-1]
    soft = draws.switches[:, 1] < motion.blur
    if soft.any():
        images[soft] = _softened(images[soft], _between(_BLUR, 2 * draws.sizes[soft, 0] - 1) * side / 48)
    height, width = ((side * _between(_BOX, 2 * draws.sizes[:, k] - 1)).floor() for k in (2, 3))
    top, left = ((draws.sizes[:, k] * (side - size)).floor() for k, size in ((4, height), (5, width)))
    pixels = torch.arange(side)
    down = (pixels >= top[:, None]) & (pixels < (top + height)[:, None])
    across = (pixels >= left[:, None]) & (pixels < (left + width)[:, None])
    box = down[:, :, None] & across[:, None] & (draws.switches[:, 2] < motion.hidden)[:, None, None]
    return torch.where(box, (draws.sizes[:, 6] * 256).floor()[:, None, None], images)


def _softened(images: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Return each of `(B, S, S)` blurred by a Gaussian of its own standard deviation, px."""
    reach = max(1, int(3 * _BLUR[1] * images.shape[-1] / 48))
    kernels = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigmas[:, None]) ** 2)
    kernels = (kernels / kernels.sum(dim=1, keepdim=True))[:, None]  # (B, 1, taps)
    padded = F.pad(images[None], (reach, reach, reach, reach), mode="reflect")
    rows = F.conv2d(padded, kernels[:, :, None], groups=len(images))
    return F.conv2d(rows, kernels[..., None], groups=len(images))[0]


def _placed(images: torch.Tensor, motion: Motion, ways: torch.Tensor, flip: torch.Tensor) -> torch.Tensor:
    """Return `(B, T, S, S)`: each photograph turned, sized and shifted as a frame's pose says; mirrored at the edge."""
    batch, frames = ways.shape[:2]
    side = images.shape[-1]
    angle = torch.deg2rad(motion.rotation * ways[..., 0])
    scale = _between(motion.scale, ways[..., 1])
    # From a place in the clip to the place in the photograph, both in [-1, 1]: shifted back, turned back, sized back.
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    wide = (1 + motion.aspect * ways[..., 4]) * torch.where(flip, -1.0, 1.0)[:, None]
    shift = torch.stack([motion.across * ways[..., 2], _between(motion.down, ways[..., 3])], dim=-1)
    shift *= 2 * side / (side - 1)
    turn = torch.stack([torch.stack([cos / wide, -sin / wide], -1), torch.stack([sin, cos], -1)], dim=-2)
    matrix = torch.cat([turn, -turn @ shift[..., None]], dim=-1)
    grid = F.affine_grid(matrix.flatten(0, 1), [batch * frames, 1, side, side], align_corners=True)
    grid = grid.view(batch, frames * side, side, 2)
    placed = F.grid_sample(images[:, None], grid, padding_mode="reflection", align_corners=True)
    return placed.view(batch, frames, side, side)


def _lit(clips: torch.Tensor, motion: Motion, ways: torch.Tensor) -> torch.Tensor:
    """Return ``clips`` `(B, T, S, S)` with each frame's contrast and brightness, in levels, not cut off."""
    contrast = _between(motion.contrast, ways[..., 5])[..., None, None]
    mean = clips.mean(dim=(2, 3), keepdim=True)
    return (clips - mean) * contrast + mean + 255 * motion.brightness * ways[..., 6, None, None]


def _between(limits: tuple[float, float], place: torch.Tensor) -> torch.Tensor:
    """Return what lies at ``place``, -1 to 1, between two limits."""
    return limits[0] + (place + 1) / 2 * (limits[1] - limits[0])
