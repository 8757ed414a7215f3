"""A ViT encoder whose blocks are run one at a time, so that two of them can exchange what they see in between."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import PatchEmbed
from timm.models.vision_transformer import Block
from torch import nn

from mmadfer.config import ModelConfig
from mmadfer.models.mma_dfer.prompts import NoPrompts, ProgressivePrompts
from mmadfer.models.parts.stem import ConvStem


class _EncoderNorm(nn.LayerNorm):
    """LayerNorm with the epsilon of the pre-trained MAE-Face and AudioMAE."""

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(width, eps=1e-6, **kwargs)


class Encoder(nn.Module):
    """CLS, patches and prompts through ViT blocks; MAE-Face for frames, AudioMAE for the log-mel.

    Frozen but for the prompts and the position embedding (paper, section 3.2).
    """

    def __init__(self, patch_embed: PatchEmbed | ConvStem, config: ModelConfig) -> None:
        """Args: patch_embed: makes patches of the input; config: the shape."""
        super().__init__()
        self.patch_embed = patch_embed
        self.prompts = (
            ProgressivePrompts(config.num_prompts, config.width, config.prompt_updates)
            if config.num_prompts
            else NoPrompts()
        )
        num_tokens = 1 + self.patch_embed.num_patches + config.num_prompts
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, config.width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, num_tokens, config.width))
        rates = torch.linspace(0, config.drop_path, config.depth, device="cpu").tolist()
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, qkv_bias=True, drop_path=rate, norm_layer=_EncoderNorm) for rate in rates
        )
        self.norm = _EncoderNorm(config.width)

    @property
    def grid_size(self) -> tuple[int, int]:
        """Patches down and across."""
        rows, columns = self.patch_embed.grid_size
        return rows, columns

    def embed(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the first block's tokens: ``(N, C, H, W)`` -> ``(N, 1 + patches + prompts, D)``."""
        patches = self.patch_embed(inputs)
        tokens = torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        return self.prompts(tokens) + self.pos_embed

    def block(self, index: int, tokens: torch.Tensor) -> torch.Tensor:
        """Run block ``index``: ``(N, L, D)`` -> ``(N, L, D)``."""
        return self.blocks[index](tokens)

    def renew_prompts(self, index: int, tokens: torch.Tensor) -> torch.Tensor:
        """Add what belongs after block ``index`` to the prompts in ``tokens``: ``(N, L, D)`` -> ``(N, L, D)``."""
        return self.prompts.after_block(index, tokens)

    def cls(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the normalised CLS: ``(N, L, D)`` -> ``(N, D)``."""
        return self.norm(tokens[:, 0])  # LayerNorm is per token, so only the one that is read is normalised

    def frozen_parameters(self) -> list[nn.Parameter]:
        """Return what pre-training gave and fine-tuning leaves alone: CLS, patch embedding, blocks, final norm."""
        modules = (self.patch_embed, self.blocks, self.norm)
        return [self.cls_token, *(p for module in modules for p in module.parameters())]
