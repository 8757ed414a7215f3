"""Many frames resized at once as PIL's bilinear filter does it one by one, within 1 of 255 levels, on any device.

PIL rounds twice, after the rows and after the columns. Whoever rounds once is never more than one level off; whoever
rounds twice by other weights, as PyTorch does with bytes, is two levels off at some pixels in every few clips.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F


def resized(frames: torch.Tensor, size: int, flip: bool = False) -> torch.Tensor:
    """Return ``frames`` `(T, h, w, 3)` in levels 0 to 255 as `(T, size, size, 3)` in whole levels.

    Args: frames: uint8 on a CPU, or float32 in whole levels on any device; flip: mirror left and right afterwards.
    """
    if frames.dtype != torch.uint8:
        return _floats(frames, size, flip)
    if max(frames.shape[1:3]) <= size:
        return _enlarged(frames, size, flip)
    return _shrunk(frames, size, flip)


def _floats(frames: torch.Tensor, size: int, flip: bool) -> torch.Tensor:
    planes = frames.permute(0, 3, 1, 2)
    if planes.shape[2:] != (size, size):
        planes = F.interpolate(planes, (size, size), mode="bilinear", antialias=True).round_()
    return (planes.flip(3) if flip else planes).permute(0, 2, 3, 1)


def _enlarged(frames: torch.Tensor, size: int, flip: bool) -> torch.Tensor:
    """Resize bytes where neither side shrinks: OpenCV's filter is PIL's then, and the fastest."""
    result = torch.empty(len(frames), size, size, 3, dtype=torch.uint8)
    for source, target in zip(frames.numpy(), result.numpy(), strict=True):
        cv2.resize(source, (size, size), dst=target, interpolation=cv2.INTER_LINEAR)
        if flip:
            cv2.flip(target, 1, dst=target)
    return result


def _shrunk(frames: torch.Tensor, size: int, flip: bool) -> torch.Tensor:
    """Resize bytes in float32: columns of pixels are summed to new columns, and after a transposition rows to rows."""
    count, height, width = frames.shape[:3]
    columns = np.empty((width, count, height, 3), dtype=np.uint8)
    for k, frame in enumerate(frames.numpy()):
        cv2.transpose(frame, dst=columns[:, k])
    taps = filter_taps(width, size)
    new_columns = _summed(torch.from_numpy(columns), *((part.flip(0) for part in taps) if flip else taps))
    rows = np.empty((height, count, size, 3), dtype=np.float32)
    for k in range(count):
        cv2.transpose(new_columns[:, k].numpy(), dst=rows[:, k])
    return _summed(torch.from_numpy(rows), *filter_taps(height, size)).round_().transpose(0, 1)


def _summed(lines: torch.Tensor, places: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return weighted sums of ``lines`` `(old, ...)` as `(new, ...)` float32."""
    flat = lines.to(torch.float32).view(len(lines), -1)
    return F.embedding_bag(places, flat, mode="sum", per_sample_weights=weights).view(-1, *lines.shape[1:])


@functools.lru_cache(maxsize=1024)
def filter_taps(old: int, new: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which of ``old`` pixels each of ``new`` pixels is summed of, and by what weights; both `(new, taps)`.

    The weights are a triangle around the new pixel's middle, as wide as the larger pixel on either side, and sum to 1.
    """
    scale = old / new
    reach = max(scale, 1.0)
    middles = (torch.arange(new, dtype=torch.float64)[:, None] + 0.5) * scale
    places = (middles - reach).floor().long() + torch.arange(2 * math.ceil(reach) + 1)
    weights = (1.0 - (places + 0.5 - middles).abs() / reach).clamp_min_(0.0)
    weights = torch.where((places >= 0) & (places < old), weights, 0.0)
    return places.clamp_(0, old - 1), (weights / weights.sum(dim=1, keepdim=True)).to(torch.float32)
