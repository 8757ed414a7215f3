"""Plain data that every part of the library speaks of: boxes, states, predictions."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


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
    OTHER_CHANNEL = "sound of another channel"
    """The first channel carries next to nothing; the loudest one is listened to (`loudness.sounding_channel`)."""
    SOUND_GAP = "gap in the sound"
    """Samples inside the window were lost or were not numbers; zeros stand in their place."""
    UNTRAINED = "untrained weights"
    """The weights are random: the answer means nothing."""


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
