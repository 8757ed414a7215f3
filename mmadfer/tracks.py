"""The tracks of a media file: which are read, and how they are decoded, by PyAV."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from mmadfer.orientation import UPRIGHT, of_display_matrix, of_turn, upright
from mmadfer.timeline import Timeline

_log = logging.getLogger(__name__)

Kind = Literal["video", "audio"]
_LISTS = frozenset({"concat", "dash", "hls", "imf", "rtsp", "sdp"})
"""Formats that are no recordings but name others, on this machine or elsewhere."""
_DISPOSITION = av.stream.Disposition
_NO_FILM = _DISPOSITION.attached_pic | _DISPOSITION.timed_thumbnails | _DISPOSITION.still_image
_SECOND_CHOICE = (
    _DISPOSITION.comment | _DISPOSITION.descriptions | _DISPOSITION.hearing_impaired | _DISPOSITION.visual_impaired
    | _DISPOSITION.karaoke | _DISPOSITION.dependent
)  # fmt: skip
_WIDEST_PIXEL = 8
"""Pixels this many times as wide as high, or as high as wide, are a fault of the file."""


def open_container(path: Path) -> Any:
    """Return ``path`` opened by PyAV. Raises ValueError in one sentence where it cannot be."""
    try:
        # As a URL of the protocol "file", or a name with a colon would be taken for another protocol. Nothing else
        # may be opened: a playlist must not reach the network.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except UnicodeEncodeError:  # a name that is no UTF-8
        container = _open_by_handle(path)
    except (av.error.FFmpegError, ValueError) as error:
        raise _unreadable(path, error) from error
    if _LISTS & set(container.format.name.split(",")):
        container.close()
        raise ValueError(f"{path} is a playlist ({container.format.name}), not a recording; give the files it names")
    return container


def _open_by_handle(path: Path) -> Any:
    class Named:
        """The file under a name that ffmpeg can take; it guesses some formats by it."""

        name = os.fsencode(path.name).decode("ascii", "replace").replace("�", "_")

        def __init__(self, file: Any) -> None:
            self.read, self.seek, self.tell, self.close = file.read, file.seek, file.tell, file.close

    file = open(path, "rb")  # noqa: SIM115 - closed with the container
    try:
        return av.open(Named(file), options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, ValueError) as error:
        file.close()
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    reason = error.strerror if isinstance(error, av.error.FFmpegError) else error
    return ValueError(f"{path} cannot be read as video or sound ({reason}); is it damaged or cut short?")


def tracks(container: Any, kind: Kind) -> list[Any]:
    """Return the tracks of ``kind`` that can be decoded and are no cover pictures, the one meant to be played first.

    That is one marked as the default, and not one for commentary or description; else the first.
    """
    found = [s for s in container.streams if s.type == kind and s.codec_context is not None]
    found = [s for s in found if not s.disposition & _NO_FILM]
    return sorted(found, key=lambda s: (bool(s.disposition & _SECOND_CHOICE), not s.disposition & _DISPOSITION.default))


def decode(path: Path, index: int, timeline: Timeline) -> Iterator[tuple[float | None, Any]]:
    """Yield (time in s on the file's clock or None, decoded frame) of one track; damaged parts are left out and told.

    Args: index: of the track; timeline: the file's clock.
    """
    with open_container(path) as container:
        stream = container.streams[index]
        stream.thread_type = "AUTO"
        packets, damaged = timeline.track(index).shifted(container.demux(stream)), 0
        while True:
            try:
                for frame in next(packets).decode():
                    stamp = frame.pts if frame.pts is not None else frame.dts
                    time = None if stamp is None else max(0.0, float(stamp * frame.time_base) - timeline.start)
                    yield time, frame
            except (StopIteration, EOFError):
                break
            except av.error.FFmpegError:
                damaged += 1
        if damaged:
            _log.warning("%s: %d damaged parts of its %s were left out", path, damaged, stream.type)


def first_frame(path: Path, index: int) -> Any | None:
    """Return the first frame of a track that can be decoded; None where none can."""
    frames = decode(path, index, Timeline())
    return next((frame for _, frame in frames), None)


def frame_rgb(frame: Any, pixel_shape: float = 1.0) -> np.ndarray:
    """Return a decoded ``frame`` as `(height, width, 3)` uint8 as it is meant to be seen: upright, with square pixels.

    Args: pixel_shape: width of a stored pixel, in heights of it.
    """
    width = frame.width
    if pixel_shape != 1 and 1 / _WIDEST_PIXEL <= pixel_shape <= _WIDEST_PIXEL:
        width = max(1, round(width * pixel_shape))
    rgb = frame.reformat(width=width, height=frame.height, format="rgb24").to_ndarray()
    return np.ascontiguousarray(upright(rgb, frame_orientation(frame)))


def frame_orientation(frame: Any) -> int:
    """Return how a decoded frame has to be turned and mirrored, as EXIF numbers it."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV does not know another kind of the frame's side data; the turn alone is read otherwise
        return of_turn(frame.rotation)
    return UPRIGHT if matrix is None else of_display_matrix(bytes(matrix))


def pixel_shape(stream: Any) -> float:
    """Return the width of a track's stored pixels, in heights of them."""
    return float(stream.sample_aspect_ratio or 1)
