"""The last seconds of a video's face crops, with their time stamps."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from mmadfer.faces.identities import STEADY, KnownFace
from mmadfer.types import Box

__all__ = ["STEADY", "CropFrame", "FrameBuffer"]

# Bounds the memory. Slow-motion files have more frames a second; 16 of each window's are looked at.
_MOST_FRAMES_PER_SECOND = 120


@dataclass(frozen=True, eq=False)
class CropFrame:
    """What is kept of one video frame."""

    time: float
    """s on the source's clock."""
    crop: np.ndarray | None
    """The face, `(S, S, 3)` uint8; None where the frame shows none."""
    box: Box | None
    """Where the face is, px of the frame."""
    held: bool = False
    """Whether this frame's own face was not found, and the last box stands in for it."""
    known: KnownFace | None = None
    """Which face it is; None where nobody asked."""
    count: int = 0
    """Faces in view that count."""
    mouth: float | None = None
    """How much the mouth has moved since the frame before (`mouth.MouthWatch`); None where nobody looked."""


class _Run:
    """Frames in a row that show a face."""

    def __init__(self, alone: bool) -> None:
        self.found = 0
        """Frames in which it was found, not only held."""
        self.alone = alone
        """Whether the stream has shown nothing else: a photograph, or a clip of a few frames."""

    @property
    def counts(self) -> bool:
        return self.alone or self.found >= STEADY


class FrameBuffer:
    """Bounded ring of frames in time order. A frame that comes late, or too soon after the last, is left out.

    A face that is there for less than `STEADY` frames in a row, with others before or after, is none: its frames are
    given without it. One that stays counts from its first frame on.
    """

    def __init__(self, seconds: float, longest_hole: float = math.inf) -> None:
        """Args: seconds: how much of the past is kept. longest_hole: without a frame for longer, s, it starts anew."""
        if seconds <= 0:
            raise ValueError(f"a frame buffer must keep more than 0 seconds, got {seconds}")
        self.seconds = seconds
        self._longest_hole = longest_hole
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._frames: deque[CropFrame] = deque()
        self._runs: deque[_Run | None] = deque()
        self._run: _Run | None = None
        self.start_time: float | None = None
        """Time of the stream's first frame, or of the first after its last long hole, s; None where none has come."""
        self.face_time: float | None = None
        """Time of the newest frame that showed a face, s."""

    @property
    def end_time(self) -> float | None:
        """Time of the newest frame, s; None where none has come."""
        return self._frames[-1].time if self._frames else None

    def accepts(self, time: float) -> bool:
        """Return whether a frame of ``time`` (s) would be kept. Raises ValueError where it is no finite number."""
        if not math.isfinite(time):
            raise ValueError(f"the time of a frame must be a finite number of seconds, got {time}")
        if not self._frames or self._is_new_clock(time):
            return True
        return time - self._frames[-1].time >= 0.999 / _MOST_FRAMES_PER_SECOND

    def push(self, frame: CropFrame) -> bool:
        """Keep ``frame``; return False where it is left out. One from long before the newest starts the stream anew."""
        if not self.accepts(frame.time):
            return False
        if self._is_new_clock(frame.time):
            self.reset()
        begins = self.start_time is None or frame.time - self._frames[-1].time > self._longest_hole
        if begins:
            self.start_time = frame.time
        self._follow(frame, begins)
        self._frames.append(frame)
        self._runs.append(self._run)
        while self._frames[0].time < frame.time - self.seconds:
            self._frames.popleft()
            self._runs.popleft()
        return True

    def _follow(self, frame: CropFrame, begins: bool) -> None:
        """Let ``frame`` begin, go on with, or end the run of faces."""
        if frame.crop is None:
            if self._run is not None and self._run.alone:
                self._run.alone = False
                self.face_time = self.face_time if self._run.counts else None
            self._run = None
            return
        if self._run is None or begins:
            self._run = _Run(alone=begins)
        self._run.found += not frame.held
        if self._run.counts:
            self.face_time = frame.time

    def until(self, end: float, seconds: float = math.inf) -> list[CropFrame]:
        """Return the frames of the ``seconds`` before ``end``: those in (end - seconds, end], oldest first."""
        return [
            frame if run is None or run.counts else CropFrame(frame.time, None, None, count=frame.count)
            for frame, run in zip(self._frames, self._runs, strict=True)
            if end - seconds < frame.time <= end
        ]

    def _is_new_clock(self, time: float) -> bool:
        return bool(self._frames) and time < self._frames[-1].time - self.seconds
