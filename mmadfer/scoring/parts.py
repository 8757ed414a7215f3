"""What is scored so far: a Parquet part for each clip in a folder beside the result, and the result made of them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmadfer.config import WeightsInfo
from mmadfer.files.names import printable, shown
from mmadfer.files.whole import write_atomically
from mmadfer.types import Prediction

METADATA = b"mmadfer"
"""Key of the result's metadata: JSON with settings, engines and throughput."""
_ENGINE = b"engine"
_SETTINGS, _THROUGHPUT = "settings.json", "throughput.json"
_FAILED = ".failed.parquet"
_ROWS_AT_ONCE = 50_000
"""Rows held while the result is made."""


def schema(labels: Sequence[str]) -> pa.Schema:
    """Return the columns of the result. Raises ValueError where a class is called like one of the others."""
    box = [(f"face_{side}", pa.float32()) for side in ("x", "y", "width", "height")]
    before = [("file", pa.string()), ("time_s", pa.float64()), ("label", pa.string())]
    after = [
        *box,
        ("has_audio", pa.bool_()),
        ("states", pa.list_(pa.string())),
        ("latency_ms", pa.float32()),
        ("weights", pa.string()),
        ("error", pa.string()),
    ]
    taken = {name for name, _ in (*before, *after)}
    if clash := sorted(taken & set(labels)):
        raise ValueError(f"the class {clash[0]!r} is called like a column of the table; give it another name")
    return pa.schema([*before, *((label, pa.float32()) for label in labels), *after])


def scored_rows(name: str, predictions: Iterable[Prediction], info: WeightsInfo) -> list[dict[str, Any]]:
    """Return a row for each of ``predictions`` about the file shown as ``name``; a label where it may be one."""
    return [
        {
            "file": name,
            "time_s": prediction.time,
            "label": prediction.label if prediction.trusted else None,
            **prediction.probabilities,
            **_box(prediction),
            "has_audio": prediction.has_audio,
            "states": [state.value for state in prediction.states],
            "latency_ms": prediction.latency_ms,
            "weights": weights_name(info),
        }
        for prediction in predictions
    ]


def _box(prediction: Prediction) -> dict[str, float]:
    face = prediction.face
    return {} if face is None else {f"face_{side}": getattr(face, side) for side in ("x", "y", "width", "height")}


def failed_rows(name: str, error: str, info: WeightsInfo) -> list[dict[str, Any]]:
    """Return the one row of a file, shown as ``name``, that could not be scored."""
    return [{"file": name, "weights": weights_name(info), "error": error}]


def weights_name(info: WeightsInfo) -> str:
    """Return what the column "weights" says."""
    return shown(info.name) if info.trained else "UNTRAINED"


def encoded(rows: Sequence[Mapping[str, Any]], labels: Sequence[str], engine: str) -> bytes:
    """Return ``rows`` as the bytes of a Parquet file; ``engine`` says in words what computed them."""
    columns = schema(labels).with_metadata({_ENGINE: printable(engine).encode()})
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), columns), buffer)
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
        if not out.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {shown(out.parent)} to write {shown(out.name)} in; make it")
        if out.is_dir():
            raise ValueError(f"{shown(out)} is a folder; name a file to write")
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
        columns = schema(labels).with_metadata({METADATA: json.dumps(about).encode()})
        fresh = self.folder / "result.part"  # in the parts' folder, where the next run clears it away
        # Files opened here, for of a path Arrow takes "a:b" for an address, and bytes that are no text not at all.
        with self._writing():
            with open(fresh, "wb") as file, pq.ParquetWriter(file, columns) as writer:
                for table in _gathered(files):
                    writer.write_table(table.replace_schema_metadata(columns.metadata))
            os.replace(fresh, self.out)

    def _part(self, key: str) -> Path:
        return self.folder / (f"{key}.parquet" if self.is_scored(key) else f"{key}{_FAILED}")


def _engine(file: Path) -> str:
    with open(file, "rb") as opened:
        return str(pq.read_schema(opened).metadata[_ENGINE].decode())


def _gathered(files: Iterable[Path]) -> Iterator[pa.Table]:
    """Yield the tables in ``files``, several at once: a row group for each clip would be slow to read."""
    waiting: list[pa.Table] = []
    for file in files:
        with open(file, "rb") as opened:
            waiting.append(pq.read_table(opened).replace_schema_metadata(None))
        if sum(table.num_rows for table in waiting) >= _ROWS_AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)
