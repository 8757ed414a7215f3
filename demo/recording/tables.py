"""The tables of a recording as lines: answers in the columns of the page, and markers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from mmadfer.outputs.csv_file import cell
from mmadfer.outputs.schema import Output, columns

from ..outputs.answer import Answer
from .marker import Marker, iso

MARKER_COLUMNS = ("time_s", "time_utc", "key", "text")


class Tables:
    """Makes the lines of one recording's tables."""

    def __init__(self, labels: Sequence[str], file: str) -> None:
        """Args: labels: of the weights, in order. file: what the answers are about."""
        self._columns = columns(Output.PAGE, labels)
        self._file = file

    @property
    def names(self) -> list[str]:
        """The names of the columns of answers."""
        return [column.name for column in self._columns]

    def answer(self, answer: Answer, time_s: float) -> str:
        """Return an answer's line; ``time_s``: end of its window in the recording, s."""
        told = answer.prediction
        face = told.face
        box = {} if face is None else {f"face_{side}": getattr(face, side) for side in ("x", "y", "width", "height")}
        values: dict[str, Any] = {
            "file": self._file,
            "time_s": time_s,
            "label": answer.label,
            **told.probabilities,
            **box,
            "face_number": told.face_number,
            "face_count": told.face_count,
            "has_audio": told.has_audio,
            "speech": told.speech,
            "states": [state.value for state in told.states],
            "rests_on": told.rests_on.value if told.rests_on else None,
            "temperature": told.temperature,
            "unsure": answer.unsure,
            "latency_ms": told.latency_ms,
            "weights": answer.weights,
            "time_utc": iso(answer.end),
            "engine": answer.engine,
            **{f"smoothed_{label}": value for label, value in answer.smoothed.items()},
        }
        return line([cell(column, values.get(column.name)) for column in self._columns])


def marker_line(marker: Marker, time_s: float) -> str:
    """Return a marker's line; ``time_s``: in the recording."""
    return line([f"{time_s:.3f}", marker.time_utc, marker.key, marker.text])


def line(cells: Sequence[str]) -> str:
    """Return one line of a CSV, with its end."""
    into = io.StringIO()
    csv.writer(into, lineterminator="\n").writerow(cells)
    return into.getvalue()
