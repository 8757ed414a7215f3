"""Where a recording lies: a zip as the page saves it, or a folder with the same files."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mmadfer.files.names import shown
from mmadfer.files.whole import WholeFile, write_atomically
from mmadfer.recordings.recording import ANSWERS, MARKERS, METADATA, Recording, parse

MOST = {ANSWERS: 512 << 20, MARKERS: 64 << 20, METADATA: 16 << 20}
"""Bytes that a table may have: a small zip may claim to hold the world."""
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError)


class Readable(Protocol):
    """What a recording is read from."""

    def read(self, name: str, most: int) -> bytes | None:
        """Return a file of at most ``most`` bytes, None where there is none. Raises ValueError or OSError."""


class Holder(Readable, Protocol):
    """A place with a recording's files."""

    def put(self, files: Mapping[str, bytes]) -> None:
        """Add files, in place of those of their names. Raises ValueError or OSError; then nothing has changed."""


def at(path: str | os.PathLike[str]) -> Holder:
    """Return the place ``path``. Raises FileNotFoundError where there is nothing, ValueError where it is no zip."""
    place = Path(path)
    if place.is_dir():
        return FolderHolder(place)
    if not place.exists():
        raise FileNotFoundError(f"there is no recording {shown(path)}")
    if not zipfile.is_zipfile(place):
        raise ValueError(f"{shown(path)} is no recording: neither a zip nor a folder, or a zip that was cut off")
    return ZipHolder(place)


def read(holder: Readable) -> Recording:
    """Return the recording that ``holder`` has. Raises ValueError or OSError in one sentence."""
    answers, markers, metadata = (holder.read(name, MOST[name]) for name in (ANSWERS, MARKERS, METADATA))
    if metadata is None:
        raise ValueError(f"it has no {METADATA}, so that it is no recording of mmadfer")
    if answers is None:
        raise ValueError(f"it has no {ANSWERS}, so that there is nothing to make files of")
    return parse(answers, markers, metadata)


class FolderHolder:
    """A folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str, most: int) -> bytes | None:
        """Return a file; as of `Readable`."""
        file = self._path / name
        if not file.is_file():
            return None
        if file.stat().st_size > most:
            raise _too_large(name, most)
        return file.read_bytes()

    def put(self, files: Mapping[str, bytes]) -> None:
        """Add files; as of `Holder`, but those before one that fails stay."""
        for name, data in files.items():
            write_atomically(self._path / name, data)


class ZipHolder:
    """A zip, which is written anew and put in its own place where files are added."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str, most: int) -> bytes | None:
        """Return a file; as of `Readable`."""
        with open(self._path, "rb") as file:
            return read_zipped(file, name, most)

    def put(self, files: Mapping[str, bytes]) -> None:
        """Add files; as of `Holder`."""
        try:
            with WholeFile(self._path) as whole:
                with zipfile.ZipFile(self._path) as old, zipfile.ZipFile(whole.file, "w") as new:
                    _copy(old, new, leave=set(files))
                    for name, data in files.items():
                        info = zipfile.ZipInfo(name, time.localtime()[:6])
                        info.external_attr = 0o644 << 16
                        info.compress_type = zipfile.ZIP_DEFLATED
                        new.writestr(info, data)
                shutil.copymode(self._path, f"{self._path}.part")
                whole.commit()
        except _BROKEN as error:
            raise ValueError(f"the zip is damaged ({error}); it was left as it is") from error


def read_zipped(file: object, name: str, most: int) -> bytes | None:
    """Return a file out of the zip in the open ``file``; as of `Readable.read`."""
    try:
        with zipfile.ZipFile(file) as zipped:  # type: ignore[call-overload]  # any binary file that can be sought
            if name not in zipped.namelist():
                return None
            with zipped.open(name) as member:
                data: bytes = member.read(most + 1)  # what it says of its own size may be wrong
    except _BROKEN as error:
        raise ValueError(f"the zip is damaged: {name} cannot be read ({error})") from error
    if len(data) > most:
        raise _too_large(name, most)
    return data


def _copy(old: zipfile.ZipFile, new: zipfile.ZipFile, leave: set[str]) -> None:
    for info in old.infolist():
        if info.filename in leave or old.getinfo(info.filename) is not info:  # an older one of the same name
            continue
        with old.open(info) as source, new.open(info, "w", force_zip64=info.file_size > 1 << 31) as target:
            shutil.copyfileobj(source, target, 1 << 20)


def _too_large(name: str, most: int) -> ValueError:
    return ValueError(f"{name} has more than {most >> 20} MB, more than that of any recording; it was not read")
