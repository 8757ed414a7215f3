"""A photograph of a face made to move: a clip of it, as a camera might see somebody who holds an expression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Motion:
    """How far faces are moved and lit; sizes in shares of the face's side. The first group is drawn once for a clip."""

    rotation: float = 12.0
    """Degrees, to either side."""
    scale: tuple[float, float] = (0.75, 1.15)
    """The live crop is about 1.2 times as wide as the photographs: 0.84 is a face as it stands there."""
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


STILL = Motion(0.0, (1.0, 1.0), 0.0, (0.0, 0.0), 0.0, (1.0, 1.0), 0.0, 0.0, 0.0, 0.0, 0.0)
"""The photograph itself, again and again."""
MILD = Motion(3.0, (0.97, 1.03), 0.02, (-0.02, 0.02), 0.0, (0.95, 1.05), 0.02, 0.0, 0.0, 1.0, 2.0)
"""The photograph as the data has it, hardly moving: for clips that are scored."""
LIVE = Motion(3.0, (0.81, 0.87), 0.02, (0.08, 0.12), 0.0, (0.95, 1.05), 0.02, 0.0, 0.0, 1.0, 2.0)
"""The same as the live crop shows it: smaller and lower."""


def clip_of(image: np.ndarray, frames: int, motion: Motion, rng: np.random.Generator) -> np.ndarray:
    """Return ``image`` `(S, S)` uint8 as a clip `(frames, S, S)` uint8."""
    side = image.shape[0]
    image = _prepared(image, motion, rng)
    out = np.empty((frames, side, side), np.uint8)
    poses, lights = _wander(5, frames, motion.drift, rng), _wander(2, frames, motion.drift, rng)
    flip = rng.random() < motion.flip
    for frame, pose, light in zip(out, poses, lights, strict=True):
        matrix = _matrix(side, pose, motion, flip)
        moved = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)
        frame[:] = _lit(moved, light, motion, rng)
    return out


def _wander(count: int, frames: int, drift: float, rng: np.random.Generator) -> np.ndarray:
    """Return `(frames, count)` numbers in [-1, 1]: one draw for the clip, and a smooth way from there."""
    base = rng.uniform(-1, 1, count)
    if frames == 1 or not drift:
        return np.repeat(base[None], frames, axis=0)
    phase, speed = rng.uniform(0, 2 * np.pi, (2, count))
    way = np.sin(phase + np.linspace(0, 1, frames)[:, None] * speed)
    return np.clip(base * (1 - drift) + drift * way, -1, 1)


def _prepared(image: np.ndarray, motion: Motion, rng: np.random.Generator) -> np.ndarray:
    side = image.shape[0]
    if rng.random() < motion.blur:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.0) * side / 48)
    if rng.random() < motion.hidden:
        image = image.copy()
        height, width = (rng.uniform(0.1, 0.33, 2) * side).astype(int)
        top, left = rng.integers(0, side - height), rng.integers(0, side - width)
        image[top : top + height, left : left + width] = rng.integers(0, 256)
    return image


def _matrix(side: int, pose: np.ndarray, motion: Motion, flip: bool) -> np.ndarray:
    """Return the `(2, 3)` matrix of a pose: angle, scale, x, y and aspect, each in [-1, 1]."""
    scale = _between(motion.scale, pose[1])
    centre = (side - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), motion.rotation * pose[0], scale)
    matrix[0, :2] *= 1 + 0.05 * pose[4] * (motion.scale[1] > motion.scale[0])
    if flip:
        matrix[:, 0] *= -1
    shift = np.array([motion.across * pose[2], _between(motion.down, pose[3])])
    matrix[:, 2] = centre - matrix[:, :2] @ (centre, centre) + side * shift
    return matrix


def _between(limits: tuple[float, float], place: float) -> float:
    """Return what lies at ``place``, -1 to 1, between two limits."""
    return limits[0] + (place + 1) / 2 * (limits[1] - limits[0])


def _lit(image: np.ndarray, light: np.ndarray, motion: Motion, rng: np.random.Generator) -> np.ndarray:
    contrast = _between(motion.contrast, light[0])
    mean = image.mean()
    levels = (image - mean) * contrast + mean + 255 * motion.brightness * light[1]
    if motion.noise:
        levels = levels + rng.normal(0, motion.noise * rng.random(), image.shape)
    return np.clip(levels, 0, 255).astype(np.uint8)
