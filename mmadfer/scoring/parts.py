"""What is scored so far: a Parquet part for each clip in a folder beside the result, and the result made of them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow.parquet as pq

from mmadfer.files.names import printable, shown
from mmadfer.files.whole import write_atomically
from mmadfer.outputs.parquet_file import ParquetFile, whole_parquet
from mmadfer.outputs.place import check_name
from mmadfer.outputs.schema import Row

METADATA = b"mmadfer"
"""Key of the result's metadata: JSON with settings, engines and throughput."""
_ENGINE = b"engine"
_SETTINGS, _THROUGHPUT = "settings.json", "throughput.json"
_FAILED = ".failed.parquet"


def encoded(rows: Iterable[Row], labels: Sequence[str], engine: str) -> bytes:
    """Return ``rows`` as the bytes of a Parquet file; ``engine`` says in words what computed them."""
    buffer = io.BytesIO()
    with ParquetFile(buffer, labels, {_ENGINE: printable(engine).encode()}) as file:
        for row in rows:
            file.write(row)
    return buffer.getvalue()


def parts_folder(out: Path) -> Path:
    """Return the folder that keeps the parts of the result ``out``."""
    return out.with_name(f"{out.name}.parts")


class ScoredParts:
    """The parts of one result. A context manager: one run at a time works on them."""

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        """Args: out: the result; settings: what all its rows must share.

        Raises ValueError where parts made with other settings are there, or a result whose parts are not.
        """
        self.out = out
        self.folder = parts_folder(out)
        self._settings = dict(settings)
        check_name("--out", out)
        if out.exists() and not (self.folder / _SETTINGS).exists():
            raise ValueError(f"{shown(out)} is there already and was not made here; name another file or delete it")
        self._lock = contextlib.ExitStack()

    def __enter__(self) -> ScoredParts:
        with self._writing():
            self.folder.mkdir(exist_ok=True)
            lock = self._lock.enter_context(open(self.folder / ".lock", "w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise ValueError(f"another run is at work on {shown(self.out)}; wait until it has ended") from error
        try:
            with self._writing():
                self._take_settings()
        except (OSError, ValueError):
            self._lock.close()
            raise
        for path in (*self.folder.glob(f"*{_FAILED}"), *self.folder.glob("*.part")):
            path.unlink()  # what failed gets another try; what a killed run was writing is of no use
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._lock.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Say of an error of the system's where it was, and that nothing is lost."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or printable(str(error))
            raise OSError(
                f"{shown(self.folder)} cannot be written ({reason}); make room or name another --out. What is scored "
                "already is kept: run the same command again to go on"
            ) from error

    def _take_settings(self) -> None:
        file, folder = self.folder / _SETTINGS, shown(self.folder)
        if not file.exists():
            write_atomically(file, json.dumps(self._settings, indent=1).encode())
            return
        try:
            there = dict(json.loads(file.read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"{shown(file)} is damaged; delete {folder} to score everything anew") from error
        for key in sorted(there.keys() | self._settings.keys()):
            if (old := there.get(key)) != (new := self._settings.get(key)):
                raise ValueError(
                    f"{folder} holds answers with {key} {old}, and this run has {key} {new}: name another --out, or "
                    f"delete that folder and {shown(self.out.name)} to score everything anew"
                )

    def key(self, name: str, path: Path) -> str:
        """Return the name of a file's part; a file that changes gets another one, and so does one at another place."""
        try:
            found = path.stat()
            mark = f"{found.st_size}\n{found.st_mtime_ns}"
        except (OSError, ValueError):  # it went away since it was found: the worker will say so
            mark = "nothing"
        # As shown, two names cannot run into each other.
        return hashlib.sha256(f"{shown(name)}\n{shown(path)}\n{mark}".encode()).hexdigest()[:32]

    def is_scored(self, key: str) -> bool:
        """Return whether the clip of this key was scored; False where it was tried and failed."""
        return (self.folder / f"{key}.parquet").exists()

    def add(self, key: str, part: bytes, failed: bool) -> None:
        """Keep ``part``, from `encoded`; it appears whole or not at all. Raises OSError, for example on a full disk."""
        with self._writing():
            write_atomically(self.folder / f"{key}{_FAILED if failed else '.parquet'}", part)

    def note_throughput(self, figures: Mapping[str, Any]) -> None:
        """Keep the figures of the last run that scored anything, for the result."""
        with self._writing():
            write_atomically(self.folder / _THROUGHPUT, json.dumps(dict(figures)).encode())

    def write_result(self, keys: Iterable[str], labels: Sequence[str]) -> None:
        """Put the parts of ``keys`` together in that order. Every one of them must be there, scored or failed."""
        files = [self._part(key) for key in keys]
        engines = sorted({_engine(file) for file in files} - {""})
        throughput = self.folder / _THROUGHPUT
        about = {
            **self._settings,
            "engines": engines,
            "throughput": json.loads(throughput.read_bytes()) if throughput.exists() else None,
        }
        metadata = {METADATA: json.dumps(about).encode()}
        fresh = self.folder / "result.part"  # in the parts' folder, where the next run clears it away
        with self._writing(), whole_parquet(self.out, labels, metadata, fresh) as result:
            for file in files:
                with open(file, "rb") as opened:
                    result.write_table(pq.read_table(opened))

    def _part(self, key: str) -> Path:
        return self.folder / (f"{key}.parquet" if self.is_scored(key) else f"{key}{_FAILED}")


def _engine(file: Path) -> str:
    with open(file, "rb") as opened:
        return str(pq.read_schema(opened).metadata[_ENGINE].decode())
