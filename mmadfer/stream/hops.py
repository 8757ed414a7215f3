"""The windows of what was recorded: one at each hop over frames and sound in the order of their times."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator

from mmadfer.config import InputSpec
from mmadfer.media.media_file import AudioChunk, MediaFile, VideoFrame
from mmadfer.stream.window import AVWindow, Window

USUAL_FPS = 25.0
# A header's duration is taken where it differs from what was seen by less than so many frames.
_HEADER_SLACK = 1.5
# Durations are whole microseconds in most files, s.
_SAME_TIME = 2e-6


def check_hop(hop: float) -> None:
    """Raise ValueError unless ``hop`` is a time between results, in s."""
    if not 0 < hop < math.inf:
        raise ValueError(f"hop must be above 0 seconds, got {hop}; give a finite number of seconds")


def file_windows(file: MediaFile, spec: InputSpec, hop: float, voice_activity: bool = True) -> Iterator[Window]:
    """Yield the window that ends at each multiple of ``hop`` (s), and the one at the file's end, as if it were live.

    Args: voice_activity: as of `AVWindow`.
    """
    frame = 1 / (file.fps or USUAL_FPS)

    def end(seen: float) -> float:
        # A header may say nothing (raw H.264), or more than there is (a file cut short).
        return file.duration if abs(file.duration - seen) < _HEADER_SLACK * frame else seen

    return windows(file.packets(), spec, hop, end, voice_activity)


def windows(
    packets: Iterable[VideoFrame | AudioChunk],
    spec: InputSpec,
    hop: float,
    end: Callable[[float], float] = float,
    voice_activity: bool = True,
) -> Iterator[Window]:
    """Yield the window that ends at each multiple of ``hop`` (s), and the one at the end.

    Args: packets: by their times; end: called with the time of the last of them, s, returns where the end is;
    voice_activity: as of `AVWindow`.
    Raises ValueError for what is neither a frame nor sound, or malformed.
    """
    with contextlib.closing(AVWindow(spec, voice_activity=voice_activity)) as stream:
        hops, seen = 1, 0.0
        for packet in packets:
            if not isinstance(packet, (VideoFrame, AudioChunk)):
                raise ValueError(f"a source yields VideoFrame and AudioChunk, got {type(packet).__name__}")
            while packet.time > hops * hop:
                if hops * hop - seen > spec.window_seconds:  # a hole: no line for hours of nothing
                    hops = math.ceil(packet.time / hop)
                    break
                yield stream.window(end=hops * hop)
                hops += 1
            stream.push(packet)
            seen = max(seen, _end_of(packet))
        last = end(seen)
        while hops * hop < last - _SAME_TIME:
            yield stream.window(end=hops * hop)
            hops += 1
        # What is left since the last whole hop; all of it in a file shorter than one.
        if hops == 1 or last > (hops - 1) * hop + _SAME_TIME:
            yield stream.window(end=last)


def _end_of(packet: VideoFrame | AudioChunk) -> float:
    if isinstance(packet, VideoFrame):
        return packet.time
    return packet.time + packet.waveform.shape[1] / packet.sample_rate
