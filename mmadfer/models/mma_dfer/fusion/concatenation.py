"""Fusion by a transformer on the concatenation of both modalities' tokens."""

from __future__ import annotations

import torch
from timm.models.vision_transformer import Block

from mmadfer.models.mma_dfer.fusion.base import no_means
from mmadfer.models.mma_dfer.fusion.bottleneck import NarrowFusion
from mmadfer.models.parts.temporal import head_count


class ConcatenationFusion(NarrowFusion):
    """One transformer block over the tokens of all frames and of the sound, in the bottleneck's width.

    Our reading of "transformer on the concatenation" in the paper's comparison of fusions: only the exchange differs
    from the bottleneck's. Frames see each other here, so the block also models time.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        """Args: width: token width D; bottleneck: width K of the concatenated tokens."""
        super().__init__(width, bottleneck)
        self.block = Block(bottleneck, head_count(bottleneck), qkv_bias=True)

    def forward(
        self, face: torch.Tensor, audio: torch.Tensor, kept_sum: torch.Tensor, num_frames: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Exchange once over a whole clip: ``(B, T, Nv, D)``, ``(B, Na, D)`` in and out, and means of no width."""
        face_low, audio_low = self.face_low(face), self.audio_low(audio)
        tokens = self.block(torch.cat([face_low.flatten(1, 2), audio_low], dim=1))  # (B, T * Nv + Na, K)
        sound = audio.shape[1]
        face_seen, audio_seen = tokens[:, :-sound].view_as(face_low), tokens[:, -sound:]
        return face + self.face_update(face_seen), audio + self.audio_update(audio_seen), no_means(face), kept_sum
