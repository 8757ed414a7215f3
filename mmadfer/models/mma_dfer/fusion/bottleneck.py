"""The fusion bottleneck, and the narrow adapters that it shares with other ways of fusion."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from mmadfer.models.mma_dfer.fusion.base import Fusion, clip_mean


class NarrowFusion(Fusion):
    """An adapter on each encoder: down to K, where the exchange takes place, and up again.

    What comes up goes through GELU, is scaled by tanh of a gate that starts at 0, and is added to the tokens.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        """Args: width: token width D; bottleneck: width K of the exchanged tokens."""
        super().__init__()
        self.face_down = nn.Linear(width, bottleneck)
        self.face_norm = nn.LayerNorm(bottleneck)
        self.audio_down = nn.Linear(width, bottleneck)
        self.audio_norm = nn.LayerNorm(bottleneck)
        self.face_up = nn.Linear(bottleneck, width)
        self.audio_up = nn.Linear(bottleneck, width)
        self.face_gate = nn.Parameter(torch.zeros(1))
        self.audio_gate = nn.Parameter(torch.zeros(1))

    def face_low(self, face: torch.Tensor) -> torch.Tensor:
        """Return narrow face tokens: ``(..., D)`` -> ``(..., K)``."""
        return self.face_norm(self.face_down(face))

    def audio_low(self, audio: torch.Tensor) -> torch.Tensor:
        """Return narrow sound tokens: ``(..., D)`` -> ``(..., K)``."""
        return self.audio_norm(self.audio_down(audio))

    def face_update(self, low: torch.Tensor) -> torch.Tensor:
        """Return what is added to the face tokens: ``(..., K)`` -> ``(..., D)``."""
        return F.gelu(self.face_up(low)) * torch.tanh(self.face_gate)

    def audio_update(self, low: torch.Tensor) -> torch.Tensor:
        """Return what is added to the sound's tokens: ``(..., K)`` -> ``(..., D)``."""
        return F.gelu(self.audio_up(low)) * torch.tanh(self.audio_gate)


class FusionBottleneck(NarrowFusion):
    """The paper's fusion: the other modality's mean is added to each narrow token (section 3.2, eq. 3-6)."""

    def forward(
        self, face: torch.Tensor, audio: torch.Tensor, kept_sum: torch.Tensor, num_frames: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Exchange once, see `Fusion.forward`: ``(B, k, Nv, D)``, ``(B, Na, D)`` in and out, and both means."""
        low = self.audio_low(audio)  # (B, Na, K)
        audio_mean = low.mean(dim=1)
        face, frame_means = self.face_side(face, audio_mean)
        update = self.audio_update(low + clip_mean(frame_means, kept_sum, num_frames))
        return face, audio + update, frame_means, audio_mean

    def face_side(self, face: torch.Tensor, audio_mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Let the frames see the sound, see `Fusion.face_side`: ``(B, k, Nv, D)``, ``(B, K)``."""
        low = self.face_low(face)  # (B, k, Nv, K)
        return face + self.face_update(low + audio_mean[:, None, None]), low.mean(dim=2)
