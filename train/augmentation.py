"""What is drawn for each clip in training: brightness, crop and flip, in the published ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

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


UNCHANGED = Augmentation(brightness=(1.0, 1.0), area=(1.0, 1.0), aspect=(1.0, 1.0), flip=0.0)
"""Frames as they come."""
