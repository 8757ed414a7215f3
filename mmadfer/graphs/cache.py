"""Graphs, and the weights' own answers to the probe, kept on disk: so that a second start is a quick one."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mmadfer.files import checksums
from mmadfer.files.whole import put_folder
from mmadfer.graphs import graph, probe
from mmadfer.graphs.probe import Reference
from mmadfer.weights import catalogue
from mmadfer.weights.lazy import LazyModel

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER

log = logging.getLogger(__name__)


def graphs_of(model: MMADFER | LazyModel, precision: str = "fp32") -> graph.GraphFolder:
    """Return the graphs of ``model``, written to the cache where they are not there yet or not whole.

    Two processes may do so at once: each writes a folder of its own, and the first to finish is kept.
    Raises OSError where the cache cannot be written, ImportError where the packages for ONNX are absent.
    """
    lazy = LazyModel.of(model)
    mark = lazy.fingerprint
    target = catalogue.folder().parent / "graphs" / f"{mark[:16]}-{precision}"
    try:
        found = graph.read(target)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        log.info("graphs in the cache are not used: %s", error)
    else:
        if found.fingerprint == mark and found.precision == precision:
            return found
        log.info("graphs in the cache are not used: those in %s are of other weights", target)
    return _write_graphs(lazy, target, precision)


def graphs_again(model: MMADFER | LazyModel, wrong: graph.GraphFolder) -> graph.GraphFolder | None:
    """Return the graphs ``wrong``, with which an engine gave wrong answers, written again from the weights.

    That is done once: nothing is returned where they were written again before, and are as they were then.
    Raises OSError where the cache cannot be written.
    """
    intact = wrong.intact()
    if intact and wrong.attempt > 1:
        return None
    return _write_graphs(LazyModel.of(model), wrong.path, wrong.precision, 2 if intact else wrong.attempt)


def _write_graphs(lazy: LazyModel, target: Path, precision: str, attempt: int = 1) -> graph.GraphFolder:
    target.parent.mkdir(parents=True, exist_ok=True)
    log.info("writing the graphs of %s (%s) to %s", lazy.info.name, precision, target)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        made = Path(temporary) / "graphs"
        graph.write(lazy.build(), made, precision, attempt)
        if (target / "int8").is_dir():  # what a user calibrated stays, and is checked when it is used
            shutil.copytree(target / "int8", made / "int8")
        put_folder(made, target)
    return graph.read(target)


def reference_of(lazy: LazyModel) -> Reference:
    """Return the model's own answer to the probe; kept in the cache where the weights have an origin.

    Raises ValueError where it is not finite.
    """
    if not lazy.has_origin:
        return Reference.of_model(lazy.build())
    target = catalogue.folder().parent / "references" / lazy.fingerprint[:16]
    about = {"format": probe.FORMAT, "fingerprint": lazy.fingerprint}
    try:
        if checksums.check(target) == about:
            return Reference.load(target / probe.FILE)
    except (OSError, ValueError) as error:
        log.debug("no answer to the probe is known: %s", error)
    made = Reference.of_model(lazy.build())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
            folder = Path(temporary) / "reference"
            folder.mkdir()
            made.save(folder / probe.FILE)
            checksums.write(folder, [probe.FILE], about)
            put_folder(folder, target)
    except OSError as error:
        log.info("the answer to the probe cannot be kept in %s: %s", target, error)
    return made
