"""Small models of every kind that the paper has, and clips for them."""

from __future__ import annotations

import torch

from mmadfer.config import InputSpec, MelSpec, ModelConfig
from mmadfer.models.mma_dfer import MMADFER

SPEC = InputSpec(image_size=32, labels=("a", "b", "c"), num_frames=4, mel=MelSpec(bins=16, frames=48))
SMALL = ModelConfig(width=32, heads=2, bottleneck=8, temporal_width=16, temporal_heads=2, temporal_mlp=32)


def opened(model: MMADFER) -> MMADFER:
    """Open the gates of ``model``."""
    for name, parameter in model.named_parameters():
        if name.endswith("gate"):
            parameter.data.fill_(0.7)
    return model


def clip(seed: int, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Return frames and a spectrogram."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.rand(batch, 4, 3, 32, 32, generator=generator)
    return frames, torch.randn(batch, 1, 48, 16, generator=generator)
