"""What was being written when its process ended: the last whole line, the last whole piece of picture and sound."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

log = logging.getLogger(__name__)


def whole_lines(path: Path) -> list[str]:
    """Return the lines of a table; a last one that is not whole is cut off in the file, too."""
    try:
        data = path.read_bytes()
    except OSError:
        return []
    if not data.endswith(b"\n"):
        data = data[: data.rfind(b"\n") + 1]
        with contextlib.suppress(OSError):
            os.truncate(path, len(data))
    return data.decode("utf-8", "replace").splitlines()


def mended(path: Path) -> None:
    """Write a WebM that ends in the middle anew, with its length and an index; it stays as it is where that fails."""
    part = path.with_name(f"{path.name}.part")
    try:
        with av.open(str(path)) as source, av.open(str(part), "w", format="webm") as target:
            streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
            for packet in _packets(source):
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
        os.replace(part, path)
    except (OSError, ValueError, av.error.FFmpegError) as error:
        log.warning("%s stays as it was left: %s", path.name, error)
    finally:
        part.unlink(missing_ok=True)


def length_of(path: Path) -> float:
    """Return how far the packets of a file reach, s."""
    end = 0.0
    with contextlib.suppress(OSError, ValueError, av.error.FFmpegError), av.open(str(path)) as source:
        for packet in _packets(source):
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return end


def _packets(source: Any) -> Iterator[Any]:
    """Yield the packets up to the first that is broken."""
    with contextlib.suppress(av.error.FFmpegError):
        for packet in source.demux():
            if packet.dts is not None:
                yield packet
