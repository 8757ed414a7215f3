"""From logits to an answer: what may be trusted, calibration, smoothing over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mmadfer.config import InputSpec
from mmadfer.types import NOBODY_HEARD, Box, Prediction, State

__all__ = ["Box", "Prediction", "ProbabilitySmoother", "State", "probabilities", "softmax", "trusted"]


def trusted(states: Sequence[State], spec: InputSpec) -> bool:
    """Return whether an answer under ``states`` may be shown as one by weights with this ``spec``.

    Where there is neither a face nor a voice there is nothing to answer about, whatever the weights can do without.
    """
    missing = {State.NO_FACE: "face", State.NO_SOUND: "audio"}
    nothing = State.NO_FACE in states and not NOBODY_HEARD.isdisjoint(states)
    if State.UNTRAINED in states or nothing:
        return False
    return all(missing[state] in spec.handles_missing for state in states if state in missing)


def softmax(logits: np.ndarray, temperature: float = 1.0, bias: Sequence[float] = ()) -> np.ndarray:
    """Return the softmax over the last axis, of logits plus ``bias``, divided by ``temperature``; float64.

    Args: logits: `(..., C)`, as is the result; bias: one number for each class, or none.
    Raises ValueError where their count differs or a logit is not finite.
    """
    values = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            "the model returned logits that are not finite numbers; its weights or its precision are at fault"
        )
    if len(bias):
        if len(bias) != values.shape[-1]:
            raise ValueError(f"expected {values.shape[-1]} logit biases, one for each class, got {len(bias)}")
        values = values + np.asarray(bias, dtype=np.float64)
    values = np.exp((values - values.max(axis=-1, keepdims=True)) / temperature)
    return values / values.sum(axis=-1, keepdims=True)


def probabilities(
    logits: Sequence[float] | np.ndarray, labels: Sequence[str], temperature: float = 1.0, bias: Sequence[float] = ()
) -> dict[str, float]:
    """Return `softmax` of ``logits`` as {label: probability}, in the order of ``labels``.

    Raises ValueError where the counts differ or a logit is not finite.
    """
    values = np.asarray(logits, dtype=np.float64)
    if values.shape != (len(labels),):
        raise ValueError(
            f"expected {len(labels)} logits, one for each of {', '.join(labels)}; got shape {values.shape}"
        )
    return dict(zip(labels, softmax(values, temperature, bias).tolist(), strict=True))


class ProbabilitySmoother:
    """Exponential smoothing of probabilities over time; a time constant of 0 s passes them through."""

    def __init__(self, time_constant: float = 0.0) -> None:
        """Args: time_constant: seconds after which a step has moved the answer by 63 %."""
        if time_constant < 0:
            raise ValueError(f"time_constant must be 0 or more seconds, got {time_constant}")
        self.time_constant = time_constant
        self.reset()

    def reset(self) -> None:
        """Forget everything pushed so far."""
        self._time: float | None = None
        self._values: dict[str, float] = {}

    def push(self, time: float, values: Mapping[str, float]) -> dict[str, float]:
        """Take the probabilities at ``time`` (s) and return the smoothed ones; they still sum to 1."""
        if self._time is None or self.time_constant == 0 or time < self._time:
            self._values = dict(values)
        else:
            keep = math.exp(-(time - self._time) / self.time_constant)
            self._values = {name: keep * self._values[name] + (1 - keep) * value for name, value in values.items()}
        self._time = time
        return dict(self._values)
