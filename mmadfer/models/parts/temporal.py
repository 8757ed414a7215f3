"""From 16 fused frames to one clip token: the temporal transformer, or their mean."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

_HEAD_WIDTH = 64
"""Width of an attention head, everywhere in the paper's model."""


def head_count(width: int) -> int:
    """Return the number of heads of attention in tokens of ``width``: of 64 each where that divides it, else one."""
    return width // _HEAD_WIDTH if width % _HEAD_WIDTH == 0 else 1


class TemporalAttention(nn.Module):
    """Multi-head self-attention over frames, without biases on queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        """Args: width: token width; heads: attention heads, of width / heads each."""
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(width, 2 * width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Attend: ``(B, L, D)`` -> ``(B, L, D)``."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q(tokens), *self.to_kv(tokens).chunk(2, dim=-1))
        )
        return self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class TemporalBlock(nn.Module):
    """One pre-norm transformer block; its GELU is the tanh form."""

    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        """Args: width: token width; heads: attention heads; mlp_width: hidden width of the MLP."""
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = TemporalAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_width), nn.GELU(approximate="tanh"), nn.Linear(mlp_width, width))
        # Never used. Published checkpoints hold them and the paper's count of tunable parameters includes them.
        self.unused_norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Attention and MLP, each with its residual: ``(B, L, D)`` -> ``(B, L, D)``."""
        tokens = tokens + self.attention(self.attention_norm(tokens))
        return tokens + self.mlp(self.mlp_norm(tokens))


class TemporalTransformer(nn.Module):
    """A CLS token and learned positions over the frames, one block, no final norm (paper, section 3.4)."""

    def __init__(self, num_frames: int, width: int, heads: int, mlp_width: int) -> None:
        """Args: num_frames: T; width: token width; heads: attention heads; mlp_width: hidden width of the MLP."""
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, num_frames + 1, width))
        self.block = TemporalBlock(width, heads, mlp_width)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the clip's CLS: ``(B, T, D)`` -> ``(B, D)``."""
        tokens = torch.cat([self.cls_token.expand(frames.shape[0], -1, -1), frames], dim=1) + self.pos_embed
        return self.block(tokens)[:, 0]


class TemporalMean(nn.Module):
    """The mean over the frames, where nothing models time at the end."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the clip's token: ``(B, T, D)`` -> ``(B, D)``."""
        return frames.mean(dim=1)
