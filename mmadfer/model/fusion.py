"""The fusion bottleneck: how face and voice exchange what they see after every block."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class FusionBottleneck(nn.Module):
    """Two narrow adapters that add the other modality's mean to each token (paper, section 3.2, eq. 3-6).

    Both modalities are projected down to K; each one's tokens plus the other's mean over all its tokens go through
    GELU(Linear(K, D)), scaled by tanh of a gate that starts at 0, and are added to the tokens.
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

    def forward(
        self, face: torch.Tensor, audio: torch.Tensor, kept_sum: torch.Tensor, num_frames: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Exchange once.

        Args: face: tokens of the k frames at hand ``(B, k, Nv, D)``; audio: ``(B, Na, D)``; kept_sum: the sum of the
        frame means of the clip's other frames ``(B, K)``; num_frames: frames of the whole clip.
        Returns: face and audio in their shapes, the mean over each frame's tokens ``(B, k, K)``, and that over the
        sound's ``(B, K)``.
        """
        audio_low = self.audio_norm(self.audio_down(audio))  # (B, Na, K)
        audio_mean = audio_low.mean(dim=1)
        face, frame_means = self.face_side(face, audio_mean)
        # Over all tokens of all frames of the clip: every frame has as many tokens as the next.
        face_context = ((frame_means.sum(dim=1) + kept_sum) / num_frames).unsqueeze(1)
        audio_update = F.gelu(self.audio_up(audio_low + face_context)) * torch.tanh(self.audio_gate)
        return face, audio + audio_update, frame_means, audio_mean

    def face_side(self, face: torch.Tensor, audio_mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Let the frames see the sound, of which its mean is enough.

        Args: face: ``(B, k, Nv, D)``; audio_mean: ``(B, K)``.
        Returns: face in its shape, and the mean over each frame's tokens ``(B, k, K)``.
        """
        face_low = self.face_norm(self.face_down(face))  # (B, k, Nv, K)
        update = F.gelu(self.face_up(face_low + audio_mean[:, None, None])) * torch.tanh(self.face_gate)
        return face + update, face_low.mean(dim=2)
