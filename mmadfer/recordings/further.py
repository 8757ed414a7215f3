"""The further files of a recording by name, made of its tables and put beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mmadfer.recordings import holder
from mmadfer.recordings.boris import boris
from mmadfer.recordings.elan import elan
from mmadfer.recordings.parquet import parquet
from mmadfer.recordings.recording import Recording
from mmadfer.recordings.report import report
from mmadfer.recordings.textgrid import textgrid


@dataclass(frozen=True)
class Format:
    """A further file."""

    file: str
    """Its name."""
    write: Callable[[Recording], bytes]
    what: str


FORMATS = {
    "parquet": Format("answers.parquet", parquet, "the answers as a table with types (Parquet)"),
    "report": Format("report.html", report, "a page that plays the recording beside its timeline, with a summary"),
    "elan": Format("recording.eaf", elan, "tiers for ELAN"),
    "boris": Format("recording.boris", boris, "a project of BORIS"),
    "textgrid": Format("recording.TextGrid", textgrid, "tiers for Praat"),
}
ALWAYS = ("parquet", "report")
"""What is made where nothing else is asked for, and beside whatever is."""


def make(recording: Recording, formats: Iterable[str] = ALWAYS) -> dict[str, bytes]:
    """Return name -> content of the files in ``formats``, keys of `FORMATS`.

    Raises ValueError for one that is not known, ImportError where a package is absent that one needs.
    """
    return {FORMATS[name].file: FORMATS[name].write(recording) for name in known(formats)}


def add(path: str | os.PathLike[str], formats: Iterable[str] = ALWAYS) -> list[str]:
    """Make the files in ``formats`` of the recording at ``path``, a zip or a folder, and put them into it.

    Those of the same names are replaced; picture, sound and tables stay as they are.
    Returns the files' names. Raises ValueError, OSError or ImportError in one sentence; a zip is as it was then.
    """
    formats = known(formats)
    place = holder.at(path)
    files = make(holder.read(place), formats)
    place.put(files)
    return list(files)


def known(formats: Iterable[str]) -> list[str]:
    """Return ``formats`` without doubles, in the order of `FORMATS`. Raises ValueError for one that is not known."""
    asked = set(formats)
    if unknown := sorted(asked - set(FORMATS)):
        raise ValueError(f"there is no further file {unknown[0]!r} of a recording; choose from {', '.join(FORMATS)}")
    return [name for name in FORMATS if name in asked]
