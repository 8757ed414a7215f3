"""One window as the model is asked about it, and what is known to be missing in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmadfer.config import InputSpec
from mmadfer.sound.loudness import channel_of, is_silent, levels
from mmadfer.sound.voice_activity import is_voice
from mmadfer.types import Box, State


@dataclass(frozen=True, eq=False)
class Window:
    """The last W seconds of one stream, sampled for the model, and what is known to be missing in them."""

    end: float
    """s on the source's clock; frames and sound are of (end - W, end]."""
    start: float
    """end - W, s."""
    crops: list[np.ndarray]
    """``spec.num_frames`` face crops `(S, S, 3)` uint8, by the test-time rule over the frames with a face, or []."""
    frame_times: list[float]
    """Times of ``crops``, s."""
    waveform: np.ndarray | None
    """`(channels, n)` float32 at the source's own rate; None where no sound has come."""
    sample_rate: int
    """Hz; 0 where no sound has come."""
    face: Box | None
    """Crop box in the newest frame, px; None where it shows no face."""
    states: tuple[State, ...]
    face_lost_s: float
    """Time since a face was last seen, s; 0 while one is."""
    version: int
    """Grows with whatever is pushed: two windows of one version are equal."""
    speech: float | None = None
    """How much of the sound is speech, 0 to 1; None where there is no sound, or nobody looked."""
    face_number: int | None = None
    """Number of the face that is read, from 1 in the order of coming; None where the newest frame shows none, but that
    a further face keeps its own."""
    face_count: int | None = None
    """Faces in the newest frame; None where no frame has come for a while."""

    def heard(self, spec: InputSpec) -> np.ndarray | None:
        """Return the sound that a model with this ``spec`` is to hear.

        It is none, if the model bears that, where nobody speaks, and where there is a face and an unfamiliar voice, or
        the voice of another face.
        """
        nobody = State.NO_VOICE in self.states or State.OTHERS_VOICE in self.states
        stranger = State.UNFAMILIAR_VOICE in self.states and State.NO_FACE not in self.states
        return None if (nobody or stranger) and "audio" in spec.handles_missing else self.waveform


def earlier(face_time: float | None, end: float, starts: list[float]) -> float:
    """Return since when no face has been seen where the window holds none, s."""
    if face_time is not None and face_time <= end:
        return face_time
    return min(starts, default=end)


def face_states(any_face: bool, newest: Box | None) -> list[State]:
    """Return what is missing of the face. Args: any_face: in the window; newest: its box in the newest frame."""
    if not any_face:
        return [State.NO_FACE]
    return [State.FACE_LOST] if newest is None else []


def sound_states(waveform: np.ndarray | None, sample_rate: int, gap: bool, speech: float | None) -> list[State]:
    """Return what is missing of the sound. Args: gap: whether a piece is lost. speech: as of `Window`."""
    if waveform is None:
        return [State.NO_SOUND]
    found = levels(waveform, sample_rate)
    states = [State.SILENCE] if is_silent(found) else [State.OTHER_CHANNEL] if channel_of(found) else []
    if states != [State.SILENCE] and speech is not None and not is_voice(speech, waveform.shape[1] / sample_rate):
        states.insert(0, State.NO_VOICE)
    return [*states, State.SOUND_GAP] if gap else states
