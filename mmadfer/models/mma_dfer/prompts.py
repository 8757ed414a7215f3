"""Learned prompts: extra tokens that adapt a frozen encoder, renewed between its blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


class ProgressivePrompts(nn.Module):
    """Learned tokens appended to an encoder's sequence and changed once by each of a few blocks (paper, section 3.3).

    The prompts are split into equal shares, one a block in ``update_blocks``; after that block, learned tokens are
    added to its share. So early prompts differ for most of the encoder.

    Our reading of the paper's other numbers of updates: the same prompts in as many equal shares as the number allows,
    and updates that go round them. Of 6 prompts, 4 updates have two shares of 3, and 12 updates six shares of 1.
    """

    def __init__(self, count: int, width: int, update_blocks: Sequence[int]) -> None:
        """Args: count: prompts; width: token width D; update_blocks: blocks after which a share of them is renewed."""
        super().__init__()
        self.count = count
        self.update_blocks = tuple(update_blocks)
        share = count // math.gcd(count, len(self.update_blocks))
        std = width**-0.5
        self.initial = nn.Parameter(torch.randn(count, width) * std)
        self.updates = nn.ParameterList([nn.Parameter(torch.randn(share, width) * std) for _ in self.update_blocks])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append the initial prompts: ``(N, L, D)`` -> ``(N, L + count, D)``."""
        return torch.cat([tokens, self.initial.expand(tokens.shape[0], -1, -1)], dim=1)

    def after_block(self, index: int, tokens: torch.Tensor) -> torch.Tensor:
        """Add what belongs after block ``index`` to the prompts in ``tokens``; ``(N, L, D)`` -> ``(N, L, D)``."""
        if index not in self.update_blocks:
            return tokens
        which = self.update_blocks.index(index)
        update = self.updates[which]
        before = tokens.shape[1] - self.count + which * update.shape[0] % self.count
        after = tokens.shape[1] - before - update.shape[0]
        # Out of place, over the whole sequence: a write into a slice breaks autograd and becomes ScatterND in ONNX.
        return tokens + F.pad(update, (0, 0, before, after))


class NoPrompts(nn.Module):
    """Stands where `ProgressivePrompts` would in an encoder without prompts."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return ``tokens`` as they came: ``(N, L, D)`` -> ``(N, L, D)``."""
        return tokens

    def after_block(self, index: int, tokens: torch.Tensor) -> torch.Tensor:
        """Return ``tokens`` as they came: ``(N, L, D)`` -> ``(N, L, D)``."""
        return tokens
