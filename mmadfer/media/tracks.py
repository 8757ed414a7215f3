"""The tracks of a media file: which of them are read, and their frames."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any, Literal

import av

from mmadfer.files.names import shown
from mmadfer.media.container import open_container
from mmadfer.media.decoding import Decoded, Decoding
from mmadfer.media.timeline import Timeline

_log = logging.getLogger(__name__)

Kind = Literal["video", "audio"]
_DISPOSITION = av.stream.Disposition
_NO_FILM = _DISPOSITION.attached_pic | _DISPOSITION.timed_thumbnails | _DISPOSITION.still_image
_SECOND_CHOICE = (
    _DISPOSITION.comment | _DISPOSITION.descriptions | _DISPOSITION.hearing_impaired | _DISPOSITION.visual_impaired
    | _DISPOSITION.karaoke | _DISPOSITION.dependent
)  # fmt: skip


def tracks(container: Any, kind: Kind) -> list[Any]:
    """Return the tracks of ``kind`` that are no cover pictures, the one meant to be played first.

    That is one marked as the default, and not one for commentary or description; else the first.
    """
    found = [s for s in container.streams if s.type == kind and not s.disposition & _NO_FILM]
    return sorted(found, key=lambda s: (bool(s.disposition & _SECOND_CHOICE), not s.disposition & _DISPOSITION.default))


def decode(path: Path, index: int, timeline: Timeline) -> Generator[Decoded, None, None]:
    """Yield the decoded frames of one track at their times on the file's clock; damage is left out and told.

    Args: index: of the track; timeline: the file's clock.
    """
    with open_container(path) as container:
        stream = container.streams[index]
        stream.thread_type = "AUTO"
        decoding, reached = Decoding(stream), 0.0
        for decoded in decoding.frames(timeline.track(index).shifted(container.demux(stream))):
            if decoded.time is not None:
                reached = max(0.0, decoded.time - timeline.start)
                decoded = decoded._replace(time=reached)
            yield decoded
        if decoding.damaged:
            _log.warning("%s: %d parts of its %s are damaged", shown(path), decoding.damaged, stream.type)
        if decoding.broke_off:
            _log.warning(
                "%s: its %s breaks off at %.2f s (%s); what follows cannot be read",
                shown(path), stream.type, reached, decoding.broke_off,
            )  # fmt: skip


def first_frame(path: Path, index: int) -> Decoded | None:
    """Return the first frame of a track that can be decoded, of sound the second; None where none can.

    At the start and after a change of format some decoders give the first frame of sound with the format of another.
    """
    with contextlib.closing(decode(path, index, Timeline())) as decoded:
        frames = list(itertools.islice(decoded, 2))
    if not frames:
        return None
    return frames[-1] if isinstance(frames[-1].frame, av.AudioFrame) else frames[0]
