"""The columns of every table of answers, and the rows that all writers take: one definition for all of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from mmadfer.files.names import shown
from mmadfer.types import Prediction, WeightsInfo

SCHEMA_VERSION = 1
"""Goes up where a column is renamed, removed, or means something else; not where one is added."""
CLASS = "<class>"
"""In a column's name: there is one such column for each class, in the order of the weights' labels."""
_NOT_IN_A_NAME = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories: control characters, surrogates, ends of lines and paragraphs."""
Row = Mapping[str, Any]
"""Typed values by the name of their column; a column that is missing has no value."""


class Output(Enum):
    """A kind of table."""

    CSV = "CSV"
    JSON_LINES = "JSON lines"
    PARQUET = "Parquet"
    PAGE = "page"
    """The CSV that the live page saves; the page writes it itself, by these columns."""


@dataclass(frozen=True)
class Column:
    """One column, or with `CLASS` in its name one for each class."""

    name: str
    type: str
    """In Parquet: "string", "strings" (a list of them), "bool", "int32", "float32" or "float64"."""
    unit: str
    """Empty where there is none."""
    meaning: str
    outputs: frozenset[Output] = frozenset(Output)
    """The tables that have it."""
    decimals: int | None = None
    """Of a number in a CSV; None for what is no number with a fraction."""

    def of(self, labels: Sequence[str]) -> list[Column]:
        """Return the columns that this one stands for with classes of these names."""
        if CLASS not in self.name:
            return [self]
        return [replace(self, name=self.name.replace(CLASS, label)) for label in labels]


_JSON_LINES, _PARQUET, _PAGE = frozenset({Output.JSON_LINES}), frozenset({Output.PARQUET}), frozenset({Output.PAGE})

COLUMNS = (
    Column("schema", "int32", "", "version of this table", _JSON_LINES),
    Column("file", "string", "", "the file as it was named; on the page `live`, or the clip that the server plays"),
    Column("time_s", "float64", "s", "end of the window, from the file's start, in a clip that is played on the page "
           "too; of live answers from the page's first one", decimals=3),
    Column("label", "string", "", "the most probable class, on the page the one after smoothing; none where it may not "
           "be shown"),
    Column(CLASS, "float32", "0 to 1", "probability of this class, calibrated, not smoothed", decimals=4),
    Column("face_x", "float32", "px", "left edge of the crop box in the window's newest frame, before the box is "
           "turned; none without a face", decimals=1),
    Column("face_y", "float32", "px", "its upper edge", decimals=1),
    Column("face_width", "float32", "px", "its width", decimals=1),
    Column("face_height", "float32", "px", "its height", decimals=1),
    Column("face_number", "int32", "", "number of the face that was read, from 1 in the order in which the faces of "
           "the file, or of the live stream, came; another number is another face; none without a face"),
    Column("face_count", "int32", "", "faces in the window's newest frame; none without a picture"),
    Column("has_audio", "bool", "", "whether sound has come"),
    Column("speech", "float32", "0 to 1", "how much of the window's sound is speech; none without sound or with "
           "`--no-voice-activity`", decimals=2),
    Column("states", "strings", "", "what is missing or unsure"),
    Column("rests_on", "string", "", "what the answer rests on: both, face, voice, or unfamiliar voice where it is one "
           "that the weights do not know; none where there is neither a face nor a voice"),
    Column("temperature", "float32", "", "what the logits of such answers are divided by", decimals=2),
    Column("unsure", "bool", "", "whether the top probability is below the one from which on answers count as sure; "
           "none where no label may be shown"),
    Column("latency_ms", "float32", "ms", "from the call to the answer: preprocessing and model", decimals=0),
    Column("weights", "string", "", "name of the weights, or `UNTRAINED`"),
    Column("error", "string", "", "why a file could not be scored, in one sentence: such a file has one row, with "
           "`file`, `weights` and this", _PARQUET),
    Column("time_utc", "string", "", "end of the window by the viewer's clock, ISO 8601 in UTC with ms", _PAGE),
    Column("engine", "string", "", "weights, face size, engine and device in words", _PAGE),
    Column(f"smoothed_{CLASS}", "float32", "0 to 1", "probability of this class as the bars show it: smoothed over "
           "`smoothing_s` seconds", _PAGE, decimals=4),
    Column("smoothing_s", "float32", "s", "time constant of that smoothing: `--smoothing`, or what the viewer has set",
           _PAGE, decimals=2),
    Column(f"face_alone_{CLASS}", "float32", "0 to 1", "probability of this class by the face alone; none where that "
           "was not computed since the row before: it is about once a second, in the model's pauses", _PAGE,
           decimals=4),
    Column(f"voice_alone_{CLASS}", "float32", "0 to 1", "the same by the voice alone", _PAGE, decimals=4),
    Column("alone_age_s", "float32", "s", "how much earlier the window of these two ends; none without them", _PAGE,
           decimals=3),
    Column("segment", "int32", "", "number of the stretch between two starts, or two losses of the line to the "
           "server, from 1", _PAGE),
    Column("frame", "int32", "", "number of the newest frame in the window, as the page sent them, from 0; none "
           "without a picture", _PAGE),
    Column("drift", "float32", "0 to 1", "largest difference of a probability between a quick answer and an exact one "
           "in the newest check before; none where there was none", _PAGE, decimals=4),
)  # fmt: skip
"""All columns of all tables, in the order in which each table has its own."""


