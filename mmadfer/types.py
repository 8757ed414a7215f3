"""Plain data that every part of the library speaks of: boxes, states, predictions."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from mmadfer.config import require, require_positive, require_types


class State(str, Enum):
    """What is known to be missing or unsure about a window. Data, not an error; the page puts it in words."""

    WINDOW_FILLING = "window filling"
    """Less than the whole window has been recorded yet."""
    NO_FACE = "no face"
    """No frame of the window shows a face."""
    FACE_LOST = "face lost"
    """The window holds faces, but the newest frame shows none."""
    NO_SOUND = "no sound"
    """There is no sound track, or no microphone sample has come."""
    SILENCE = "silence"
    """The sound is there, and too quiet for anybody to be heard (`loudness.SILENCE`)."""
    NO_VOICE = "no voice"
    """The sound is there, and nobody speaks in it (`voice_activity.is_voice`): a fan, wind, music, typing."""
    UNFAMILIAR_VOICE = "unfamiliar voice"
    """Somebody speaks, in a way or a room that these weights do not know (`familiarity.is_familiar`). Where a face is
    seen, the answer rests on that alone."""
    OTHERS_VOICE = "voice of another face"
    """Several faces are read, and the voice is that of another one of them (`mouth.speaker`): this answer rests on the
    face alone."""
    OTHER_CHANNEL = "sound of another channel"
    """The first channel carries next to nothing; the loudest one is listened to (`loudness.sounding_channel`)."""
    SOUND_GAP = "gap in the sound"
    """Samples inside the window were lost or were not numbers; zeros stand in their place."""
    UNTRAINED = "untrained weights"
    """The weights are random: the answer means nothing."""


NOBODY_HEARD = frozenset({State.NO_SOUND, State.SILENCE, State.NO_VOICE})
"""Each of them says that there is no voice to go by."""


class Basis(str, Enum):
    """What an answer rests on. Probabilities from the face alone deserve another trust than those from both."""

    BOTH = "both"
    FACE = "face"
    """Nobody is heard."""
    VOICE = "voice"
    """No face is seen."""
    UNFAMILIAR_VOICE = "unfamiliar voice"
    """No face is seen, and the voice is one that the weights do not know."""

    def __str__(self) -> str:
        return self.value

    @classmethod
    def of(cls, states: Sequence[State]) -> Basis | None:
        """Return what an answer under ``states`` rests on; None where there is neither a face nor a voice."""
        heard, known = NOBODY_HEARD.isdisjoint(states), State.UNFAMILIAR_VOICE not in states
        own = State.OTHERS_VOICE not in states
        if State.NO_FACE in states:
            return (cls.VOICE if known else cls.UNFAMILIAR_VOICE) if heard else None
        return cls.BOTH if heard and known and own else cls.FACE


@dataclass(frozen=True)
class Box:
    """A face box in px of its frame; it may reach over the border. ``angle``: the eyes' tilt, degrees clockwise."""

    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0


@dataclass(frozen=True)
class Prediction:
    """What the model makes of one window."""

    time: float
    """Time of the window's end, s: from the file's start, or on the monotonic clock of a live source."""
    label: str
    """Name of the most probable class. Show it only where `trusted`."""
    probabilities: dict[str, float]
    """Class name -> probability; they sum to 1."""
    face: Box | None
    """Crop box in the window's newest frame; None where it shows no face."""
    has_audio: bool
    latency_ms: float
    """From the call to the answer, ms; preprocessing and model, not capture."""
    states: tuple[State, ...] = ()
    face_lost_s: float = 0.0
    """Time since a face was last seen, s."""
    trusted: bool = field(default=True)
    """False where an input that the weights cannot do without is missing, or both are, or the weights are untrained."""
    speech: float | None = None
    """How much of the window's sound is speech, 0 to 1; None where there is no sound, or nobody looked."""
    rests_on: Basis | None = Basis.BOTH
    """Which inputs the answer rests on; None where there is neither a face nor a voice."""
    temperature: float = 1.0
    """What the logits were divided by, for such an answer."""
    unsure_below: float = 0.0
    """The top probability from which on such an answer counts as sure; 0 where the weights have none."""
    unsure: bool = False
    """Whether the top probability is below that."""
    face_number: int | None = None
    """Number of the face that was read, from 1 in the order in which the stream's faces came; None without a face."""
    face_count: int | None = None
    """Faces in the window's newest frame; None without a picture."""


