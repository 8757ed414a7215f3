"""What tests of the streaming step share: a stream of windows, a backend, and the exact pass beside it."""

from __future__ import annotations

import numpy as np
import torch

from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.preprocess import model_inputs
from mmadfer.stream.window import Window
from mmadfer.types import State
from tests.support.small_models import SPEC, stressed_model

HOP = SPEC.hop_seconds


def backend(gate: float = 0.3) -> PyTorchBackend:
    """Return a small model whose branches see each other."""
    return PyTorchBackend(stressed_model(gate), "cpu", "fp32")


def window_after(hop: int, sound: int | None = None, states: tuple[State, ...] = (), missing: int = 0) -> Window:
    """Return the window that ends after ``hop`` hops: frame k of the stream always looks the same."""
    first = hop - 16
    crops = [np.random.RandomState(1000 + k).randint(0, 256, (32, 32, 3), dtype=np.uint8) for k in range(first, hop)]
    times = [HOP * k for k in range(first, hop)]
    waveform = np.random.RandomState(hop if sound is None else sound).randn(1, 132300).astype(np.float32)
    crops, times = crops[missing:] + [crops[-1]] * missing, times[missing:] + [times[-1]] * missing
    return Window(HOP * hop, HOP * first, crops, times, 0.1 * waveform, 44100, None, states, 0.0, hop)


def exact(engine: PyTorchBackend, given: Window) -> torch.Tensor:
    """Return the logits of the whole pass."""
    return engine(*model_inputs(given.crops, given.heard(SPEC), given.sample_rate, SPEC))


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the largest probability difference."""
    return (a.softmax(-1) - b.softmax(-1)).abs().max().item()
