"""Whether a voice is like those that a set of weights was trained on: told from the model's own input.

Weights that know a few speakers in one room are confident about any voice, and right about theirs alone. What is
compared is how recordings differ more than what is said in them: the spectrum's shape, its background, and how fast it
changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mmadfer.config import MelSpec

BACKGROUND = (0.05, 0.2, 0.5)
"""Shares of a window's columns below which its background lies, bin by bin."""
_VOICED = np.log(1000.0)
"""A column counts as voice where it is at most so much softer than the loudest one: 30 dB."""
_PER_BIN = 3 + len(BACKGROUND)
_FEWEST = 20
"""Columns without which nothing is told: 0.2 s."""


def columns(spectrogram: torch.Tensor, mel: MelSpec) -> np.ndarray:
    """Return the log-mel `(columns, bins)` inside the model's input `(1, 1, frames, bins)`, without its padding."""
    values = spectrogram[0, 0].numpy() * (2.0 * mel.std) + mel.mean
    padding = np.float32(0.0 - mel.mean) / np.float32(2.0 * mel.std)
    filled = np.flatnonzero((spectrogram[0, 0].numpy() != padding).any(axis=1))
    return values[: filled[-1] + 1] if len(filled) else values[:0]


def features(log_mel: np.ndarray) -> np.ndarray | None:
    """Return what a recording is known by, `(6 * bins,)`, whatever its level; None where there is too little of it.

    Of each bin: mean and deviation over the columns with a voice, `BACKGROUND` of all columns, and the mean step from
    one column to the next.
    """
    if len(log_mel) < _FEWEST:
        return None
    energy = np.logaddexp.reduce(log_mel, axis=1)
    voiced = log_mel[energy > energy.max() - _VOICED]
    level = voiced.mean()
    ordered = np.sort(log_mel, axis=0)
    background = [ordered[int(share * (len(ordered) - 1))] - level for share in BACKGROUND]
    steps = np.abs(np.diff(log_mel, axis=0)).mean(axis=0)
    return np.concatenate([voiced.mean(axis=0) - level, voiced.std(axis=0), *background, steps])


def is_familiar(spectrogram: torch.Tensor, mel: MelSpec, coefficients: Sequence[float]) -> bool:
    """Return whether the voice in a model's input is like those that its weights know.

    Args: spectrogram: `(1, 1, frames, bins)`, as `preprocess.sound_input` gives it; coefficients: of the features, then
    what is added: familiar is what comes to 0 or more (`WeightsInfo.familiar_voice`). A window with too little sound to
    tell is taken as familiar.
    Raises ValueError where there are not as many coefficients.
    """
    if len(coefficients) != count(mel):
        raise ValueError(f"expected {count(mel)} coefficients for {mel.bins} mel bins, got {len(coefficients)}")
    found = features(columns(spectrogram, mel))
    return found is None or float(found @ np.asarray(coefficients[:-1])) + coefficients[-1] >= 0


def count(mel: MelSpec) -> int:
    """Return how many coefficients `is_familiar` takes."""
    return _PER_BIN * mel.bins + 1
