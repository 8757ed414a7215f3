"""Graphs and engines kept on disk, one folder for each set of weights, so that a second start is a quick one."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from pathlib import Path

from mmadfer import catalogue, graph
from mmadfer.engine import EngineKey
from mmadfer.model import MMADFER

log = logging.getLogger(__name__)


def graphs_of(model: MMADFER, precision: str = "fp32") -> graph.GraphFolder:
    """Return the graphs of ``model``, written to the cache where they are not there yet or not whole.

    Two processes may do so at once: each writes a folder of its own, and the first to finish is kept.
    Raises OSError where the cache cannot be written, ImportError where the packages for ONNX are absent.
    """
    mark = graph.fingerprint(model)
    target = catalogue.folder().parent / "graphs" / f"{mark[:16]}-{precision}"
    with contextlib.suppress(OSError, ValueError):
        found = graph.read(target)
        if found.fingerprint == mark:
            return found
    target.parent.mkdir(parents=True, exist_ok=True)
    log.info("writing the graphs of %s (%s) to %s", model.info.name, precision, target)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        graph.write(model, Path(temporary) / "graphs", precision)
        put(Path(temporary) / "graphs", target)
    return graph.read(target)


def engine_folder(key: EngineKey) -> Path:
    """Return the cache's folder for the engine of ``key``; another GPU, version or set of weights has another one."""
    parts = (key.product, key.version, "+".join(key.compute_capabilities), key.fingerprint[:16], key.precision)
    return catalogue.folder().parent / "engines" / "-".join(parts)


def put(source: Path, target: Path) -> None:
    """Move the folder ``source`` to ``target``, in place of what is there."""
    with contextlib.suppress(OSError):  # nothing in the way, or an older process put its own there first
        os.rename(source, target)
        return
    shutil.rmtree(target, ignore_errors=True)
    os.rename(source, target)
