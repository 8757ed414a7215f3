"""MMA-DFER, one concept a file: encoder, prompts, fusion, temporal, and the whole."""

from mmadfer.models.mma_dfer.model import MMADFER, untrained_model

__all__ = ["MMADFER", "untrained_model"]
