"""One thread per live stream that turns what arrives into a window: decode, find the face, crop.

Who receives only drops things here and goes on: a frame into a slot, where a newer one replaces it (newest wins), and
sound into a queue, from which nothing is ever dropped.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch

from mmadfer.faces.choice import ChoosingTracker, FaceNews
from mmadfer.stream.rate import RateMeter
from mmadfer.types import Box

if TYPE_CHECKING:
    from mmadfer.stream.window import AVWindow

log = logging.getLogger(__name__)

MAX_WAITING_SECONDS = 30.0
"""Sound that may wait for the thread; a source that is further ahead does not send in real time."""
MAX_JUMP_SECONDS = 60.0
"""Largest jump of the running sample index that is taken as lost sound."""


class StreamError(ValueError):
    """What came in is no stream in real time; nothing more of it is taken."""


@dataclass(frozen=True)
class Frame:
    """A frame on its way in: ``image`` is RGB uint8 (height, width, 3), or gives it on the thread; ``time`` in s.

    ``sequence`` counts the source's frames, None where nobody counts.
    """

    sequence: int | None
    time: float
    image: npt.NDArray[np.uint8] | Callable[[], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Sound:
    """A block of sound on its way in: float32 (channels, n) in [-1, 1].

    ``index`` is the running index of its first sample, None where nobody counts; ``time`` is of that sample, in s.
    """

    index: int | None
    time: float
    samples: npt.NDArray[np.float32]
    sample_rate: int


@dataclass(frozen=True)
class FacesSeen:
    """Who is in view of a live stream, and who of them is read."""

    number: int | None = None
    """Number of the face that is read, lost or not; None before there is one."""
    others: tuple[tuple[int, tuple[float, float, float, float, float]], ...] = ()
    """Number and box of the other faces, as of `SeenFrame`."""
    offers: bool = False
    """Whether the face that is read has been lost for long, and one of the others may be chosen."""
    news: FaceNews | None = None
    """What has just happened to the choice."""
    wished: int | None = None
    """The number that was chosen before this frame; None where nobody chose."""

    @property
    def restarts(self) -> bool:
        """Whether this is the first frame of another person."""
        return self.news in (FaceNews.CHOSEN, FaceNews.TAKEN)


@dataclass(frozen=True)
class SeenFrame:
    """A frame after intake. ``box`` is (x, y, width, height) as shares of the frame's size, and the tilt in degrees."""

    frame: Frame
    rgb: npt.NDArray[np.uint8]
    box: tuple[float, float, float, float, float] | None
    faces: FacesSeen = field(default_factory=FacesSeen)


class IntakeListener(Protocol):
    """Who is told, on the intake's thread, what came in."""

    def make_window(self) -> AVWindow:
        """Return the rings that this thread fills and closes."""
        ...

    def on_frame(self, seen: SeenFrame) -> None:
        """Take a frame that is in the window."""
        ...

    def on_sound(self, sound: Sound) -> None:
        """Take a block of sound that is in the window."""
        ...

    def on_error(self, error: Exception) -> None:
        """Learn that the thread has ended: ValueError for what came in, else what the server lacks or has lost."""
        ...


