"""A quick start: most of it is the import of PyTorch and Gradio, thousands of modules and a million objects."""

from __future__ import annotations

import gc
import os
import sys

from mmadfer.weights import catalogue


def begin() -> None:
    """Make the imports that follow quick. Call it before them, and `end` after them."""
    _keep_bytecode()
    gc.disable()  # it would search a growing heap dozens of times, for half a second, and find next to nothing


def end() -> None:
    """Take up garbage collection again, but never again through what has been imported: it stays."""
    gc.freeze()
    gc.enable()


def _keep_bytecode() -> None:
    """Keep bytecode in our own cache folder where PYTHONDONTWRITEBYTECODE would have it made anew at every start.

    Containers often set that to keep their images clean, and their installers then leave no bytecode either: to compile
    it all takes 6 s. Nothing is written beside any source.
    """
    if sys.dont_write_bytecode and sys.pycache_prefix is None:
        sys.pycache_prefix = os.fspath(catalogue.folder().parent / "bytecode")
        sys.dont_write_bytecode = False
