"""Sources on the server's side: a clip that is played as if it came from a camera, and where to find the other one."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Protocol

import numpy as np

from mmadfer.media.media_file import AudioChunk, MediaFile, VideoFrame, open_media

from ..session.intake import Frame, Sound
from ..session.session import Session
from .devices import LocalDevices

log = logging.getLogger(__name__)

LATE = 0.1
"""A frame that comes later than this is left out, s."""
LONGEST_WAIT = 0.5
"""Some frame is shown at least this often, s, even where decoding is slower than the clip."""
HOPELESS = 1.0
"""Behind by more than this, s, the clip goes on from where it is instead of hurrying after the clock."""
SHORTEST_LOOP = 0.2
LONGEST_TAIL = 1.0
"""A clip goes on after its last frame or sound by at most this, s, whatever its header says."""
LONGEST_HOLE = 5.0
"""A stretch of the file that holds nothing at all is passed over where it is longer than this, s."""
PIECE = 0.5
"""Silence is sent in pieces of at most this, s, as it passes: more at once is no sound in real time."""
RETRY = 2.0
"""Time after which a clip that could not be read on is played anew, s."""
SAME_INDEX = 0.02
"""Time stamps of sound that differ by less than this, s, are rounding of the container and no gap."""


class Source(Protocol):
    """Something that feeds the one session that all pages watch."""

    def start(self, session: Session) -> None:
        """Feed ``session``, on threads of its own, until closed."""

    def close(self) -> None:
        """Stop feeding."""


def open_source(name: str | os.PathLike[str], devices: LocalDevices | None = None) -> Source:
    """Return the source called ``name``: "local", with its ``devices``, or a file.

    Raises OSError or ValueError for an unreadable file.
    """
    if name == "local":
        from .local import LocalSource

        return LocalSource(devices)
    return ClipSource(Path(name))


class ClipSource:
    """A file played at its own speed, over and over, on the monotonic clock."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError or ValueError for a file that holds neither video nor sound."""
        self._media: MediaFile = open_media(path)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, session: Session) -> None:
        """Play into ``session`` until closed."""
        self._tell(session)
        self._thread = threading.Thread(target=self._run, args=(session,), name="clip", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop playing."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2.0)

    def _run(self, session: Session) -> None:
        player = _Player(session, self._media, self._stop)
        while not self._stop.is_set():
            try:
                player.play_once()
            except (OSError, ValueError) as error:
                log.warning("the clip stopped and is tried again: %s", error)
                self._tell(session, f"The clip cannot be played on: {error}")
                self._stop.wait(RETRY)
                player.go_on()
            else:
                self._tell(session)

    def _tell(self, session: Session, trouble: str = "") -> None:
        session.set_source_state(
            camera=trouble if self._media.has_video else "The clip has no video",
            microphone=trouble if self._media.has_audio else "The clip has no sound",
        )


class _Player:
    """The clock, the running numbers and the sound's end of a clip that is being played."""

    def __init__(self, session: Session, media: MediaFile, stop: threading.Event) -> None:
        self._session = session
        self._media = media
        self._stop = stop
        self._start = time.monotonic()
        self._offset = 0.0
        self._sequence = 0
        self._shown = 0.0
        self._index = 0
        self._silent = False  # the newest sound is silence that was filled in

    def play_once(self) -> None:
        """Play from the first frame to the last; the next round goes on where this one ends."""
        end = SHORTEST_LOOP
        for item in self._media.packets():
            if item.time - end > LONGEST_HOLE:  # nobody waits for an hour of nothing
                self._offset -= item.time - end
            due = self._wait(item.time)
            if self._stop.is_set():
                return
            end = max(end, _end_of(item, self._media.fps))
            if isinstance(item, VideoFrame):
                self._show(item, due)
                self._fill_silence(self._offset + item.time)
            else:
                self._play(item)
        duration = min(max(end, self._media.duration), end + LONGEST_TAIL)
        self._wait(duration)
        self._offset += duration
        self._fill_silence(self._offset, slack=0.0)

    def go_on(self) -> None:
        """Let the next round begin now, after a pause or where a round was broken off."""
        now = time.monotonic()
        if self._media.has_audio:
            self._offset = self._index / self._media.sample_rate
        self._start = now - self._offset

    def _wait(self, position: float) -> float:
        """Sleep until ``position`` (s in the clip) is due, and return when that is."""
        due = self._start + self._offset + position
        ahead = due - time.monotonic()
        while ahead > PIECE and not self._stop.wait(PIECE):
            ahead = due - time.monotonic()
            self._fill_silence(self._offset + position - ahead)
        if ahead > 0:
            self._stop.wait(ahead)
        elif ahead < -HOPELESS:
            self._start -= ahead
        return due

    def _show(self, frame: VideoFrame, due: float) -> None:
        now = time.monotonic()
        if now - due > LATE and now - self._shown < LONGEST_WAIT:
            return
        self._shown = now
        self._session.intake.offer_frame(Frame(self._sequence, due, frame.rgb))
        self._sequence += 1

    def _play(self, chunk: AudioChunk) -> None:
        index = round((self._offset + chunk.time) * chunk.sample_rate)
        if abs(index - self._index) > SAME_INDEX * chunk.sample_rate:
            if self._silent and index > self._index:
                self._push_silence(index - self._index)
            self._index = max(index, self._index)
        self._push(chunk.waveform)
        self._silent = False

    def _fill_silence(self, position: float, slack: float = 0.25) -> None:
        # A track that ends before the picture is silent then; to the model that is no loss of sound. The slack (s) is
        # for sound that is only due after the frame in hand.
        missing = round(position * self._media.sample_rate) - self._index
        if self._media.has_audio and missing > slack * self._media.sample_rate:
            self._push_silence(missing)

    def _push_silence(self, count: int) -> None:
        self._silent = True
        piece = max(1, round(PIECE * self._media.sample_rate))
        for begin in range(0, count, piece):
            self._push(np.zeros((self._media.channels, min(piece, count - begin)), np.float32))

    def _push(self, samples: np.ndarray) -> None:
        rate = self._media.sample_rate
        self._session.intake.offer_sound(Sound(self._index, self._start + self._index / rate, samples, rate))
        self._index += samples.shape[1]


def _end_of(item: VideoFrame | AudioChunk, fps: float) -> float:
    if isinstance(item, VideoFrame):
        return item.time + 1 / (fps or 25.0)
    return item.time + item.waveform.shape[1] / item.sample_rate
