"""Fusion: how face and voice exchange what they see after every block, in as many ways as the paper compares.

What every way has in common; each has a file of its own, and `mmadfer.models.mma_dfer.variants` chooses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn


class Fusion(nn.Module, ABC):
    """One exchange between the encoders."""

    @abstractmethod
    def forward(
        self, face: torch.Tensor, audio: torch.Tensor, kept_sum: torch.Tensor, num_frames: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Exchange once. K is the configuration's ``context_width``.

        Args: face: tokens of the k frames at hand ``(B, k, Nv, D)``; audio: ``(B, Na, D)``; kept_sum: the sum of the
        frame means of the clip's other frames ``(B, K)``; num_frames: frames of the whole clip.
        Returns: face and audio in their shapes, the mean over each frame's tokens ``(B, k, K)``, and that over the
        sound's ``(B, K)``.
        """

    def face_side(self, face: torch.Tensor, audio_mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Let the frames see the sound, where its mean is enough.

        Args: face: ``(B, k, Nv, D)``; audio_mean: ``(B, K)``.
        Returns: face in its shape, and the mean over each frame's tokens ``(B, k, K)``.
        """
        raise NotImplementedError(f"in {type(self).__name__} frames see more of the sound than its mean")


class NoFusion(Fusion):
    """No exchange: the encoders meet in the sum of their CLS only."""

    def forward(
        self, face: torch.Tensor, audio: torch.Tensor, kept_sum: torch.Tensor, num_frames: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return ``(B, k, Nv, D)`` and ``(B, Na, D)`` as they came, and means of no width."""
        return face, audio, no_means(face), kept_sum

    def face_side(self, face: torch.Tensor, audio_mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(B, k, Nv, D)`` as it came, and means of no width."""
        return face, no_means(face)


def no_means(face: torch.Tensor) -> torch.Tensor:
    """Return frame means of width 0, where no step could use any: ``(B, k, Nv, D)`` -> ``(B, k, 0)``."""
    return face.new_zeros(*face.shape[:2], 0)


def clip_mean(frame_means: torch.Tensor, kept_sum: torch.Tensor, num_frames: int) -> torch.Tensor:
    """Return the mean over all tokens of all frames of the clip: ``(B, k, K)``, ``(B, K)`` -> ``(B, 1, K)``.

    Every frame has as many tokens as the next, so the mean of the frames' means is the mean of all.
    """
    return ((frame_means.sum(dim=1) + kept_sum) / num_frames).unsqueeze(1)
