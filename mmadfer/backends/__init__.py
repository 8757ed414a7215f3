"""Engines that run the model, one a folder, after `base` and chosen by `choose`; others use any of it."""

from mmadfer.backends.base import BACKENDS, PRECISIONS, Backend
from mmadfer.backends.choose import load_backend

__all__ = ["BACKENDS", "PRECISIONS", "Backend", "load_backend"]
