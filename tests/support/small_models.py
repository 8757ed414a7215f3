"""A model small enough to be made in a test, its file, and a window for it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.models.mma_dfer import MMADFER, untrained_model
from mmadfer.stream.window import Window
from mmadfer.types import Box, WeightsInfo

SPEC = InputSpec(image_size=32)
TINY = ModelConfig(
    width=64, depth=3, heads=2, bottleneck=16, prompt_updates=(0, 2), temporal_width=32, temporal_heads=2
)


def small_model(trained: bool = True) -> MMADFER:
    """Return the model, which says that it is trained or not."""
    model = untrained_model(SPEC, TINY)
    model.info = WeightsInfo("small", trained, temperature=2.0)
    return model


def stressed_model(gate: float = 0.3) -> MMADFER:
    """Return a small model whose branches see each other through gates that are open so far."""
    model = small_model()
    for fusion in model.fusion:
        fusion.face_gate.data.fill_(gate)
        fusion.audio_gate.data.fill_(gate)
    return model


def settled(path: Path) -> Path:
    """Return ``path``, made as old as weights are that were not written just now."""
    time = path.stat().st_mtime_ns - int(3600e9)
    os.utime(path, ns=(time, time))
    return path


def window(**changes: Any) -> Window:
    """Return a full window of noise."""
    random = np.random.RandomState(0)
    crops = list(random.randint(0, 256, (16, 32, 32, 3), dtype=np.uint8))
    whole = Window(3.0, 0.0, crops, [0.2 * k for k in range(16)], random.randn(1, 132300).astype(np.float32) * 0.1,
                   44100, Box(1, 2, 30, 30), (), 0.0, 1)  # fmt: skip
    return dataclasses.replace(whole, **changes)
