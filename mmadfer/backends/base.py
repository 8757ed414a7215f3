"""What a backend is, and how one is chosen: a named one is used or refused, never replaced by another."""

from __future__ import annotations

from typing import Protocol

import torch

from mmadfer.model import MMADFER

BACKENDS = ("auto", "pytorch")


class Backend(Protocol):
    """Runs one set of weights on one device."""

    device: str
    """Where it runs, such as "cpu" or "cuda:0"."""
    description: str
    """Engine, precision and device in words, such as "PyTorch bf16 on AMD EPYC"."""

    def __call__(self, frames: torch.Tensor, spectrogram: torch.Tensor) -> torch.Tensor:
        """Return the logits, float32 on the CPU: ``(B, T, 3, S, S)``, ``(B, 1, 512, 128)`` -> ``(B, C)``."""

    def warmup(self) -> None:
        """Run once on blank input, so that the first real window is not the slow one."""

    def close(self) -> None:
        """Free what it holds; it cannot be called afterwards."""


def load_backend(model: MMADFER, backend: str = "auto", device: str = "auto") -> Backend:
    """Return ``backend`` running ``model`` on ``device``; the model must not be used by the caller afterwards.

    Args: backend: one of `BACKENDS`; device: "auto" (the GPU where PyTorch sees one, else the CPU), "cpu", "cuda" or
    "cuda:N". Raises ValueError where the backend is unknown or the device is not there.
    """
    if backend not in BACKENDS:
        raise ValueError(f"there is no backend {backend!r}; choose one of {', '.join(BACKENDS)}")
    from mmadfer.backends.pytorch import PyTorchBackend

    return PyTorchBackend(model, device)
