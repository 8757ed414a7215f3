"""THE place that reads files: pictures, frames with their times, sound at its own rate, and all in time order.

Times are s on one clock of the file (`mmadfer.media.timeline`); prediction, preparing and the app read by it alike.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import os
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np

from mmadfer.files.names import shown
from mmadfer.media.container import open_container
from mmadfer.media.decoding import Decoded
from mmadfer.media.length import USUAL_FPS, duration, frame_rate, tell
from mmadfer.media.picture_track import PictureTrack
from mmadfer.media.pictures import Picture, open_picture
from mmadfer.media.sound_track import SoundTrack
from mmadfer.media.timeline import Timeline, read_timeline
from mmadfer.media.tracks import decode, first_frame, tracks
from mmadfer.sound.audio_buffer import JITTER

_log = logging.getLogger(__name__)

_LONGEST_FILL = 60.0
"""Where sound is read whole, longer times in which no track of the file holds anything, s, are closed up."""
_NEAR = 1.0
"""Picture and sound begin and end within this, s, of each other."""
_FILM = 3
"""So many JPEG pictures, one behind the other, are a film."""


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One picture of a video."""

    time: float
    """s from the file's start."""
    rgb: np.ndarray
    """`(height, width, 3)` uint8, upright."""


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """A piece of sound."""

    time: float
    """Time of the first sample, s from the file's start."""
    waveform: np.ndarray
    """`(channels, samples)` float32 in [-1, 1]."""
    sample_rate: int
    """Hz."""


@dataclass(frozen=True)
class MediaFile:
    """What a file holds, and iterators over it. Each iterator reads the file on its own, in bounded memory."""

    path: pathlib.Path
    duration: float
    """s."""
    has_video: bool
    has_audio: bool
    fps: float
    """Average frames per second; 0 without video. Frames of phones and browsers come unevenly: use their times."""
    width: int
    """px of the upright picture; 0 without video."""
    height: int
    sample_rate: int
    """Hz; 0 without sound."""
    channels: int
    video_track: int = -1
    """Index of the track that is read; -1 without video, and of pictures."""
    audio_track: int = -1
    timeline: Timeline = field(default_factory=Timeline)
    """The file's clock."""
    picture: Picture | None = None
    """Where the file is a picture: what reads it."""

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (time in s, picture `(height, width, 3)` uint8) in time order; nothing where there is no video."""
        for frame in self._video_frames():
            yield frame.time, frame.rgb

    def audio(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (time of its first sample in s, waveform `(channels, n)` float32) at the file's own sample rate.

        Where the rate or the channels change on the way, all of it comes in the first ones.
        """
        for chunk in self._audio_chunks():
            yield chunk.time, chunk.waveform

    def read_audio(self) -> np.ndarray | None:
        """Return the whole sound `(channels, samples)` float32 from its first sample on; None where there is none.

        Holes in it are silence, so that sample n lies n / sample_rate after the first; but minutes in which the file
        holds nothing at all are left out.
        """
        first = next(self.audio(), None)
        return None if first is None else self.read_span(first[0])

    def read_span(self, start: float = 0.0, end: float | None = None) -> np.ndarray | None:
        """Return the sound between two times `(channels, samples)`; silence where the track has none, None without one.

        Sound that begins less than 50 ms late counts as there from the start, for many tracks do: nothing is put in
        before it.

        Args: start, end: s on the file's clock; None for the sound's own end.
        """
        if not self.has_audio:
            return None
        sound = np.concatenate(list(self._laid_out(start, end)), axis=1)
        return sound if end is None else sound[:, : round((end - start) * self.sample_rate)]

    def _laid_out(self, start: float, end: float | None) -> Iterator[np.ndarray]:
        """Yield the sound from ``start`` on in pieces that follow each other without a hole."""
        yield np.zeros((self.channels, 0), np.float32)
        rate, slack = self.sample_rate, round(JITTER * self.sample_rate)
        origin: float | None = None  # time of the first sample, s
        laid = 0
        for stamp, chunk in self.audio():
            if end is not None and stamp >= end:
                return
            waveform = chunk[:, max(0, round((start - stamp) * rate)) :]
            if not waveform.shape[1]:
                continue
            time = max(stamp, start)
            if origin is None:
                origin = time if time - start <= JITTER else start
            if end is None:
                origin += self._closed(origin + laid / rate, time)
            ahead = round((time - origin) * rate) - laid
            if ahead > slack:
                yield np.zeros((self.channels, ahead), np.float32)
                laid += ahead
            elif ahead < -slack:  # stamps that went back: what is there already
                waveform = waveform[:, -ahead:]
            yield waveform
            laid += waveform.shape[1]

    def _closed(self, before: float, after: float) -> float:
        """Return how much of the time between two pieces of sound, s, the whole file is empty for long."""
        if after - before < _LONGEST_FILL:
            return 0.0
        holes = [(a, b) for a, b in self.timeline.holes if b - a > _LONGEST_FILL]
        return sum(b - a for a, b in holes if before - _NEAR < a and b < after + _NEAR)

    def packets(self) -> Iterator[VideoFrame | AudioChunk]:
        """Yield frames and pieces of sound by their times; a piece of sound comes before a frame of its time."""
        # Two readers instead of one: a file may hold all its video before its sound, and queues for that have no bound.
        return heapq.merge(self._audio_chunks(), self._video_frames(), key=lambda item: item.time)

    def _video_frames(self) -> Iterator[VideoFrame]:
        if self.picture is not None:
            yield from (VideoFrame(shown, rgb) for shown, rgb in self.picture.read())
            return
        if not self.has_video:
            return
        track = PictureTrack(shown(self.path), self.fps or USUAL_FPS)
        for time, rgb in track.pictures(decode(self.path, self.video_track, self.timeline)):
            yield VideoFrame(time, rgb)

    def _audio_chunks(self) -> Iterator[AudioChunk]:
        if not self.has_audio:
            return
        track = SoundTrack(shown(self.path), self.sample_rate, self.channels, self.timeline.counted)
        for time, waveform in track.pieces(decode(self.path, self.audio_track, self.timeline)):
            yield AudioChunk(time, waveform, self.sample_rate)


