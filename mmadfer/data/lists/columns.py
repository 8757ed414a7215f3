"""The columns of labels.csv: which is which, whatever a spreadsheet's author calls it, if there is no doubt."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from mmadfer.data.lists.spelling import plain

COLUMNS = ("path", "label", "split", "speaker", "audio", "start", "end")
_OTHER_NAMES = {
    "path": ("file", "filename", "file_name", "filepath", "file_path", "video", "clip"),
    "label": ("emotion", "class"),
    "split": ("subset", "partition"),
    "speaker": ("speaker_id", "speakerid", "subject", "subject_id", "actor", "actor_id", "person", "participant"),
    "audio": ("sound", "audio_path", "audio_file"),
    "start": ("start_time", "onset"),
    "end": ("end_time", "stop"),
}
"""Taken where no column has the name itself."""
_SECONDS = re.compile(r"_?[\[(](s|sec|seconds)[\])]$")
_LIKENESS = 0.8
"""A column at least so like one of COLUMNS is taken for a misspelling of it."""


def is_heading(cells: Sequence[str]) -> bool:
    """Return whether a row names a path and a label."""
    names = _names(cells)
    return all({column, *_OTHER_NAMES[column]} & set(names) for column in ("path", "label"))


def find_columns(heading: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Return {column: its position in ``heading``}, and the names of columns that are not used.

    Raises ValueError, to follow the file's name, where it is not certain what a column is.
    """
    names = _names(heading)
    places: dict[str, int] = {}
    for column in COLUMNS:
        there = [k for k, name in enumerate(names) if name == column]
        there = there or [k for k, name in enumerate(names) if name in _OTHER_NAMES[column]]
        if len(there) > 1:
            several = ", ".join(repr(heading[k].strip()) for k in there)
            raise ValueError(f"has several columns that may be {column}: {several}; keep one of them, called {column}")
        if there:
            places[column] = there[0]
    rest = [k for k, name in enumerate(names) if name and k not in places.values()]
    for k in rest:
        _refuse_misspelling(heading[k].strip(), names[k], places)
    return places, [heading[k].strip() for k in rest]


def _names(cells: Sequence[str]) -> list[str]:
    names = [plain(cell.lstrip("#")).lower() for cell in cells]
    return [re.sub(r"[\s_\-]+", "_", _SECONDS.sub("", re.sub(r"\s+", "_", name))).strip("_") for name in names]


def _refuse_misspelling(written: str, name: str, places: dict[str, int]) -> None:
    """Raise ValueError where a column that would not be used looks like one that would."""
    missing = [column for column in COLUMNS if column not in places]
    meant = difflib.get_close_matches(name, missing, n=1, cutoff=_LIKENESS)
    meant = meant or [column for column in ("start", "end") if column in missing and name.startswith(f"{column}_")]
    if meant:
        raise ValueError(
            f"has the column {written!r}, which may be meant as {meant[0]}; call it so"
            f"{' and give seconds' if meant[0] in ('start', 'end') else ''}, or by a name that is not like it"
        )
