"""The convolutional patch embedding: for encoders trained from scratch on little data."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class _Stage(nn.Module):
    """Shrinks the image by its stride, then adds what further pairs of convolutions see in it."""

    def __init__(self, channels: int, width: int, stride: int, pairs: int) -> None:
        super().__init__()
        self.shrink = nn.Sequential(*_convolution(channels, width, stride), nn.GELU())
        self.mixes = nn.ModuleList(
            nn.Sequential(*_convolution(width, width), nn.GELU(), *_convolution(width, width)) for _ in range(pairs)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Shrink: ``(N, C, H, W)`` -> ``(N, width, H / stride, W / stride)``."""
        image = self.shrink(image)
        for mix in self.mixes:
            image = F.relu(image + mix(image))
        return image


def _convolution(channels: int, width: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)


class ConvStem(nn.Module):
    """Patches made by stages of convolutions instead of one; stands where timm's `PatchEmbed` does.

    One stage for each prime factor of the patch size (16 px: four of stride 2), each twice as wide as the one before.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        patch_size: int,
        in_channels: int,
        width: int,
        pairs: tuple[int, ...] = (),
    ) -> None:
        """Args: input_size: height and width; patch_size: px; in_channels: 3 or 1; width: token width D; pairs: of
        convolutions in each stage, one where empty. With one number more than stages, a stage at full size comes first.

        Raises ValueError where the patch size has other prime factors than 2 and 3, whose pixels would be skipped, and
        where the pairs are not those of the stages.
        """
        super().__init__()
        strides = _strides(patch_size)
        pairs = pairs or (1,) * len(strides)
        if len(pairs) - len(strides) not in (0, 1) or min(pairs) < 1:
            raise ValueError(
                f"the stem of {patch_size} px patches has {len(strides)} stages, or one more at full size, of one pair "
                f"of convolutions or more each; got {pairs}"
            )
        strides = [1] * (len(pairs) - len(strides)) + strides
        widths = [max(1, width >> stage) for stage in reversed(range(len(strides)))]
        channels = [in_channels, *widths[:-1]]
        self.stages = nn.Sequential(*map(_Stage, channels, widths, strides, pairs))
        self.proj = nn.Conv2d(width, width, 1)
        self.grid_size = (input_size[0] // patch_size, input_size[1] // patch_size)
        self.num_patches = self.grid_size[0] * self.grid_size[1]

    def train(self, mode: bool = True) -> ConvStem:
        """As `nn.Module.train`, but a frozen stem keeps its batch statistics: they are weights, too."""
        return super().train(mode and any(parameter.requires_grad for parameter in self.parameters()))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Embed: ``(N, C, H, W)`` -> ``(N, patches, D)``."""
        return self.proj(self.stages(image)).flatten(2).transpose(1, 2)


def _strides(patch_size: int) -> list[int]:
    strides, rest = [], patch_size
    for factor in (2, 3):
        while rest % factor == 0:
            strides.append(factor)
            rest //= factor
    if rest > 1:
        raise ValueError(f"stem 'conv' needs patch sizes made of factors 2 and 3, such as 6, 8 or 16, got {patch_size}")
    return strides
