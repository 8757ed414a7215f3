"""A recording as one zip, made while it is sent: it needs no room on the disk."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from mmadfer.recordings import further, holder

from .recording import ANSWERS, MARKERS, METADATA
from .store import Kept

_log = logging.getLogger(__name__)
PIECE = 256 << 10
"""Bytes sent at once."""


def members(kept: Kept, formats: Iterable[str] = ()) -> list[tuple[str, Path | bytes]]:
    """Return the files of a recording's zip by their names, in order: what was recorded, then what is made of it.

    Args: formats: keys of `further.FORMATS` that are made besides what every recording has.
    """
    files: list[tuple[str, Path | bytes]] = []
    media = kept.about.get("media")
    if isinstance(media, dict) and (path := kept.folder / str(media["file"])).is_file():
        files.append((path.name, path))
    files += [(name, kept.folder / name) for name in (ANSWERS, MARKERS) if (kept.folder / name).is_file()]
    # Not the file: where the disk was full it may not say how the recording ended.
    about = json.dumps({**kept.about, "saved": True}, indent=2, ensure_ascii=False)
    return [*files, (METADATA, about.encode()), *_made_of(kept, formats)]


def _made_of(kept: Kept, formats: Iterable[str]) -> list[tuple[str, bytes]]:
    """Return the report and the other files; without those that cannot be made of its tables."""
    made: dict[str, bytes] = {}
    try:
        recording = holder.read(holder.at(kept.folder))
        for name in further.known([*further.ALWAYS, *formats]):
            try:
                made |= further.make(recording, [name])
            except ImportError as error:
                _log.warning(
                    "the recording %s is saved without %s: %s", kept.folder.name, further.FORMATS[name].file, error
                )
    except (ValueError, OSError) as error:
        _log.warning("the recording %s is saved without its report: %s", kept.folder.name, error)
    return list(made.items())


def pieces(kept: Kept, formats: Iterable[str] = ()) -> Iterator[bytes]:
    """Yield the zip. Raises OSError for what cannot be read.

    Args: formats: as of `members`.
    """
    into = _Pieces()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_STORED) as made:  # picture and sound do not get smaller
        for name, content in members(kept, formats):
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            with made.open(zipfile.ZipInfo(name, _date(kept)), "w", force_zip64=size >= zipfile.ZIP64_LIMIT) as member:
                with io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb") as file:
                    while data := file.read(PIECE):
                        member.write(data)
                        yield into.taken()
    yield into.taken()


class _Pieces(io.RawIOBase):
    """Gathers what is written until it is taken; nobody can go back in it."""

    def __init__(self) -> None:
        super().__init__()
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._data += data
        return len(data)

    def taken(self) -> bytes:
        data, self._data = bytes(self._data), bytearray()
        return data


def _date(kept: Kept) -> tuple[int, int, int, int, int, int]:
    numbers = [int(part) for part in str(kept.about["startedUtc"])[:19].replace("T", "-").replace(":", "-").split("-")]
    year, month, day, hour, minute, second = numbers
    return year, month, day, hour, minute, second
