"""MMA-DFER, one concept a file: encoder, prompts, fusion, and the whole in `model`."""

from mmadfer.models.mma_dfer.model import MMADFER, untrained_model

__all__ = ["MMADFER", "untrained_model"]
