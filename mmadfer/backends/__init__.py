"""Engines that run the model: the interface in `base`, one engine a file."""

from mmadfer.backends.base import BACKENDS, PRECISIONS, Backend, load_backend

__all__ = ["BACKENDS", "PRECISIONS", "Backend", "load_backend"]
