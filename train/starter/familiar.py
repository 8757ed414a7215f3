"""What tells the voices that the starter weights know from all others, fitted on both kinds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mmadfer.config import InputSpec
from mmadfer.data.adapters.starter import RATE, Voice
from mmadfer.preprocess import sound_input
from mmadfer.sound.familiarity import columns, features

from .scores import as_heard_live

MISSED = 0.04
"""Share of the validation actors' windows that may be taken for a stranger's."""
_PENALTY = 1 / 0.03
"""On the squares of the coefficients, of standardised features: there are hundreds, and many go together."""
_SHORTEST = 1.5
"""Of a window that is still filling, s."""
_STEPS = 200


def familiar_voice(
    known: Sequence[Voice], strangers: Sequence[Voice], held_out: Sequence[Voice], spec: InputSpec
) -> tuple[float, ...]:
    """Return the coefficients of `WeightsInfo.familiar_voice`.

    Args: known: voices that the weights were trained on; strangers: any others; held_out: speakers of the known corpus
    who are in none of both: so many of their windows count as familiar as `MISSED` allows.
    """
    own, other = windows(known, spec), windows(strangers, spec)
    values = np.concatenate([own, other])
    mean, deviation = values.mean(axis=0), values.std(axis=0) + 1e-6
    is_own = np.arange(len(values)) < len(own)
    slopes = _separating((values - mean) / deviation, is_own) / deviation
    least = float(np.quantile(windows(held_out, spec) @ slopes, MISSED))
    return (*np.round(slopes, 6).tolist(), round(-least, 4))


def windows(voices: Sequence[Voice], spec: InputSpec) -> np.ndarray:
    """Return the features of ``voices``, `(3 * N, F)`: from the first sample on, as heard live, and cut short."""
    found = []
    for number, voice in enumerate(voices):
        live = as_heard_live(voice, spec.window_seconds, number)
        length = round(np.random.default_rng(number).uniform(_SHORTEST, spec.window_seconds) * RATE)
        for each in (voice.sound, live.sound, live.sound[:, -length:]):
            seen = features(columns(sound_input(each, RATE, spec), spec.mel))
            found += [] if seen is None else [seen]
    return np.stack(found)


def _separating(values: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return the slopes of a logistic regression whose two classes count alike."""
    inputs, truth = torch.from_numpy(values).double(), torch.from_numpy(positive).double()
    weights = torch.where(truth > 0, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    slopes, offset = (torch.zeros(size, dtype=torch.float64, requires_grad=True) for size in (inputs.shape[1], 1))
    search = torch.optim.LBFGS([slopes, offset], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        search.zero_grad()
        logits = inputs @ slopes + offset
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, weights, reduction="sum")
        loss = loss + _PENALTY / 2 * (slopes**2).sum()
        loss.backward()
        return loss

    search.step(closure)
    return slopes.detach().numpy()
