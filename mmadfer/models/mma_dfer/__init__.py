"""MMA-DFER: encoder, prompts, fusion, and the whole in `model`; others use `MMADFER`, `untrained_model`."""

from mmadfer.models.mma_dfer.model import MMADFER, untrained_model

__all__ = ["MMADFER", "untrained_model"]
