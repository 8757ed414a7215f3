"""The encoder of a modality that a model does not have."""

from __future__ import annotations

import torch
from torch import nn


class AbsentEncoder(nn.Module):
    """Stands where an `Encoder` would: no weights, no tokens, and a CLS of zeros.

    Since the head adds both encoders' CLS, the other modality alone reaches it.
    """

    def __init__(self, width: int) -> None:
        """Args: width: token width D."""
        super().__init__()
        self.width = width

    def embed(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return no tokens: ``(N, C, H, W)`` -> ``(N, 0, D)``."""
        return inputs.new_zeros(inputs.shape[0], 0, self.width)

    def block(self, index: int, tokens: torch.Tensor) -> torch.Tensor:
        """Return ``tokens`` as they came: ``(N, 0, D)`` -> ``(N, 0, D)``."""
        return tokens

    def renew_prompts(self, index: int, tokens: torch.Tensor) -> torch.Tensor:
        """Return ``tokens`` as they came: ``(N, 0, D)`` -> ``(N, 0, D)``."""
        return tokens

    def cls(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return zeros: ``(N, 0, D)`` -> ``(N, D)``."""
        return tokens.new_zeros(tokens.shape[0], self.width)

    def frozen_parameters(self) -> list[nn.Parameter]:
        """Return none."""
        return []
