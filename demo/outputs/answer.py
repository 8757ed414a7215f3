"""One answer as other programs get it: the fields of its message, and the message that comes before all answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from mmadfer.config import InputSpec
from mmadfer.outputs.schema import Column, weights_name
from mmadfer.stream.shared import Halves
from mmadfer.types import Prediction, WeightsInfo
from mmadfer.weights import catalogue, starter

SCHEMA_VERSION = 1
"""Goes up where a field is renamed, removed, or means something else; not where one is added."""
OLDEST = 60.0
"""An answer that seems to be older, s, comes from a viewer whose clock is wrong."""

FIELDS = (
    Column("type", "string", "", "`answer`; `further` for one about a face that is read beside the chosen one, with "
           "`--faces`"),
    Column("schema", "int32", "", "version of these messages"),
    Column("session", "int32", "", "number of the session: each page that shows its own camera is one"),
    Column("time_s", "float64", "s", "end of the window on the session's own clock, which only goes forward"),
    Column("time_utc", "string", "", "the same by the clock of the viewer, or of the server's machine where the camera "
           "is there; ISO 8601 in UTC with ms; the moment of the answer where the viewer's clock is wrong"),
    Column("label", "string", "", "the most probable class after smoothing; null where it may not be shown"),
    Column("unsure", "bool", "", "whether its smoothed probability is below the one from which on answers count as "
           "sure; null where no label may be shown"),
    Column("unsure_below", "float64", "0 to 1", "that probability; 0 where the weights have none"),
    Column("probabilities", "object", "0 to 1", "class: probability as the page's bars show it, smoothed; they sum to "
           "1, and are there even where no label may be shown"),
    Column("raw_probabilities", "object", "0 to 1", "class: what the model said of that window alone"),
    Column("smoothing_s", "float64", "s", "time constant of that smoothing, as the session's viewer has it now"),
    Column("face_alone", "object", "0 to 1", "class: probability by the face alone; null where that was not computed "
           "since the answer before: it is about once a second, in the model's pauses"),
    Column("voice_alone", "object", "0 to 1", "the same by the voice alone"),
    Column("alone_age_s", "float64", "s", "how much earlier the window of these two ends; null without them"),
    Column("rests_on", "string", "", "what the answer rests on: both, face, voice, or unfamiliar voice where it is one "
           "that the weights do not know; null where there is neither a face nor a voice"),
    Column("temperature", "float64", "", "what the logits of such answers are divided by"),
    Column("states", "strings", "", "what is missing or unsure"),
    Column("face", "object", "px, degrees", "`x`, `y`, `width`, `height` of the crop box in the newest frame, and its "
           "`angle` clockwise; null without a face"),
    Column("face_number", "int32", "", "number of the face that is read, from 1 in the order in which the session's "
           "faces came; another number is another face; null without a face"),
    Column("face_count", "int32", "", "faces in the newest frame; null without a picture"),
    Column("has_audio", "bool", "", "whether sound has come"),
    Column("speech", "float64", "0 to 1", "how much of the window's sound is speech; null without sound or with "
           "`--no-voice-activity`"),
    Column("latency_ms", "float64", "ms", "from the call to the answer: preprocessing and model"),
    Column("weights", "string", "", "name of the weights, or `UNTRAINED`"),
    Column("engine", "string", "", "weights, face size, engine and device in words"),
)  # fmt: skip
"""What an answer's message holds, in order."""


@dataclass(frozen=True)
class Answer:
    """One answer of one session, as the page shows it."""

    session: int
    prediction: Prediction
    smoothed: Mapping[str, float]
    """Class name -> probability after smoothing."""
    end: float
    """End of the window, s since 1970 in UTC; never in the future."""
    weights: str
    engine: str
    smoothing: float = 0.0
    """Time constant, s."""
    further: bool = False
    """Whether it is about a face that is read beside the chosen one."""
    alone: Halves | None = None
    """What face and voice say alone, where that was computed since the answer before."""

    @property
    def label(self) -> str | None:
        """The most probable class after smoothing; None where it may not be shown."""
        return max(self.smoothed, key=self.smoothed.__getitem__) if self.prediction.trusted else None

    @property
    def unsure(self) -> bool | None:
        """Whether the label's probability is too low to count as sure; None without a label."""
        return None if self.label is None else self.smoothed[self.label] < self.prediction.unsure_below

    def message(self) -> dict[str, Any]:
        """Return the answer as `FIELDS` say."""
        told = self.prediction
        return {
            "type": "further" if self.further else "answer",
            "schema": SCHEMA_VERSION,
            "session": self.session,
            "time_s": round(told.time, 4),
            "time_utc": _iso(self.end),
            "label": self.label,
            "unsure": self.unsure,
            "unsure_below": round(told.unsure_below, 5),
            "probabilities": _rounded(self.smoothed),
            "raw_probabilities": _rounded(told.probabilities),
            "smoothing_s": self.smoothing,
            "face_alone": None if self.alone is None else _rounded(self.alone.face.probabilities),
            "voice_alone": None if self.alone is None else _rounded(self.alone.voice.probabilities),
            "alone_age_s": None if self.alone is None else round(told.time - self.alone.face.time, 3),
            "rests_on": told.rests_on.value if told.rests_on else None,
            "temperature": round(told.temperature, 4),
            "states": [state.value for state in told.states],
            "face": None if told.face is None else {side: round(v, 2) for side, v in asdict(told.face).items()},
            "face_number": told.face_number,
            "face_count": told.face_count,
            "has_audio": told.has_audio,
            "speech": None if told.speech is None else round(told.speech, 3),
            "latency_ms": round(told.latency_ms, 1),
            "weights": self.weights,
            "engine": self.engine,
        }


def hello(spec: InputSpec, info: WeightsInfo, engine: str, smoothing: float) -> dict[str, Any]:
    """Return the message that comes before all answers. Args: smoothing: time constant, s."""
    return {
        "type": "hello",
        "schema": SCHEMA_VERSION,
        "labels": list(spec.labels),
        "weights": weights_name(info),
        "trained": info.trained,
        "starter": info.name == starter.NAME,
        # Where the card lies on this machine concerns nobody elsewhere.
        "caveat": catalogue.caveat(info).removesuffix(f" Read {starter.CARD}."),
        "engine": engine,
        "window_s": spec.window_seconds,
        "smoothing_s": smoothing,
        "unsure_error": info.unsure_error,
        "units": {field.name: field.unit for field in FIELDS if field.unit},
    }


def window_end(time_s: float, origin: float) -> float:
    """Return the end of a window in s since 1970; now, where the clock that told ``origin`` cannot be right.

    Args: time_s: on the session's clock. origin: that clock's zero, s since 1970.
    """
    now = time.time()
    return origin + time_s if now - OLDEST < origin + time_s < now else now


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in values.items()}
