"""How long a media file is and how fast its pictures follow, by its header and its packets; what is odd about both."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from mmadfer.files.names import shown
from mmadfer.media.timeline import Timeline

_log = logging.getLogger(__name__)

USUAL_FPS = 25.0
"""Taken where nothing tells, as ffmpeg does."""
_HEADER_SLACK = 1.5
"""A header's duration is taken where it differs from what the packets say by less than so many frames."""
_USUAL_ERROR = 3.0
"""A header's frame rate is wrong where it differs from that of the packets by this factor."""
_MISSING = 0.5
"""So much more, s, in a header than there is tells of a file that was cut short."""
_MOST_HOLES = 5
"""So many are told of one by one."""
_TELL_LENGTH = frozenset(
    ("aiff", "au", "avi", "caf", "flac", "flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "mxf", "rm", "w64",
     "wav", "wtv")
)  # fmt: skip
"""Formats whose header says how long they are; with others that is a guess by their size."""


def frame_rate(stream: Any, timeline: Timeline) -> float:
    """Return the frames a second of a video track; 0 where nothing tells."""
    # Without stamps there is nothing to average: then what the stream's own header says holds, or ffmpeg's 25.
    stamped = timeline.end is not None and not timeline.track(stream.index).made_up
    rates = (stream.average_rate, stream.guessed_rate) if stamped else (stream.guessed_rate,)
    rate = float(next(filter(None, rates), 0.0))
    seen = timeline.rate or rate
    return rate if seen / _USUAL_ERROR < rate < seen * _USUAL_ERROR else seen  # some headers name their clock's ticks


def duration(container: Any, timeline: Timeline, fps: float) -> float:
    """Return the length of the file in an opened PyAV ``container``, s: the header's where the packets agree."""
    header = (container.duration or 0) / 1e6
    if timeline.end is None:
        return header or timeline.unstamped / (fps or USUAL_FPS)
    if timeline.still:
        return max(header, timeline.end, timeline.still / (fps or USUAL_FPS))
    near = abs(header - timeline.end) < _HEADER_SLACK / (fps or USUAL_FPS)
    return header if header and near else max(0.0, timeline.end)


def tell(path: Path, container: Any, timeline: Timeline, seconds: float) -> None:
    """Warn of what is odd about a file's clock, and of a header that promises more than there is.

    Args: seconds: its `duration`.
    """
    name = shown(path)
    for time in timeline.restarts:
        _log.warning("%s: its clock starts anew at %.2f s; what follows is read as going on from there", name, time)
    for begin, end in timeline.holes[:_MOST_HOLES]:
        _log.warning("%s: its clock jumps from %.2f s to %.2f s, with nothing between", name, begin, end)
    if len(timeline.holes) > _MOST_HOLES:
        _log.warning("%s: its clock jumps %d times in all", name, len(timeline.holes))
    if timeline.still:
        _log.warning("%s: all of its pictures bear one time; they are shown at an even pace", name)
    header = (container.duration or 0) / 1e6 - max(0.0, timeline.start)
    if _promised_bytes(path) > path.stat().st_size + 1:
        _log.warning("%s: it is shorter than it says itself; is it cut short?", name)
    elif container.format.name in _TELL_LENGTH and not timeline.restarts and header > seconds + _MISSING:
        _log.warning("%s: its header says %.2f s, but it ends at %.2f s; is it cut short?", name, header, seconds)


def _promised_bytes(path: Path) -> int:
    """Return the size that an AVI or WAV file says that it has; 0 where it says none, as while it is recorded."""
    with open(path, "rb") as file:
        head = file.read(8)
    size = int.from_bytes(head[4:], "little")
    return size + 8 if head[:4] == b"RIFF" and size < 0xFFFFFF00 else 0
