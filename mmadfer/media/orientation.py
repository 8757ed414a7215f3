"""How a picture has to be turned and mirrored to stand upright: EXIF's eight cases, for videos and photos alike."""

from __future__ import annotations

import math

import numpy as np

UPRIGHT = 1
_BY_MATRIX = {
    ((1, 0), (0, 1)): 1,
    ((-1, 0), (0, 1)): 2,
    ((-1, 0), (0, -1)): 3,
    ((1, 0), (0, -1)): 4,
    ((0, 1), (1, 0)): 5,
    ((0, 1), (-1, 0)): 6,
    ((0, -1), (-1, 0)): 7,
    ((0, -1), (1, 0)): 8,
}
"""((a, b), (c, d)) of x' = a x + c y, y' = b x + d y, from the stored picture to the upright one -> EXIF's number."""


def upright(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """Return the stored picture ``rgb`` `(height, width, 3)` as it is meant to be seen; a view where that is possible.

    Args: orientation: EXIF's number, 1 to 8; any other is taken as 1, as viewers do.
    """
    if orientation in (5, 6, 7, 8):
        rgb = rgb.transpose(1, 0, 2)  # what is left are the mirrorings of 1 to 4
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    return rgb


def of_display_matrix(matrix: bytes) -> int:
    """Return the EXIF number of a video's display matrix, nine int32; odd angles go to the nearest quarter turn."""
    (a, b), (c, d) = _corner(matrix)
    straight = abs(a) + abs(d) >= abs(b) + abs(c)
    signs = ((_sign(a), 0), (0, _sign(d))) if straight else ((0, _sign(b)), (_sign(c), 0))
    return _BY_MATRIX.get(signs, UPRIGHT)


def tilt(matrix: bytes) -> float:
    """Return by how much a display matrix turns pictures beyond what `of_display_matrix` says, degrees, -45 to 45."""
    (a, b), _ = _corner(matrix)
    if not a and not b:
        return 0.0
    degrees = math.degrees(math.atan2(b, a))
    return degrees - 90 * round(degrees / 90)


def _corner(matrix: bytes) -> tuple[tuple[int, int], tuple[int, int]]:
    values = np.frombuffer(matrix, np.int32) if len(matrix) == 36 else np.zeros(9, np.int32)
    return (int(values[0]), int(values[1])), (int(values[3]), int(values[4]))


def of_turn(degrees: float) -> int:
    """Return the EXIF number of a turn by ``degrees`` counter-clockwise, to the nearest quarter turn."""
    return (1, 8, 3, 6)[round(degrees / 90) % 4]


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)
