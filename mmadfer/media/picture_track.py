"""The pictures of a video track at their times, as they are meant to be seen: upright, and with square pixels."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np

from mmadfer.media.decoding import Decoded
from mmadfer.media.orientation import UPRIGHT, of_display_matrix, of_turn, tilt, upright

_log = logging.getLogger(__name__)

_WIDEST_PIXEL = 8
"""Pixels this many times as wide as high, or as high as wide, are a fault of the file."""
_TILTED = 1.0
"""Pictures that lean by less than this, degrees, stand upright."""


class PictureTrack:
    """Turns decoded frames of a video into pictures `(height, width, 3)` uint8 at their times."""

    def __init__(self, name: str, fps: float) -> None:
        """Args: name: of the file, for warnings and errors; fps: frames a second, for frames without a stamp."""
        self._name, self._fps = name, fps
        self._orientation = UPRIGHT
        self._told: set[str] = set()

    def pictures(self, frames: Iterable[Decoded]) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (time in s, picture) of ``frames``; times ascend, whatever broken files say."""
        latest, left_out = -1.0, 0
        for decoded in frames:
            time = decoded.time
            if time is None:  # a stream without time stamps, such as raw H.264
                time = 0.0 if latest < 0 else latest + 1.0 / self._fps
            if time > latest:
                latest = time
                yield time, self.rgb(decoded)
            else:
                left_out += 1
        if left_out:
            _log.warning("%s: %d pictures are not shown, for their time is that of others", self._name, left_out)

    def rgb(self, decoded: Decoded) -> np.ndarray:
        """Return the next frame as it is meant to be seen. Raises ValueError in one sentence where it cannot be."""
        frame, width = decoded.frame, decoded.frame.width
        if 1 / _WIDEST_PIXEL <= decoded.pixel_shape <= _WIDEST_PIXEL:
            width = max(1, round(width * decoded.pixel_shape))
        else:
            self._tell(
                f"its pixels are said to be {decoded.pixel_shape:g} times as wide as high; they are taken as square"
            )
        try:
            rgb = frame.reformat(width=width, height=frame.height, format="rgb24").to_ndarray()
        except (MemoryError, ValueError, av.error.FFmpegError) as error:
            raise ValueError(
                f"{self._name}: a picture of {width} x {frame.height} px cannot be shown ({error}); "
                "convert it to a usual format"
            ) from error
        return np.ascontiguousarray(upright(rgb, self._orientation_of(frame)))

    def _orientation_of(self, frame: Any) -> int:
        """Return how a frame has to be turned and mirrored, as EXIF numbers it.

        Where the stream itself says so (H.264, HEVC), it does with the first frame of a group, for all of it.
        """
        try:
            matrix = frame.side_data.get("DISPLAYMATRIX")
        except ValueError:  # PyAV does not know another kind of the frame's side data; the turn alone is read otherwise
            return of_turn(frame.rotation)
        if matrix is not None:
            self._orientation = of_display_matrix(bytes(matrix))
            if abs(angle := tilt(bytes(matrix))) > _TILTED:
                self._tell(
                    f"its pictures lean by {angle:.0f} degrees; they are turned to the nearest quarter turn only"
                )
        elif frame.key_frame:
            self._orientation = UPRIGHT
        return self._orientation

    def _tell(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            _log.warning("%s: %s", self._name, what)
