"""Video and sound files: frames with their time stamps, sound at its own rate, and both together in time order."""

from __future__ import annotations

import heapq
import logging
import os
import pathlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
import numpy as np

_log = logging.getLogger(__name__)


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

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (time in s, picture `(height, width, 3)` uint8) in time order; nothing where there is no video."""
        for frame in self._video_frames():
            yield frame.time, frame.rgb

    def audio(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (time of its first sample in s, waveform `(channels, n)` float32) at the file's own sample rate."""
        for chunk in self._audio_chunks():
            yield chunk.time, chunk.waveform

    def read_audio(self) -> np.ndarray | None:
        """Return the whole sound `(channels, samples)` float32 from its first sample on; None where there is none."""
        chunks = [waveform for _, waveform in self.audio()]
        return np.concatenate(chunks, axis=1) if chunks else None

    def packets(self) -> Iterator[VideoFrame | AudioChunk]:
        """Yield frames and pieces of sound by their times; a piece of sound comes before a frame of its time."""
        # Two readers instead of one: a file may hold all its video before its sound, and queues for that have no bound.
        return heapq.merge(self._audio_chunks(), self._video_frames(), key=lambda item: item.time)

    def _video_frames(self) -> Iterator[VideoFrame]:
        if not self.has_video:
            return
        latest = -1.0
        for time, frame in _decode(self.path, "video"):
            if time is None:  # a stream without time stamps, such as raw H.264
                time = 0.0 if latest < 0 else latest + 1.0 / (self.fps or 25.0)
            if time > latest:  # broken files repeat time stamps or go back
                latest = time
                yield VideoFrame(time, upright_rgb(frame))

    def _audio_chunks(self) -> Iterator[AudioChunk]:
        if not self.has_audio:
            return
        # Changes the sample type only, not rate or channels. Not to planar "fltp": with 8 channels or more, PyAV 18
        # counts a frame's planes past the end of their list and crashes.
        resampler = av.AudioResampler(format="flt")
        expected = 0.0
        for time, frame in _decode(self.path, "audio"):
            for converted in resampler.resample(frame):
                start = expected if time is None else time
                interleaved = converted.to_ndarray().reshape(-1, converted.layout.nb_channels)
                waveform = np.ascontiguousarray(interleaved.T)
                if converted.sample_rate != self.sample_rate or len(waveform) != self.channels:
                    _log.warning(
                        "%s: the sound's format changes at %.2f s; the rest of it is left out", self.path, start
                    )
                    return
                expected = start + waveform.shape[1] / self.sample_rate
                yield AudioChunk(start, waveform, self.sample_rate)


def open_media(path: str | os.PathLike[str]) -> MediaFile:
    """Return what the video, sound or picture file ``path`` holds.

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
    picture, sound = _first(path, "video"), _first(path, "audio")
    if picture is None and sound is None:
        raise ValueError(f"{path} holds no video and no sound that can be decoded; is it damaged or cut short?")
    height, width = upright_rgb(picture).shape[:2] if picture is not None else (0, 0)
    duration, fps = _duration_and_rate(path, picture is not None)
    return MediaFile(
        path=path,
        duration=duration,
        has_video=picture is not None,
        has_audio=sound is not None,
        fps=fps,
        width=width,
        height=height,
        sample_rate=sound.sample_rate if sound is not None else 0,
        channels=sound.layout.nb_channels if sound is not None else 0,
    )


def upright_rgb(frame: av.VideoFrame) -> np.ndarray:
    """Return ``frame`` as a `(height, width, 3)` uint8 array, turned as a phone's sensor says."""
    turns = round(frame.rotation / 90) % 4  # quarter turns, counter-clockwise
    rgb = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb


def _open(path: pathlib.Path) -> Any:
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, ValueError) as error:
        reason = error.strerror if isinstance(error, av.error.FFmpegError) else error
        raise ValueError(f"{path} cannot be read as video or sound ({reason}); is it damaged or cut short?") from error


def _stream(container: Any, kind: Literal["video", "audio"]) -> Any | None:
    """Return the first stream of ``kind`` that can be decoded and is no cover picture of a sound file."""
    for stream in container.streams:
        cover = stream.type == "video" and stream.disposition & av.stream.Disposition.attached_pic
        if stream.type == kind and stream.codec_context is not None and not cover:
            return stream
    return None


def _decode(path: pathlib.Path, kind: Literal["video", "audio"]) -> Generator[tuple[float | None, Any], None, None]:
    """Yield (time in s from the file's start or None, decoded frame); damaged parts are left out with a warning."""
    with _open(path) as container:
        stream = _stream(container, kind)
        if stream is None:
            return
        stream.thread_type = "AUTO"
        start = Fraction(container.start_time or 0, av.time_base)
        packets, damaged = container.demux(stream), 0
        while True:
            try:
                for frame in next(packets).decode():
                    time = None if frame.pts is None else max(0.0, float(frame.pts * frame.time_base - start))
                    yield time, frame
            except (StopIteration, EOFError):
                break
            except av.error.FFmpegError:
                damaged += 1
        if damaged:
            _log.warning("%s: %d damaged parts of its %s were left out", path, damaged, kind)


def _first(path: pathlib.Path, kind: Literal["video", "audio"]) -> Any | None:
    frames = _decode(path, kind)
    try:
        return next((frame for _, frame in frames), None)
    finally:
        frames.close()


def _duration_and_rate(path: pathlib.Path, has_video: bool) -> tuple[float, float]:
    """Return the duration in s and the average frames per second (0 without video)."""
    with _open(path) as container:
        stream = _stream(container, "video")
        fps = float(stream.average_rate or 0) if has_video and stream is not None else 0.0
        if container.duration is not None:
            return container.duration / av.time_base, fps
        # Browsers record without a duration in the header; the packets' own times tell it without decoding them.
        start, end = Fraction(container.start_time or 0, av.time_base), Fraction(0)
        for packet in container.demux():
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
        return max(0.0, float(end - start)), fps
