"""The golden numbers, as models and arrays."""

from __future__ import annotations

import importlib.util
import json
import types

import numpy as np
import torch

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.models.mma_dfer import MMADFER
from mmadfer.weights.official import key_table
from tests.support.places import GOLDEN


def _fill() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("golden_fill", GOLDEN / "fill.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fill = _fill()


def official_state(size: int, num_classes: int = 7) -> dict[str, torch.Tensor]:
    """Return the golden values of every tensor of an official checkpoint at ``size`` px."""
    shapes = json.loads((GOLDEN / "keys_224_7.json").read_text())
    shapes["image_encoder.pos_embed"] = [1, 1 + (size // 16) ** 2 + 6, 768]
    shapes["our_classifier.weight"], shapes["our_classifier.bias"] = [num_classes, 512], [num_classes]
    return {key: torch.from_numpy(value) for key, value in fill.fill_state_dict(shapes).items()}


def golden_model(size: int) -> MMADFER:
    """Return the model at ``size`` px with golden values."""
    with torch.device("meta"):
        model = MMADFER(InputSpec(image_size=size))
    state = official_state(size)
    model.load_state_dict({ours: state[key] for key, ours in key_table(ModelConfig()).items()}, assign=True)
    for parameter in model.tunable_parameters():
        parameter.requires_grad_(True)
    return model.eval()


def inputs(size: int, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return golden frames and spectrogram."""
    frames, spectrogram = fill.make_inputs(size, batch)
    return torch.from_numpy(frames), torch.from_numpy(spectrogram)


def largest_difference(ours: torch.Tensor, golden: np.ndarray) -> float:
    """Return the largest absolute difference."""
    return float((ours.detach() - torch.from_numpy(golden)).abs().max())
