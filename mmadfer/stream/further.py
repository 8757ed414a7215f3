"""The faces that are read beside the chosen one: each has its crops, and so its window."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mmadfer.config import InputSpec
from mmadfer.faces.choice import ChoosingTracker
from mmadfer.faces.crop import crop
from mmadfer.faces.identities import KnownFace
from mmadfer.faces.mouth import MouthWatch
from mmadfer.faces.tracker import SteadyBox, TrackerSpec
from mmadfer.stream.frame_buffer import CropFrame, FrameBuffer
from mmadfer.types import Box

MOST_READ = 4
"""Faces that may be read at once."""


def checked_count(faces: object) -> int:
    """Return how many faces are to be read. Raises ValueError for what is none of 1 to `MOST_READ`."""
    if isinstance(faces, bool) or not isinstance(faces, int) or not 1 <= faces <= MOST_READ:
        raise ValueError(f"1 to {MOST_READ} faces can be read at once, got {faces!r}")
    return faces


@dataclass
class _Followed:
    """One of them."""

    who: KnownFace
    frames: FrameBuffer
    steady: SteadyBox
    mouth: MouthWatch = field(default_factory=MouthWatch)
    box: Box | None = None
    seen: float = -math.inf


class FurtherFaces:
    """Up to so many faces that are in view beside the chosen one: who came first, and as long as they stay.

    One that has gone for the length of a window makes room for the next. One thread looks at frames.
    """

    def __init__(self, spec: InputSpec, most: int, make_buffer: Callable[[], FrameBuffer]) -> None:
        """Args: most: faces besides the chosen one. make_buffer: makes what keeps the crops of one."""
        self._spec = spec
        self._most = most
        self._make_buffer = make_buffer
        self._settings = TrackerSpec()
        self._faces: dict[int, _Followed] = {}

    def reset(self) -> None:
        """Forget all."""
        self._faces = {}

    @property
    def buffers(self) -> dict[int, FrameBuffer]:
        """What is kept of each face that is read, by its number, in the order in which they came.

        A moment's view: any thread may ask, and whoever is gone in the next frame is still in it.
        """
        return {number: one.frames for number, one in sorted(self._faces.items())}

    def look(self, rgb: np.ndarray, time: float, tracker: ChoosingTracker) -> list[tuple[int, CropFrame]]:
        """Return what a frame shows of each face, for `keep`. Slow: the crops are made here.

        Args: rgb: `(height, width, 3)` uint8. time: s. tracker: after this frame.
        """
        self._choose(time, tracker)
        known = {face.number: face for face in tracker.in_view}
        count = len(tracker.in_view)
        return [(number, self._seen(one, known.get(number), rgb, time, count)) for number, one in self._faces.items()]

    def keep(self, frames: list[tuple[int, CropFrame]]) -> None:
        """Take what `look` has found."""
        for number, frame in frames:
            self._faces[number].frames.push(frame)

    def _choose(self, time: float, tracker: ChoosingTracker) -> None:
        """Let go who has gone or is the chosen one now, and take up who is there and finds room."""
        others = {f.number: f for f in tracker.in_view if f.number is not None and f.number != tracker.number}
        kept = {
            number: one
            for number, one in self._faces.items()
            # Another face of the same number: the tracker has begun anew.
            if number != tracker.number and others.get(number, one.who) is one.who and self._is_here(one, time)
        }
        for number, face in others.items():  # who came first
            if number not in kept and len(kept) < self._most:
                kept[number] = _Followed(face, self._make_buffer(), SteadyBox(self._settings.smoothing), seen=time)
        self._faces = kept

    def _is_here(self, one: _Followed, time: float) -> bool:
        return 0 <= time - one.seen <= self._spec.window_seconds

    def _seen(self, one: _Followed, face: KnownFace | None, rgb: np.ndarray, time: float, count: int) -> CropFrame:
        held = face is None or face.seen < time
        if face is not None and not held:
            if time - one.seen > self._settings.hold:
                one.steady.reset()
            one.box, one.seen = one.steady.push(face.box, time), time
        if one.box is None or time - one.seen > self._settings.hold:
            one.mouth.push(None, time)
            return CropFrame(time, None, None, count=count)
        picture = crop(rgb, one.box, self._spec.image_size)
        moved = one.mouth.push(None if held else picture, time)
        return CropFrame(time, picture, one.box, held, face, count, moved)


def movements(buffers: Mapping[int, FrameBuffer], end: float, seconds: float) -> dict[int, list[tuple[float, float]]]:
    """Return how the mouths of faces have moved, by their numbers; without those that are not seen at all.

    Args: buffers: of each face. end, seconds: of the window, s.
    Returns number -> (time in s, movement by `MouthWatch`) of the frames.
    """
    kept = {number: buffer.until(end, seconds) for number, buffer in buffers.items()}
    return {
        number: [(frame.time, frame.mouth) for frame in frames if frame.mouth is not None]
        for number, frames in kept.items()
        if any(frame.crop is not None for frame in frames)
    }
