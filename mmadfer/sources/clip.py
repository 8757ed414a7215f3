"""A clip that is played as if it came from a camera."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np

from mmadfer.media.media_file import AudioChunk, MediaFile, VideoFrame, open_media
from mmadfer.sources.source import Sink
from mmadfer.stream.intake import Frame, Sound

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


class ClipSource:
    """A file played at its own speed, over and over, on the monotonic clock."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises FileNotFoundError or ValueError for a file that holds neither video nor sound."""
        self._media: MediaFile = open_media(path)
        self.name = Path(os.fsdecode(path)).name
        """Of the file, without its folder."""
        self._begins: deque[float] = deque(maxlen=8)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, sink: Sink) -> None:
        """Play into ``sink`` until closed."""
        self._tell(sink)
        self._thread = threading.Thread(target=self._run, args=(sink,), name="clip", daemon=True)
        self._thread.start()

    def position(self, moment: float) -> float | None:
        """Return how far into the clip it was at ``moment`` (s on the monotonic clock), s; None from before it began.

        A window that ends soon after the clip has begun anew holds the end of the round before as well.
        """
        begins = [begin for begin in tuple(self._begins) if begin <= moment]
        return moment - begins[-1] if begins else None

    def close(self) -> None:
        """Stop playing."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2.0)

    def _run(self, sink: Sink) -> None:
        player = _Player(sink, self._media, self._stop, self._begins)
        while not self._stop.is_set():
            try:
                player.play_once()
            except (OSError, ValueError) as error:
                log.warning("the clip stopped and is tried again: %s", error)
                self._tell(sink, f"The clip cannot be played on: {error}")
                self._stop.wait(RETRY)
                player.go_on()
            else:
                self._tell(sink)

    def _tell(self, sink: Sink, trouble: str = "") -> None:
        sink.set_source_state(
            camera=trouble if self._media.has_video else "The clip has no video",
            microphone=trouble if self._media.has_audio else "The clip has no sound",
        )


class _Player:
    """The clock, the running numbers and the sound's end of a clip that is being played."""

    def __init__(self, sink: Sink, media: MediaFile, stop: threading.Event, begins: deque[float]) -> None:
        """Args: begins: takes when each round began, s on the monotonic clock."""
        self._begins = begins
        self._sink = sink
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
        self._begins.append(self._start + self._offset)
        for item in self._media.packets():
            if item.time - end > LONGEST_HOLE:  # nobody waits for an hour of nothing
                self._offset -= item.time - end
                self._begins[-1] = self._start + self._offset
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
            self._begins[-1] = self._start + self._offset
        return due

    def _show(self, frame: VideoFrame, due: float) -> None:
        now = time.monotonic()
        if now - due > LATE and now - self._shown < LONGEST_WAIT:
            return
        self._shown = now
        self._sink.intake.offer_frame(Frame(self._sequence, due, frame.rgb))
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
        self._sink.intake.offer_sound(Sound(self._index, self._start + self._index / rate, samples, rate))
        self._index += samples.shape[1]


def _end_of(item: VideoFrame | AudioChunk, fps: float) -> float:
    if isinstance(item, VideoFrame):
        return item.time + 1 / (fps or 25.0)
    return item.time + item.waveform.shape[1] / item.sample_rate