class Intake:
    """The thread, its frame slot and its sound queue."""

    def __init__(self, listener: IntakeListener, name: str) -> None:
        self._listener = listener
        self._condition = threading.Condition()
        self._frame: Frame | None = None
        self._sounds: deque[Sound] = deque()
        self._sound_ahead = 0.0
        self._newest_sequence = -1
        self._next_index: int | None = None
        self._announced = False
        self._again = False
        self._stopped = False
        self.tap: Callable[[Frame | Sound], object] | None = None
        """Called with each frame and block as it is offered, on the source's thread: it must neither wait nor raise."""
        self.window: AVWindow | None = None
        self.frames = 0
        self.frames_replaced = 0
        self.sound_seconds = 0.0
        self.index_gaps = 0
        self.frame_rate = RateMeter()
        self._thread = threading.Thread(target=self._run, name=f"intake-{name}", daemon=True)
        self._thread.start()

    def offer_frame(self, frame: Frame) -> None:
        """Take a frame unless a newer one came before it; `toBlob` in the browser can overtake itself."""
        with self._condition:
            if frame.sequence is None:
                if self._frame is not None and frame.time <= self._frame.time:
                    return
            elif frame.sequence <= self._newest_sequence:
                return
            else:
                self._newest_sequence = frame.sequence
            self.frames_replaced += self._frame is not None
            self._frame = frame
            self._condition.notify()
        if self.tap is not None:
            self.tap(frame)

    def choose_face(self, number: int) -> None:
        """Read the face of this number from the next frame on, if it is in view then."""
        if self.window is not None:
            self.window.choose_face(number)

    def announce_sound(self) -> None:
        """Let the next block count anew: the source has opened a microphone, perhaps another one."""
        with self._condition:
            self._announced = True

    def offer_sound(self, sound: Sound) -> None:
        """Queue a block of sound. Raises StreamError where it is far ahead of real time or its index jumps far."""
        count = sound.samples.shape[1]
        with self._condition:
            if sound.index is not None:
                if self._next_index is not None and sound.index != self._next_index:
                    self._check_jump(sound.index - self._next_index, sound.sample_rate)
                self._announced = False
                self._next_index = sound.index + count
            self._sound_ahead += count / sound.sample_rate
            if self._sound_ahead > MAX_WAITING_SECONDS:
                raise StreamError(f"sound came {MAX_WAITING_SECONDS:.0f} s ahead of real time")
            self._sounds.append(sound)
            self._condition.notify()
        if self.tap is not None:
            self.tap(sound)

    def reset(self) -> None:
        """Forget what came in: what comes from now on begins a stream anew, on whatever clock."""
        with self._condition:
            self._frame, self._next_index, self._again = None, None, True
            self._sounds.clear()
            self._sound_ahead = 0.0
            self._condition.notify()

    @property
    def holds_anything(self) -> bool:
        """Whether the window holds something, and nothing that is to be forgotten."""
        return not self._again and bool(self.frames or self.sound_seconds)

    def stop(self) -> None:
        """Let the thread end and free the window; returns at once."""
        with self._condition:
            self._stopped = True
            self._frame = None
            self._sounds.clear()
            self._condition.notify()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, at most ``timeout`` s."""
        self._thread.join(timeout)

    def _check_jump(self, jump: int, sample_rate: int) -> None:
        self.index_gaps += 1
        if not self._announced and abs(jump) > MAX_JUMP_SECONDS * sample_rate:
            raise StreamError(f"the sample index jumped by {jump}, more than {MAX_JUMP_SECONDS:.0f} s")

    def _has_work(self) -> bool:
        return bool(self._stopped or self._again or self._frame is not None or self._sounds)

    def _run(self) -> None:
        # Blocks of sound are too small to share among threads: waiting for each other takes longer than the work. The
        # setting holds for the calling thread, and for threads that start later and set nothing themselves.
        torch.set_num_threads(1)
        # The detector is loaded here and not in the receive loop, which must go on meanwhile.
        window = self._listener.make_window()
        self.window = window
        try:
            while True:
                with self._condition:
                    self._condition.wait_for(self._has_work)
                    if self._stopped:
                        return
                    sounds, self._sounds = self._sounds, deque()
                    frame, self._frame = self._frame, None
                    self._sound_ahead = 0.0
                if self._again:
                    window.reset()
                    self.frames, self.sound_seconds = 0, 0.0
                    self._again = False
                for sound in sounds:
                    self._take_sound(window, sound)
                if frame is not None:
                    self._take_frame(window, frame)
        except ValueError as error:
            self._listener.on_error(error)
        except cv2.error as error:
            self._listener.on_error(ValueError(str(error)))
        except (ImportError, OSError, RuntimeError) as error:
            # A library that the face detector needs is missing, or it has failed inside: no frame is at fault.
            log.exception("the intake has failed")
            self._listener.on_error(error)
        finally:
            window.close()

    def _take_sound(self, window: AVWindow, sound: Sound) -> None:
        window.push_audio(sound.samples, sound.sample_rate, time=sound.time, sample_index=sound.index)
        self.sound_seconds += sound.samples.shape[1] / sound.sample_rate
        self._listener.on_sound(sound)

    def _take_frame(self, window: AVWindow, frame: Frame) -> None:
        rgb = frame.image() if callable(frame.image) else frame.image
        face = window.push_frame(frame.time, rgb)
        self.frames += 1
        self.frame_rate.tick()
        height, width = rgb.shape[:2]
        box = None if face is None else _shares(face.box, width, height)
        self._listener.on_frame(SeenFrame(frame, rgb, box, _faces_seen(window, width, height)))


def _shares(box: Box, width: int, height: int) -> tuple[float, float, float, float, float]:
    return box.x / width, box.y / height, box.width / width, box.height / height, box.angle


def _faces_seen(window: AVWindow, width: int, height: int) -> FacesSeen:
    tracker = window.tracker
    if not isinstance(tracker, ChoosingTracker):
        return FacesSeen()
    others = [face for face in tracker.in_view if face.number != tracker.number]
    boxes = tuple((face.number or 0, _shares(face.box, width, height)) for face in others)
    return FacesSeen(tracker.number, boxes, tracker.offers, tracker.news, tracker.wished)