def open_media(path: str | os.PathLike[str]) -> MediaFile:
    """Return what the video, sound or picture file ``path`` holds.

    What is odd about its clock goes to the log as a warning.
    Raises FileNotFoundError where there is no such file, ValueError in one sentence where it cannot be read or holds
    neither video nor sound.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file():
        raise ValueError(f"{path} is not a file; give a video or sound file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); record or copy it again")
    picture = open_picture(path)
    with contextlib.ExitStack() as stack:
        if picture is not None and not _is_motion_jpeg(path, picture):
            return _picture_file(path, picture)
        container = stack.enter_context(open_container(path))
        video, sound = (_first_that_decodes(path, container, kind) for kind in ("video", "audio"))
        if video is None and sound is None:
            raise ValueError(f"{path} holds no video and no sound that can be decoded; is it damaged or cut short?")
        return _media_file(path, container, video, sound)


def _picture_file(path: pathlib.Path, picture: Picture) -> MediaFile:
    _, rgb = next(picture.read())
    height, width = rgb.shape[:2]
    seconds = picture.seconds
    return MediaFile(path, seconds, True, False, picture.frames / seconds, width, height, 0, 0, picture=picture)


def _is_motion_jpeg(path: pathlib.Path, picture: Picture) -> bool:
    """Return whether a file that begins with a JPEG picture is a film of such; photos may hold a second one."""
    if picture.format != "JPEG":
        return False
    try:
        with open_container(path) as container:
            film = container.format.name == "mjpeg"
            count = sum(1 for packet in itertools.islice(container.demux(), _FILM) if packet.size) if film else 0
    except (ValueError, av.error.FFmpegError):
        return False
    return count >= (2 if path.suffix.lower() in (".mjpeg", ".mjpg") else _FILM)


def _first_that_decodes(path: pathlib.Path, container: Any, kind: Any) -> tuple[Any, Decoded] | None:
    """Return (track, its first frame) of the best track of ``kind`` that can be decoded; None where none can."""
    found = tracks(container, kind)
    for stream in found:
        frame = first_frame(path, stream.index) if stream.codec_context is not None else None
        if frame is not None:
            return stream, frame
    if found:
        _log.warning("%s: its %s cannot be decoded, and is left out", shown(path), kind)
    return None


def _media_file(
    path: pathlib.Path, container: Any, video: tuple[Any, Decoded] | None, sound: tuple[Any, Decoded] | None
) -> MediaFile:
    timeline = read_timeline(container, [track for track in (video, sound) if track is not None])
    fps, height, width = 0.0, 0, 0
    if video is not None:
        fps = frame_rate(video[0], timeline)
        height, width = PictureTrack(shown(path), fps).rgb(video[1]).shape[:2]
    seconds = duration(container, timeline, fps)
    tell(path, container, timeline, seconds)
    return MediaFile(
        path=path,
        duration=seconds,
        has_video=video is not None,
        has_audio=sound is not None,
        fps=fps,
        width=width,
        height=height,
        sample_rate=sound[1].frame.sample_rate if sound is not None else 0,
        channels=sound[1].frame.layout.nb_channels if sound is not None else 0,
        video_track=video[0].index if video is not None else -1,
        audio_track=sound[0].index if sound is not None else -1,
        timeline=timeline,
    )
