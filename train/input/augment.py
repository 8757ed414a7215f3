"""What is done to decoded frames in training: brightness, crop, resize and flip; one draw per clip, on any device.

The draws are the published ones, and so is the order: brightness in whole levels of 0 to 255, cut off at both ends;
then the crop, resized by PIL's bilinear filter; then the flip. Results are within 1/255 of PIL's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from ..augmentation import Draw
from .resize import resized


def apply(frames: torch.Tensor, draws: Sequence[Draw] | None, size: int) -> torch.Tensor:
    """Return `(B, T, 3, size, size)` float32 in [0, 1] on the device of ``frames``: what the model takes.

    Args: frames: `(B, T, side, side, 3)` uint8; draws: one for each of the B clips, or None for test time: resize
    alone; size: px. Raises ValueError on another shape or type, and on another number of draws.
    """
    if frames.dtype != torch.uint8 or frames.ndim != 5 or frames.shape[2] != frames.shape[3] or frames.shape[4] != 3:
        raise ValueError(
            f"frames must be uint8 of shape (clips, frames, side, side, 3), got {frames.dtype} of {tuple(frames.shape)}"
        )
    clips, count, side = frames.shape[:3]
    if draws is not None and len(draws) != clips:
        raise ValueError(f"{clips} clips need as many draws, got {len(draws)}")
    if draws is None and side == size:
        return frames.to(torch.float32).div_(torch.full((), 255.0, device=frames.device)).permute(0, 1, 4, 2, 3)
    # Colours side by side, as they come; what is returned is a view of it in the order that the model names.
    out = _empty((clips, count, size, size, 3), frames.device)
    for clip, result, draw in zip(frames, out, draws or [Draw()] * clips, strict=True):
        left, top, width, height = draw.box(side)
        crop = _brightened(clip[:, top : top + height, left : left + width], draw.brightness)
        result.copy_(resized(crop, size, draw.flip))
    # By a tensor: CUDA multiplies by the reciprocal of a plain number, which rounds differently.
    return out.div_(torch.full((), 255.0, device=out.device)).permute(0, 1, 4, 2, 3)


def _empty(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return a float32 tensor to be filled. NumPy asks for large pages: filling small ones takes four times as long."""
    if device.type == "cpu":
        return torch.from_numpy(np.empty(shape, dtype=np.float32))
    return torch.empty(shape, device=device)


def _works_on_bytes(device: torch.device) -> bool:
    """Say whether ``device`` resizes bytes, as CPUs do, many at a time; others are given floats in whole levels."""
    return device.type == "cpu"


def _brightened(crop: torch.Tensor, factor: float) -> torch.Tensor:
    """Return ``crop`` `(T, h, w, 3)` times ``factor``, in levels that are cut down to whole ones as PIL does it."""
    if not _works_on_bytes(crop.device):
        return crop.to(torch.float32).mul_(factor).clamp_(max=255.0).floor_()
    if factor == 1.0:
        return crop
    table = torch.arange(256, dtype=torch.float32).mul_(factor).clamp_(max=255.0).to(torch.uint8).numpy()
    bright = torch.empty(crop.shape, dtype=torch.uint8)
    for source, target in zip(crop.numpy(), bright.numpy(), strict=True):
        cv2.LUT(source, table, dst=target)
    return bright