@dataclass(frozen=True)
class WeightsInfo:
    """Where a set of weights comes from; shown wherever its output is seen."""

    name: str = "untrained"
    trained: bool = False
    source: str = ""
    """File name or address that the weights were made from; empty for weights made in memory."""
    temperature: float = 1.0
    """Divides the logits before softmax; fitted on held-out data, 1 where nothing was fitted."""
    logit_bias: tuple[float, ...] = ()
    """Added to the logits before that, one for each class; none where nothing was adjusted."""
    logit_biases: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Such biases by what an answer rests on (`Basis`); ``logit_bias`` where there is none for it."""
    temperatures: dict[str, float] = field(default_factory=dict)
    """Such divisors by what an answer rests on (`Basis`); ``temperature`` where there is none for it."""
    unsure_below: dict[str, float] = field(default_factory=dict)
    """By what an answer rests on: an answer whose top probability is below this is called unsure; 0 where none is."""
    unsure_error: float = 0.0
    """Largest share of wrong answers among the sure ones that `unsure_below` was chosen for, on held-out data."""
    familiar_voice: tuple[float, ...] = ()
    """What tells voices that the weights know from others (`familiarity.is_familiar`); none: every voice counts."""

    def __post_init__(self) -> None:
        require_types(self)
        require_positive(self, "temperature")
        known = [basis.value for basis in Basis]
        for name in ("temperatures", "unsure_below", "logit_biases"):
            values = getattr(self, name)
            require(set(values) <= set(known), f"{name} may hold {', '.join(known)}; got {values}")
        for name in ("temperatures", "unsure_below"):
            values = getattr(self, name)
            right = all(isinstance(value, float | int) and math.isfinite(value) for value in values.values())
            require(right and min(values.values(), default=0.5) >= 0, f"{name} must hold finite numbers, got {values}")
        require(min(self.temperatures.values(), default=1.0) > 0, f"temperatures must be above 0: {self.temperatures}")
        require(0 <= self.unsure_error < 1, f"unsure_error must be from 0 to below 1, got {self.unsure_error}")
        rows = {f"logit_biases of {basis}": row for basis, row in self.logit_biases.items()}
        rows |= {"logit_bias": self.logit_bias, "familiar_voice": self.familiar_voice}
        for name, row in rows.items():
            numbers = (isinstance(value, float | int) and math.isfinite(value) for value in row)
            require(all(numbers), f"{name} must hold finite numbers, got {row}")

    def temperature_for(self, basis: Basis | None) -> float:
        """Return the temperature of answers that rest on ``basis``."""
        return self.temperatures.get(basis.value, self.temperature) if basis else self.temperature

    def bias_for(self, basis: Basis | None) -> tuple[float, ...]:
        """Return what is added to the logits of answers that rest on ``basis``; none where nothing is."""
        return self.logit_biases.get(basis.value, self.logit_bias) if basis else self.logit_bias

    def threshold_for(self, basis: Basis | None) -> float:
        """Return the top probability from which on answers that rest on ``basis`` count as sure."""
        return self.unsure_below.get(basis.value, 0.0) if basis else 0.0

    def to_json(self) -> str:
        """Return the description as JSON text, for a file's metadata."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WeightsInfo:
        """Return the description written by `to_json`. Raises ValueError where the text is none."""
        try:
            values: dict[str, Any] = {**json.loads(text)}
            rows = {name: tuple(values.get(name, ())) for name in ("logit_bias", "familiar_voice")}
            biases = {basis: tuple(row) for basis, row in {**values.get("logit_biases", {})}.items()}
            return cls(**values | rows | {"logit_biases": biases})
        except (TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
            raise ValueError(f"the weights' description in the file's metadata cannot be read: {error}") from error
