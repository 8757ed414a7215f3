"""Mixup and CutMix: each clip of a batch is joined with another one, and so are their labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Mixing:
    """How clips are mixed: which part of the batches, and by what."""

    share: float = 0.0
    """Of the batches that are mixed; 0: none."""
    mixup: float = 0.8
    """Parameter of the Beta distribution that two clips' weights come from (Zhang et al. 2018); 0: no mixup."""
    cutmix: float = 0.0
    """The same of the part of a clip that stays its own where a box of another is put into it (Yun et al. 2019). With
    both, one batch in two is mixed by each."""

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be from 0 to 1, got {self.share}")
        for name in ("mixup", "cutmix"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be 0 or more and finite, got {getattr(self, name)}")
        if self.share and not (self.mixup or self.cutmix):
            raise ValueError("a share of batches to mix needs mixup or cutmix above 0")


def mixed(
    frames: torch.Tensor, spectrogram: torch.Tensor, labels: torch.Tensor, classes: int, mixing: Mixing
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a batch each clip of which is joined with the one opposite in it, by draws from torch's own state.

    Args: frames `(B, T, 3, S, S)`; spectrogram `(B, 1, frames, bins)`; labels `(B,)`; classes: C.
    Returns: the two, and the shares of the classes `(B, C)`. A box is put into the frames; sound is laid over sound.
    """
    targets = F.one_hot(labels, classes).to(frames.dtype)
    if float(torch.rand(())) >= mixing.share:
        return frames, spectrogram, targets
    count, side = len(frames), frames.shape[-1]
    boxes = mixing.cutmix > 0 and (not mixing.mixup or float(torch.rand(())) < 0.5)
    parameter = torch.full((count,), mixing.cutmix if boxes else mixing.mixup)
    own = torch.distributions.Beta(parameter, parameter).sample()
    if boxes:
        kept = _around_boxes(own, side)
        own = kept.mean(dim=(1, 2))
    else:
        kept = own[:, None, None].expand(count, side, side)
    kept, own = kept.to(frames)[:, None, None], own.to(frames)
    sound = own[:, None, None, None]
    return (
        kept * frames + (1 - kept) * frames.flip(0),
        sound * spectrogram + (1 - sound) * spectrogram.flip(0),
        own[:, None] * targets + (1 - own[:, None]) * targets.flip(0),
    )


def _around_boxes(own: torch.Tensor, side: int) -> torch.Tensor:
    """Return `(B, side, side)`: 1, but 0 in a box, cut off at the edges, that leaves about ``own`` `(B,)` of it."""
    half = side * torch.sqrt(1 - own) / 2
    centres = side * torch.rand(2, len(own))
    pixels = torch.arange(side) + 0.5
    down, across = ((pixels - centre[:, None]).abs() < half[:, None] for centre in centres)
    return 1 - (down[:, :, None] & across[:, None]).float()
