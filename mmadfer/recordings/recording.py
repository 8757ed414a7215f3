"""A recording as its three tables tell it: what was answered when, what was marked, and about what."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmadfer.files.names import shown
from mmadfer.outputs.schema import COLUMNS, Column, check_classes

FORMAT, VERSION = "mmadfer-recording", 1
"""What metadata.json says of itself; the version goes up where older readers would misread it."""
ANSWERS, MARKERS, METADATA = "answers.csv", "markers.csv", "metadata.json"
MOST_TEXT = 500
"""Characters of a marker; the page cuts them there, and so do readers of what others wrote."""
LONGEST = 1e6
"""Largest time that a recording may name, s: eleven days."""
_SHOWN = 40
"""Characters of a wrong cell that are repeated."""


@dataclass(frozen=True)
class Marker:
    """Something that was marked while the recording ran."""

    time: float
    """Seconds into the recording."""
    time_utc: str
    key: str
    """The digit that was pressed; empty where text was written."""
    text: str

    @property
    def words(self) -> str:
        """What stands at its flag."""
        return self.text or self.key or "marker"


@dataclass(frozen=True)
class Recording:
    """One recording without its picture and sound. Answers and markers are in the order of their times."""

    about: Mapping[str, Any]
    """metadata.json."""
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    """Of answers.csv as they stand there; those that the schema does not know are strings."""
    answers: Mapping[str, Sequence[Any]]
    """Column's name -> typed values, None where there is none."""
    markers: tuple[Marker, ...]

    @property
    def times(self) -> Sequence[float]:
        """End of each answer's window, seconds into the recording."""
        return self.answers["time_s"]

    @property
    def seconds(self) -> float:
        """Length of the recording; never less than what stands in it."""
        told = self.about.get("seconds")
        stated = [float(told)] if isinstance(told, float | int) and _is_time(told) else []
        return max([0.0, *stated, *self.times[-1:], *(marker.time for marker in self.markers[-1:])])

    @property
    def media(self) -> str | None:
        """Name of the file with picture or sound; None where there is none."""
        media = self.about.get("media")
        name = media.get("file") if isinstance(media, dict) else None
        # What is named here is opened by programs: a name beside the tables, and no way to another place.
        return name if isinstance(name, str) and name and not set(name) & set('/\\:"<>|?*') and name[0] != "." else None


def parse(answers: bytes, markers: bytes | None, metadata: bytes) -> Recording:
    """Return the recording in these three files; ``markers`` may be missing.

    Raises ValueError in one sentence where one of them is not what it should be.
    """
    about = _about(metadata)
    labels = _labels(about)
    heading, rows = _table(answers, ANSWERS)
    missing = [name for name in ("time_s", "label", *labels) if name not in heading]
    if missing:
        raise ValueError(f"{ANSWERS} lacks the column {shown(missing[0])}, so that it is no table of this recording")
    known = {made.name: made for column in COLUMNS for made in column.of(labels)}
    columns = tuple(known.get(name) or Column(name, "string", "", "") for name in heading)
    typed = _typed(columns, rows)
    if unknown := sorted({name for name in typed["label"] if name} - set(labels)):
        raise ValueError(f"{ANSWERS} has the label {_short(unknown[0])}, which is none of the classes in {METADATA}")
    marks = () if markers is None else _markers(markers)
    return Recording(about, labels, columns, typed, marks)


def _about(metadata: bytes) -> dict[str, Any]:
    try:
        about = json.loads(metadata.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{METADATA} is no JSON, so that this is no recording of mmadfer, or a damaged one") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f'{METADATA} does not say "format": "{FORMAT}", so that this is no recording of mmadfer')
    version = about.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"{METADATA} says no version of its form; it should be a whole number from 1 to {VERSION}")
    if version > VERSION:
        words = f"this recording has version {version}, and this mmadfer reads versions up to {VERSION}"
        raise ValueError(f"{words}: update mmadfer (pip install --upgrade mmadfer)")
    return about


def _labels(about: Mapping[str, Any]) -> tuple[str, ...]:
    labels = about.get("labels")
    if not isinstance(labels, list) or not labels or not all(isinstance(name, str) and name for name in labels):
        raise ValueError(f'{METADATA} must name the classes as "labels": a list of texts')
    check_classes(labels)
    return tuple(labels)


def _table(data: bytes, name: str) -> tuple[list[str], list[list[str]]]:
    """Return heading and rows of a CSV."""
    try:
        text = data.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{name} cannot be read as a table: it is no CSV in UTF-8, or was cut off") from error
    heading, rows = (rows[0], rows[1:]) if rows else ([], [])
    if len(set(heading)) < len(heading):
        raise ValueError(f"{name} names a column twice")
    for number, row in enumerate(rows, 1):
        if len(row) != len(heading):
            words = f"row {number} of {name} has {len(row)} cells, and its heading {len(heading)}"
            raise ValueError(f"{words}: the table was cut off, or changed by another program")
    return heading, rows


def _typed(columns: Sequence[Column], rows: list[list[str]]) -> dict[str, list[Any]]:
    place = [column.name for column in columns].index("time_s")
    for number, row in enumerate(rows, 1):
        _time(row[place], number, ANSWERS)
    rows = sorted(rows, key=lambda row: float(row[place]))
    return {column.name: _values(column, [row[i] for row in rows]) for i, column in enumerate(columns)}


def _values(column: Column, cells: Sequence[str]) -> list[Any]:
    reader = _READERS.get(column.type, str)
    made: list[Any] = []
    for cell in cells:
        try:
            made.append(None if cell == "" and column.type != "strings" else reader(cell))
        except ValueError as error:
            words = f"{ANSWERS} has {_short(cell)} in the column {shown(column.name)}"
            raise ValueError(f"{words}, which should hold values of the type {column.type}") from error
    return made


def _markers(data: bytes) -> tuple[Marker, ...]:
    heading, rows = _table(data, MARKERS)
    if "time_s" not in heading:
        raise ValueError(f"{MARKERS} lacks the column time_s, so that it is no table of markers")
    made = []
    for number, cells in enumerate(rows, 1):
        row = dict(zip(heading, cells, strict=True))
        time = _time(row["time_s"], number, MARKERS)
        text = row.get("text", "")[:MOST_TEXT]
        made.append(Marker(time, row.get("time_utc", "")[:MOST_TEXT], row.get("key", "")[:MOST_TEXT], text))
    return tuple(sorted(made, key=lambda marker: marker.time))


def _time(cell: str, number: int, name: str) -> float:
    try:
        time = float(cell)
    except ValueError:
        time = math.nan
    if not _is_time(time):
        words = f"row {number} of {name} has {_short(cell)} as time_s"
        raise ValueError(f"{words}, which should be seconds from 0 to {LONGEST:.0f}")
    return time


def _is_time(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= LONGEST


def _finite(cell: str) -> float:
    value = float(cell)
    if not math.isfinite(value):
        raise ValueError(cell)
    return value


def _bool(cell: str) -> bool:
    if cell not in ("0", "1"):
        raise ValueError(cell)
    return cell == "1"


def _short(cell: str) -> str:
    return shown(cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}...") or "an empty cell"


_READERS: dict[str, Callable[[str], Any]] = {
    "string": str,
    "strings": lambda cell: [part for part in cell.split("; ") if part],
    "bool": _bool,
    "int32": int,
    "float32": _finite,
    "float64": _finite,
}
