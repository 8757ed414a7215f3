"""A camera that comes and goes, and a session that only notes what its source sends."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from mmadfer.stream.intake import Frame, Sound


class Recorded:
    """A session that only notes when what came."""

    def __init__(self, work: float = 0.0) -> None:
        self.frames: list[tuple[float, Frame]] = []
        self.sounds: list[Sound] = []
        self.states: list[dict[str, str]] = []
        self.work = work
        self.intake = self

    def offer_frame(self, frame: Frame) -> None:
        self.frames.append((time.monotonic(), frame))
        time.sleep(self.work)

    def offer_sound(self, sound: Sound) -> None:
        self.sounds.append(sound)

    def set_source_state(self, **state: str) -> None:
        self.states.append(state)


class FakeCamera:
    """OpenCV's camera: not there, or there for a number of frames."""

    def __init__(self, frames: int) -> None:
        self.left = frames
        self.there = frames > 0
        self.released = False

    def isOpened(self) -> bool:
        return self.there

    def set(self, *_: Any) -> bool:
        return True

    def grab(self) -> bool:
        time.sleep(0.01)
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((48, 64, 3), (255, 0, 0), np.uint8)  # blue, as OpenCV orders its colours

    def release(self) -> None:
        self.released = True
