"""Fusion by a multimodal transformer: each modality attends to the other's tokens."""

from __future__ import annotations

import torch
from torch import nn

from mmadfer.models.mma_dfer.fusion.base import no_means
from mmadfer.models.mma_dfer.fusion.bottleneck import NarrowFusion
from mmadfer.models.parts.temporal import head_count


class CrossBlock(nn.Module):
    """A pre-norm transformer block whose queries are one modality's tokens, and keys and values the other's."""

    def __init__(self, width: int) -> None:
        """Args: width: token width."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.other_norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, head_count(width), batch_first=True)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Attend: ``(B, L, K)`` to ``(B, M, K)`` -> ``(B, L, K)``."""
        other = self.other_norm(other)
        tokens = tokens + self.attention(self.norm(tokens), other, other, need_weights=False)[0]
        return tokens + self.mlp(self.mlp_norm(tokens))


class MultimodalTransformer(NarrowFusion):
    """Two cross-modal blocks in the bottleneck's width, one a direction.

    Our reading of "multimodal transformer" in the paper's comparison of fusions: only the exchange differs from the
    bottleneck's. Each frame attends to all tokens of the sound, and the sound to all tokens of all frames.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        """Args: width: token width D; bottleneck: width K in which the modalities attend to each other."""
        super().__init__(width, bottleneck)
        self.to_face = CrossBlock(bottleneck)
        self.to_audio = CrossBlock(bottleneck)

    def forward(
        self, face: torch.Tensor, audio: torch.Tensor, kept_sum: torch.Tensor, num_frames: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Exchange once over a whole clip: ``(B, T, Nv, D)``, ``(B, Na, D)`` in and out, and means of no width."""
        face_low, audio_low = self.face_low(face), self.audio_low(audio)
        clip = face_low.flatten(1, 2)  # (B, T * Nv, K)
        to_face = self.to_face(clip, audio_low).view_as(face_low)
        to_audio = self.to_audio(audio_low, clip)
        return face + self.face_update(to_face), audio + self.audio_update(to_audio), no_means(face), kept_sum
