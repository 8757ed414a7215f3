"""Engines that run the model: the interface in `base`, one engine a folder, and the choice among them in `choose`."""

from mmadfer.backends.base import BACKENDS, PRECISIONS, Backend
from mmadfer.backends.choose import load_backend

__all__ = ["BACKENDS", "PRECISIONS", "Backend", "load_backend"]
