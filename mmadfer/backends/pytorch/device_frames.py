"""Face crops to a GPU: they travel as bytes, and become the model's frames there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mmadfer.config import InputSpec
from mmadfer.preprocess import frame_pixels

_LUMA = (19595, 38470, 7471)
"""PIL's weights of red, green and blue, in 65536ths (ITU-R 601-2)."""


def device_frames(crops: Sequence[np.ndarray], spec: InputSpec, device: torch.device) -> torch.Tensor:
    """Return what `mmadfer.preprocess.frame_inputs` returns, bit for bit, made on ``device``: `(k, 3, S, S)` in [0, 1].

    Crops of another size than S are resized on the CPU first, by the one filter that the weights know (PIL's).

    Args: crops: k face crops, uint8; none at all gives the whole window in black.
    Raises ValueError on malformed arrays.
    """
    size = spec.image_size
    if not len(crops):
        return torch.zeros(spec.num_frames, 3, size, size, device=device)
    # From PyTorch's pool of pinned memory, which gives a block out again only once the GPU has read it.
    pixels = torch.empty(len(crops), size, size, 3, dtype=torch.uint8, pin_memory=device.type == "cuda")
    rows = pixels.numpy()
    for row, crop in zip(rows, crops, strict=True):
        row[:] = frame_pixels(crop, spec)
    return normalised(pixels.to(device, non_blocking=True), spec.color)


def normalised(pixels: torch.Tensor, color: str) -> torch.Tensor:
    """Return ``pixels`` as frames: `(k, S, S, 3)` uint8 -> `(k, 3, S, S)` float32 in [0, 1], on the device they are on.

    Args: color: "rgb", or "grey" for the luma three times.
    """
    frames = pixels.permute(0, 3, 1, 2)
    if color == "grey":
        red, green, blue = frames.to(torch.int32).unbind(1)
        luma = (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue + 32768) >> 16
        frames = luma.unsqueeze(1).expand(-1, 3, -1, -1)
    whole = frames.to(torch.float32, memory_format=torch.contiguous_format)
    # By a tensor: CUDA multiplies by the reciprocal of a plain number, which rounds differently.
    return whole.div_(torch.full((), 255.0, device=pixels.device))


def pinned(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return ``tensor`` in memory that ``device`` reads by itself, so that the CPU need not wait for the copy.

    It is as it was where nothing has to be uploaded to a GPU; else another, and the caller may change ``tensor``.
    """
    return tensor.pin_memory() if device.type == "cuda" and tensor.device.type == "cpu" else tensor
