"""Temporal adapters: between the encoder's blocks, the frames of a clip see each other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from mmadfer.models.parts.temporal import TemporalAttention, head_count


class TemporalAdapter(nn.Module):
    """Self-attention over the frames, separately at each token's place, in a narrow width.

    Our reading of the paper's "intermediate adapters": built as its fusion bottleneck is (down, LayerNorm, up, GELU, a
    gate that starts at 0), with attention over time in between and a learned position for each frame.
    """

    def __init__(self, width: int, narrow: int, num_frames: int) -> None:
        """Args: width: token width D; narrow: the adapter's width R; num_frames: T."""
        super().__init__()
        self.down = nn.Linear(width, narrow)
        self.norm = nn.LayerNorm(narrow)
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, num_frames, 1, narrow))
        self.attention = TemporalAttention(narrow, head_count(narrow))
        self.up = nn.Linear(narrow, width)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, face: torch.Tensor) -> torch.Tensor:
        """Return the frames' tokens, each having seen the other frames': ``(B, T, N, D)`` -> ``(B, T, N, D)``."""
        low = self.norm(self.down(face)) + self.pos_embed  # (B, T, N, R)
        places = low.transpose(1, 2)  # (B, N, T, R)
        seen = self.attention(places.flatten(0, 1)).view_as(places).transpose(1, 2)
        return face + F.gelu(self.up(seen)) * torch.tanh(self.gate)
