"""Fusion by addition: the other modality's mean, as it is."""

from __future__ import annotations

import torch
from torch import nn

from mmadfer.models.mma_dfer.fusion.base import Fusion, clip_mean


class AdditionFusion(Fusion):
    """The mean over the other modality's tokens, in full width, added to each token.

    Our reading of "addition" in the paper's comparison of fusions: the bottleneck without its projections. The gates,
    which start at 0, stay, or the frozen encoders would begin with input they were not trained on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.face_gate = nn.Parameter(torch.zeros(1))
        self.audio_gate = nn.Parameter(torch.zeros(1))

    def forward(
        self, face: torch.Tensor, audio: torch.Tensor, kept_sum: torch.Tensor, num_frames: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Exchange once, see `Fusion.forward`: ``(B, k, Nv, D)``, ``(B, Na, D)`` in and out, and both means."""
        audio_mean = audio.mean(dim=1)
        face, frame_means = self.face_side(face, audio_mean)
        update = clip_mean(frame_means, kept_sum, num_frames) * torch.tanh(self.audio_gate)
        return face, audio + update, frame_means, audio_mean

    def face_side(self, face: torch.Tensor, audio_mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Let the frames see the sound, see `Fusion.face_side`: ``(B, k, Nv, D)``, ``(B, D)``."""
        return face + audio_mean[:, None, None] * torch.tanh(self.face_gate), face.mean(dim=2)