def check_classes(labels: Sequence[str]) -> None:
    """Raise ValueError where a class is called like another column, or by what would break a line or is no text."""
    taken: set[str] = set()
    ordered = sorted(COLUMNS, key=lambda column: CLASS in column.name)
    for name in (made.name for column in ordered for made in column.of(labels)):
        if name in taken:
            raise ValueError(f"the class {name!r} is called like a column of the table; give it another name")
        if any(unicodedata.category(character) in _NOT_IN_A_NAME for character in name):
            raise ValueError(f"the class {shown(name)} has a line end or what is no text in its name; rename it")
        taken.add(name)


def columns(output: Output, labels: Sequence[str]) -> list[Column]:
    """Return the columns of one kind of table for classes of these names, in order; raises as `check_classes`."""
    check_classes(labels)
    return [made for column in COLUMNS if output in column.outputs for made in column.of(labels)]


def answer_row(file: str, prediction: Prediction, info: WeightsInfo) -> dict[str, Any]:
    """Return the row of one answer. Args: file: its name as `names.shown` gives it; info: of the weights."""
    face = prediction.face
    box = {} if face is None else {f"face_{side}": getattr(face, side) for side in ("x", "y", "width", "height")}
    return {
        "schema": SCHEMA_VERSION,
        "file": file,
        "time_s": prediction.time,
        "label": prediction.label if prediction.trusted else None,
        **prediction.probabilities,
        **box,
        "face_number": prediction.face_number,
        "face_count": prediction.face_count,
        "has_audio": prediction.has_audio,
        "speech": prediction.speech,
        "states": [state.value for state in prediction.states],
        "rests_on": prediction.rests_on.value if prediction.rests_on else None,
        "temperature": prediction.temperature,
        "unsure": prediction.unsure if prediction.trusted else None,
        "latency_ms": prediction.latency_ms,
        "weights": weights_name(info),
    }


def failed_row(file: str, error: str, info: WeightsInfo) -> dict[str, Any]:
    """Return the one row of a file that could not be scored. Args: file: as of `answer_row`; error: one sentence."""
    return {"schema": SCHEMA_VERSION, "file": file, "weights": weights_name(info), "error": error}


def weights_name(info: WeightsInfo) -> str:
    """Return what the column "weights" says."""
    return shown(info.name) if info.trained else "UNTRAINED"
