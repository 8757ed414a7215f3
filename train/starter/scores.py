"""What the starter weights reach: faces alone, voices alone and both, on parts that they were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from mmadfer import metrics
from mmadfer.config import InputSpec
from mmadfer.data.adapters.starter import RATE, Faces, Voice
from mmadfer.postprocess import softmax

from ..input import augment
from ..input.batches import Batches
from .clips import StarterClips
from .motion import LIVE, MILD

CONDITIONS = ("faces", "voices", "both")
LIVE_CONDITIONS = tuple(f"{name}, live" for name in CONDITIONS)
"""The same as the live window shows them: faces smaller and lower, 3 s of voice that begin anywhere."""
_OUTSIDE = 1.0
"""Largest part of such a window that lies before or after the recording, s."""
_BATCH = 16

Answer = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""`(B, T, 3, S, S)` frames and `(B, 1, frames, bins)` log-mels to logits `(B, C)`."""


@dataclass(frozen=True)
class Scored:
    """The logits of the clips of one condition."""

    labels: np.ndarray
    logits: np.ndarray

    @property
    def war(self) -> float:
        """Share of clips that are right, 0 to 1."""
        return metrics.war(self.labels, self.logits.argmax(axis=1))

    @property
    def uar(self) -> float:
        """Mean recall of the classes, 0 to 1."""
        return metrics.uar(self.labels, self.logits.argmax(axis=1))

    def calibration_error(self, temperature: float) -> float:
        """Return the expected calibration error in 15 bins, 0 to 1."""
        return metrics.calibration_error(softmax(self.logits, temperature), self.labels)


def clips_of(condition: str, spec: InputSpec, faces: Faces, voices: Sequence[Voice]) -> StarterClips:
    """Return the clips of ``condition``, always the same: faces that move a little, voices from their first sample.

    Args: condition: one of `CONDITIONS` or `LIVE_CONDITIONS`.
    """
    motion = LIVE if condition in LIVE_CONDITIONS else MILD
    if condition in LIVE_CONDITIONS:
        voices = [as_heard_live(voice, spec.window_seconds, number) for number, voice in enumerate(voices)]
    if condition.startswith("faces"):
        return StarterClips(spec, faces, motion=motion)
    if condition.startswith("voices"):
        return StarterClips(spec, voices=voices)
    return StarterClips(spec, faces, voices, motion=motion)


def as_heard_live(voice: Voice, seconds: float, number: int) -> Voice:
    """Return ``seconds`` that begin up to 1 s before ``voice``, or end up to 1 s after it, with zeros around it."""
    length, outside = round(seconds * RATE), round(_OUTSIDE * RATE)
    padded = np.pad(voice.sound, ((0, 0), (outside, max(outside, outside + length - voice.sound.shape[1]))))
    start = int(np.random.default_rng(number).integers(padded.shape[1] - length + 1))
    return replace(voice, sound=padded[:, start : start + length])


def score(answer: Answer, clips: StarterClips) -> Scored:
    """Return the logits of all ``clips``."""
    labels, logits = [], []
    with torch.inference_mode():
        for item in Batches(clips, _BATCH, threads=1):
            frames = augment.apply(item.frames, None, clips.spec.image_size)
            logits.append(answer(frames, item.spectrogram.expand(len(frames), -1, -1, -1)).float().numpy())
            assert isinstance(item.label, torch.Tensor)
            labels.append(item.label.numpy())
    return Scored(np.concatenate(labels), np.concatenate(logits))
