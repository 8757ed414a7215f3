"""OpenVINO's compiled graphs on disk, so that a second start need not compile again.

OpenVINO keeps such files by itself, too, but under names that do not tell precisions apart: a graph asked for in bf16
is then answered by what was compiled for float32, with numbers that are none. So they are kept here, one folder for
each precision, version of OpenVINO and CPU, with a record of what each was made from and its SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmadfer.backends.openvino.core import identity
from mmadfer.backends.proof import Unproven
from mmadfer.files import checksums
from mmadfer.files.whole import put_folder

log = logging.getLogger(__name__)

FOLDER = "openvino"
KEPT = 6
"""Most folders that are kept for one graph: of precisions, and of CPUs where machines share a home."""
_BLOB = "compiled.blob"
_HINTS = {"fp32": "f32", "bf16": "bf16"}


@dataclass(frozen=True)
class Source:
    """A graph on disk, and how it is compiled."""

    part: str
    """What it is for: "encoder", "head" or "faces"."""
    path: Path
    mark: str
    """SHA-256 of its files."""
    precision: str
    """"fp32" or "bf16"."""
    cut: Callable[[Any], Any] | None = None
    """Makes the model that is wanted out of the one in the file."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """A graph that is ready to run."""

    model: Any
    """`openvino.CompiledModel`"""
    memory: np.ndarray | None = None
    """The file that it reads its weights from for as long as it lives; None where it was compiled just now."""

    @property
    def was_kept(self) -> bool:
        """Whether it comes from the disk."""
        return self.memory is not None


class Compiler:
    """Compiles graphs for this CPU, or finds them compiled."""

    def __init__(self, core: Any) -> None:
        """Args: core: from `openvino_core`."""
        self._core = core
        self._version, self._cpu = identity(core)
        self._digest = hashlib.sha256(self._cpu.encode()).hexdigest()[:8]

    def open(self, source: Source, anew: bool = False) -> Compiled:
        """Return ``source`` compiled. Args: anew: whether to compile it even where it was kept.

        Raises Unproven where OpenVINO cannot.
        """
        found = None if anew else self._kept(source)
        return found or self._compile(source)

    def keep(self, source: Source, compiled: Compiled) -> None:
        """Keep what was compiled for the next start; where it cannot be kept, the next start compiles again."""
        if compiled.was_kept:
            return
        target = self._folder(source)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
                made = Path(temporary) / "made"
                made.mkdir()
                (made / _BLOB).write_bytes(compiled.model.export_model().getbuffer())
                checksums.write(made, [_BLOB], self._about(source))
                put_folder(made, target)
            self._tidy(target.parent)
        except (OSError, RuntimeError) as error:
            log.info("what OpenVINO compiled cannot be kept in %s (%s): the next start compiles again", target, error)

    def forget(self, source: Source) -> None:
        """Remove what was kept of ``source``, as far as that is allowed."""
        shutil.rmtree(self._folder(source), ignore_errors=True)

    def _folder(self, source: Source) -> Path:
        name = f"{source.precision}-{self._version.partition('-')[0]}-{self._digest}"
        return source.path.parent / FOLDER / name / source.part

    def _about(self, source: Source) -> dict[str, str]:
        """Return what must be so for a kept graph to be the one that is wanted."""
        return {
            "part": source.part,
            "source": source.mark,
            "precision": source.precision,
            "openvino": self._version,
            "cpu": self._cpu,
        }

    def _hints(self, source: Source) -> dict[str, str]:
        return {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": _HINTS[source.precision]}

    def _kept(self, source: Source) -> Compiled | None:
        import openvino

        folder = self._folder(source)
        try:
            if checksums.check(folder) != self._about(source):
                raise ValueError("it was made from another graph, or for another machine")
            # The weights stay in the file, which is read as they are needed. It is never written: changes are private.
            memory = np.memmap(folder / _BLOB, np.uint8, "c")
            tensor = openvino.Tensor(np.asarray(memory), shared_memory=True)
            model = self._core.import_model(tensor, "CPU", self._hints(source))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RuntimeError) as error:
            log.info("%s is not used (%s): OpenVINO compiles %s again", folder, error, source.path)
            return None
        with contextlib.suppress(OSError):
            os.utime(folder.parent)  # for `_tidy`
        return Compiled(model, memory)

    def _compile(self, source: Source) -> Compiled:
        path = os.fspath(source.path)
        try:
            graph = path if source.cut is None else source.cut(self._core.read_model(path))
            return Compiled(self._core.compile_model(graph, "CPU", self._hints(source)))
        except RuntimeError as error:
            why = str(error).strip().splitlines()[-1] if str(error).strip() else "it gives no reason"
            raise Unproven(f"OpenVINO cannot compile {path}: {why}") from error

    def _tidy(self, ours: Path) -> None:
        """Remove what other versions of OpenVINO compiled for this CPU, and of the rest what was used longest ago."""
        precision = ours.name.partition("-")[0]
        others = [folder for folder in ours.parent.glob("[!.]*") if folder != ours]
        old = [folder for folder in others if folder.name.startswith(f"{precision}-") and self._digest in folder.name]
        rest = sorted((f for f in others if f not in old), key=lambda f: f.stat().st_mtime, reverse=True)
        for folder in [*old, *rest[KEPT - 1 :]]:
            shutil.rmtree(folder, ignore_errors=True)
