"""A folder's files, known by their SHA-256: what was changed, cut short or exchanged is found before it is used.

To hash hundreds of megabytes takes longer than to start. So a file is hashed again only where its size, times or place
on the disk are not those that it had when it was hashed last: nobody writes to a file without changing one of them.
What a disk loses by itself is left to the probe, which every engine answers.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FILE = "sha256.json"
SETTLED = 0.02
"""Age from which a file's times tell its contents, s: one written twice within the clock's tick (10 ms at most) keeps
them. Large files are as old as that by the time they are hashed; small ones are soon hashed again."""


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write(folder: Path, names: Iterable[str], about: dict[str, str]) -> None:
    """Record the files ``names`` in ``folder``, and what they are: ``about``. Raises OSError."""
    sums = {name: sha256(folder / name) for name in names}
    _save(folder, {"about": about, "sha256": sums, "seen": _marks(folder, sums)})


def check(folder: Path, whole: bool = False) -> dict[str, str]:
    """Return what `write` was told about the files of ``folder``, every one of which is as it was then.

    Args: whole: whether to hash all files, whatever their times say.
    Raises FileNotFoundError where a file is missing, ValueError where one is damaged.
    """
    values = _read(folder)
    sums, seen = values["sha256"], values["seen"]
    now = _marks(folder, sums)
    unknown = [name for name in sums if whole or seen.get(name) != now.get(name) or name not in now]
    for name in unknown:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing")
        if sha256(folder / name) != sums[name]:
            raise ValueError(f"{folder / name} is damaged or cut short")
    if any(seen.get(name) != mark for name, mark in now.items()):
        _note(folder, values | {"seen": now})
    return values["about"]


def sums(folder: Path) -> dict[str, str]:
    """Return name -> SHA-256 as `write` recorded it. Raises as `check` does, which is not done here."""
    return _read(folder)["sha256"]


def of(values: dict[str, Any]) -> str:
    """Return the SHA-256 of ``values``, for a file that carries its own: such as can be written as JSON."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _read(folder: Path) -> dict[str, Any]:
    record = folder / FILE
    if not record.is_file():
        raise FileNotFoundError(f"there is no {record}")
    try:
        values = json.loads(record.read_text(encoding="utf-8"))
        found = {name: {**values[name]} for name in ("sha256", "seen", "about")}
        if not all(isinstance(text, str) for name in ("sha256", "about") for text in found[name].values()):
            raise ValueError("a value in it is no text")
        if not found["sha256"]:
            raise ValueError("it names no file")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{record} is damaged ({error})") from error
    return found


def _note(folder: Path, values: dict[str, Any]) -> None:
    """Keep the marks of files found right; where they cannot be kept, the next start hashes again."""
    try:
        _save(folder, values)
    except OSError:
        return


def _marks(folder: Path, names: Iterable[str]) -> dict[str, list[int]]:
    """Return name -> what changes with a file's contents, for the files that have been left alone for a while."""
    marks, now = {}, time.time_ns()
    for name in names:
        try:
            found = (folder / name).stat()
        except OSError:
            continue
        # The change time too: a copy may keep size and modification time, but nobody can set this one.
        if now - max(found.st_mtime_ns, found.st_ctime_ns) > SETTLED * 1e9:
            marks[name] = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    return marks


def _save(folder: Path, values: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{FILE}.") as temporary:
        written = Path(temporary) / FILE
        written.write_text(json.dumps(values, indent=1), encoding="utf-8")
        os.replace(written, folder / FILE)
