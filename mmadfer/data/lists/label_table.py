"""labels.csv of a user's own folder, row by row."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path

from mmadfer.data.lists.columns import COLUMNS, find_columns, is_heading
from mmadfer.data.lists.inside import Inside
from mmadfer.data.lists.labels import canonical
from mmadfer.data.lists.listing import Finding
from mmadfer.data.lists.part_names import FOLD, PARTS_IN_WORDS, part_of
from mmadfer.data.lists.speakers import speaker_key
from mmadfer.data.lists.spelling import means_nothing
from mmadfer.data.lists.tables import Row, Rows, Text, read_text, split_rows
from mmadfer.data.manifest import Clip
from mmadfer.files.names import shown

_NUMBER = re.compile(r"[+-]?\d+([.,]\d*)?([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Table:
    """What labels.csv says."""

    clips: tuple[Clip, ...]
    findings: tuple[Finding, ...]


def read_label_table(path: Path) -> Table:
    """Return the clips that the table ``path`` names; their files lie in its folder.

    Raises OSError, or ValueError in one sentence naming the file, and the line where one is wrong.
    """
    inside = Inside(path.parent)
    text = read_text(path, lambda text: _meaning(path, text, inside))
    rows = split_rows(path, text.text, is_heading)
    heading, columns, findings = _heading(path, rows)
    if text.encoding:
        findings.append(_encoding(path, text))
    reader = _Reader(path, inside, columns, len(heading.cells), rows.delimiter, findings)
    for row in rows.rows[rows.rows.index(heading) + 1 :]:
        reader.take(row)
    return Table(reader.clips(), tuple(findings))


def _heading(path: Path, rows: Rows) -> tuple[Row, dict[str, int], list[Finding]]:
    """Return the row that names the columns, which column is where, and what is to be said of them."""
    found = [row for row in rows.rows if is_heading(row.cells) or not row.cells[0].startswith("#")][:1]
    if not found or not is_heading(found[0].cells):
        start = ",".join(found[0].cells) if found else ""
        raise ValueError(
            f"{shown(path)} must start with the line path,label and may have more of the columns {', '.join(COLUMNS)}; "
            f"{f'it starts with {start.strip()!r}' if found else 'it is empty'}"
        )
    try:
        columns, unused = find_columns(found[0].cells)
    except ValueError as error:
        raise ValueError(f"{shown(path)} {error}") from error
    findings = [Finding("columns that are not used", "", ", ".join(map(shown, unused)))] if unused else []
    return found[0], columns, findings


def _encoding(path: Path, text: Text) -> Finding:
    return Finding("table not in UTF-8", "", f"{path.name} is read as {text.encoding}: its file names are there so")


def _meaning(path: Path, text: str, inside: Inside) -> Hashable:
    """Return the cells that matter if the text names files that are there, None where it does not, or is no table."""
    try:
        rows = split_rows(path, text, is_heading)
        heading, columns, _ = _heading(path, rows)
    except ValueError:
        return None
    cells = {
        column: [row.cells[k].strip() for row in rows.rows[rows.rows.index(heading) + 1 :] if k < len(row.cells)]
        for column, k in columns.items()
    }
    names = [cell for column in ("path", "audio") for cell in cells.get(column, ()) if not cell.isascii()]
    words = [cell for column in ("label", "speaker", "split") for cell in cells.get(column, ()) if not cell.isascii()]
    proven = all(inside.finds(name) for name in names) and (names or not words)
    readable = all(word.isprintable() for word in words)
    return tuple(tuple(cells.get(column, ())) for column in ("path", "audio", "label")) if proven and readable else None


class _Reader:
    """Makes clips of rows, and gathers what is odd or wrong about them."""

    def __init__(
        self,
        path: Path,
        inside: Inside,
        columns: dict[str, int],
        width: int,
        delimiter: str,
        findings: list[Finding],
    ) -> None:
        self._path, self._inside, self._columns, self._width = path, inside, columns, width
        self._delimiter, self._findings = delimiter, findings
        self._clips: dict[Hashable, tuple[Clip, int]] = {}
        self._wrong: list[tuple[int, str]] = []

    def take(self, row: Row) -> None:
        """Take one row."""
        cells = {column: row.cells[k] if k < len(row.cells) else "" for column, k in self._columns.items()}
        if row.cells[0].startswith("#") and not self._inside.holds(cells["path"].strip()):
            self._findings.append(Finding("comment", "", f"line {row.line}: {shown(row.cells[0][:60])}"))
            return
        if is_heading(row.cells) and not self._inside.holds(cells["path"].strip()):
            self._findings.append(Finding("heading again", "", f"line {row.line}"))
            return
        try:
            if any(cell.strip() for cell in row.cells[self._width :]):
                raise ValueError(
                    f"{len(row.cells)} cells where the heading has {self._width}; put cells with {self._delimiter!r} "
                    "in them in quotation marks"
                )
            clip = self._clip(cells)
            self._add(clip, row)
        except ValueError as error:
            self._wrong.append((row.line, str(error)))
            return
        if len(row.cells) < self._width:
            detail = f"line {row.line}: {len(row.cells)} of {self._width}; the others count as empty"
            self._findings.append(Finding("row with too few cells", clip.clip_id, detail))

    def clips(self) -> tuple[Clip, ...]:
        """Return the clips. Raises ValueError where a row is wrong, naming its line."""
        if self._wrong:
            (line, reason), *others = self._wrong
            lines = ", ".join(str(line) for line, _ in others[:5])
            more = f" (also wrong: line {lines}{', ...' if len(others) > 5 else ''})" if others else ""
            raise ValueError(f"{shown(self._path)}, line {line}: {reason}{more}")
        return tuple(clip for clip, _ in self._clips.values())

    def _add(self, clip: Clip, row: Row) -> None:
        key = (self._inside.identity(clip.frames or clip.video), clip.start, clip.end)
        first, line = self._clips.setdefault(key, (clip, row.line))
        if first is clip:
            return
        for what, here, there in (
            ("", clip.label, first.label),
            ("in ", clip.splits.get(FOLD, "no part"), first.splits.get(FOLD, "no part")),
            ("spoken by ", clip.speaker or "nobody named", first.speaker or "nobody named"),
        ):
            if here != there and not (what == "spoken by " and speaker_key(here) == speaker_key(there)):
                name = shown(clip.clip_id)
                same = "" if first.clip_id == clip.clip_id else f", where it is called {shown(first.clip_id)}"
                raise ValueError(f"{name} is {what}{here} here and {what}{there} above (line {line}{same})")
        called = "" if first.clip_id == clip.clip_id else f", as {shown(clip.clip_id)}"
        self._findings.append(Finding("listed twice", first.clip_id, f"line {row.line}{called}"))

    def _clip(self, cells: dict[str, str]) -> Clip:
        path, label = cells["path"].strip(), cells["label"].strip()
        if not path or means_nothing(label) or (means_nothing(path) and not self._inside.holds(path)):
            raise ValueError(f"a path and a label are needed, got {path!r} and {label!r}")
        split = "" if means_nothing(cells.get("split", "")) else cells["split"].strip()
        part = part_of(split) if split else None
        if split and part is None:
            raise ValueError(f"the split is {split!r}; allowed are {PARTS_IN_WORDS}")
        start, end = self._seconds(cells, "start") or 0.0, self._seconds(cells, "end")
        if start < 0 or (end is not None and end <= start):
            raise ValueError(f"start must be 0 s or more, and end after it, got {start:g} and {end}")
        name = self._inside.find(cells["path"])
        self._note_spelling(name, cells["path"])
        pictures = os.path.isdir(self._path.parent / name)
        sound = cells.get("audio", "")
        clip = Clip(
            clip_id=name,
            label=canonical(label),
            splits={FOLD: part} if part else {},
            frames=name if pictures else "",
            video="" if pictures else name,
            audio=("" if pictures else name) if means_nothing(sound) else self._inside.find(sound),
            start=start,
            end=end,
            speaker=cells.get("speaker", "").strip(),
        )
        span = "" if start == 0 and end is None else f"@{start:.15g}-{'' if end is None else f'{end:.15g}'}"
        return replace(clip, clip_id=name + span)

    def _note_spelling(self, name: str, cell: str) -> None:
        if self._inside.holds(name) and not self._inside.holds(cell) and not self._inside.holds(cell.strip()):
            self._findings.append(Finding("file name spelt otherwise", name, f"{shown(cell.strip())} in the table"))

    def _seconds(self, cells: dict[str, str], column: str) -> float | None:
        cell = cells.get(column, "").strip()
        if means_nothing(cell) and cell.lower() not in ("nan", "#n/a"):
            return None
        comma = "," in cell and self._delimiter == ","
        if _NUMBER.fullmatch(cell) is None or comma:
            raise ValueError(f"start and end must be seconds, such as 2.5, got {cell!r} as {column}")
        value = float(cell.replace(",", "."))
        if not math.isfinite(value):
            raise ValueError(f"start and end must be seconds, such as 2.5, got {cell!r} as {column}")
        return value
