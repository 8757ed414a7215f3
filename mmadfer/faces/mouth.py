"""How much a mouth moves from one crop to the next, and whose mouth moves with a voice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

SIDE = 32
"""px of the picture in which movement is looked for: enough for lips, too few for noise of the camera."""
_MOUTH, _UPPER = (slice(20, 31), slice(8, 24)), (slice(4, 16), slice(4, 28))  # rows, columns of a crop by the crop rule
_TOUCHING = 0.5  # s between two crops beyond which their difference is no movement
STANDS_OUT = 2.0
"""So many times as much as each other mouth has the mouth to move that the voice belongs to."""
LEAST = 0.002
"""Share of full scale by which it has to change from frame to frame, on the average."""
WITH_THE_SOUND = 0.2
"""Least correlation of its movement with the loudness."""
FEWEST = 8
"""Frames from which on anything is told."""


class MouthWatch:
    """The movement of one face's mouth."""

    def __init__(self) -> None:
        self._last: tuple[float, np.ndarray] | None = None

    def push(self, crop: np.ndarray | None, time: float) -> float | None:
        """Return how much the mouth has moved since the last crop, 0 to 1 of full scale; None where nobody can say.

        What the upper half of the face moves by is the head's movement, or the light's, and does not count.

        Args: crop: `(S, S, 3)` uint8, None where the face is not seen. time: s.
        """
        if crop is None:
            self._last = None
            return None
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        before, self._last = self._last, (time, small)
        if before is None or not 0 < time - before[0] <= _TOUCHING:
            return None
        change = np.abs(small - before[1])
        return max(0.0, float(change[_MOUTH].mean() - change[_UPPER].mean()))


def speaker(mouths: Mapping[int, Sequence[tuple[float, float]]], times: np.ndarray, levels: np.ndarray) -> int | None:
    """Return the number of the face to which a voice belongs; None where that cannot be told.

    It is the face whose mouth moves `STANDS_OUT` times as much as every other one's and rises and falls with the sound.
    A voice from beside the camera, two who speak at once, and faces that chew are mostly "cannot be told"; how often
    this is right in real conversations was not measured.

    Args: mouths: number -> (time in s, movement) of the frames. times, levels: of the sound, s and root mean square.
    """
    if len(mouths) < 2 or len(times) < 2 or any(len(moved) < FEWEST for moved in mouths.values()):
        return None
    means = {number: float(np.mean([value for _, value in moved])) for number, moved in mouths.items()}
    first, second = sorted(means, key=means.__getitem__, reverse=True)[:2]
    if means[first] < max(LEAST, STANDS_OUT * means[second]):
        return None
    at, moved = np.array(mouths[first]).T
    loud = np.interp(at, times, levels)
    if np.ptp(loud) == 0 or np.ptp(moved) == 0:
        return None
    return first if float(np.corrcoef(moved, loud)[0, 1]) >= WITH_THE_SOUND else None
