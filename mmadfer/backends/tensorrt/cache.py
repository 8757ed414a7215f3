"""Engines kept on disk, a folder for each product, GPU and set of weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mmadfer.backends.tensorrt.engine import EngineFolder, EngineKey, peek
from mmadfer.weights import catalogue
from mmadfer.weights.lazy import LazyModel

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER

log = logging.getLogger(__name__)


def engine_folder(key: EngineKey) -> Path:
    """Return the cache's folder for the engine of ``key``; another GPU, version or set of weights has another one."""
    parts = (key.product, key.version, "+".join(key.compute_capabilities), key.fingerprint[:16], key.precision)
    return engines_folder() / "-".join(parts)


def engines_folder() -> Path:
    """Return the cache's folder of all engines."""
    return catalogue.folder().parent / "engines"


def engines_of(model: MMADFER | LazyModel) -> list[EngineFolder]:
    """Return the cache's engines for exactly the weights and settings of ``model``: of any product, version or GPU."""
    found = []
    for path in sorted(engines_folder().glob("[!.]*")):
        try:
            found.append(peek(path))
        except (OSError, ValueError) as error:
            log.warning("%s", error)
    if not found:
        return []  # without reading all the weights for their fingerprint
    mark = LazyModel.of(model).fingerprint
    return [engine for engine in found if engine.key.fingerprint == mark]
