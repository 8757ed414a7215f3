"""Where weights come from, and what was found out about them last time: a second start need not read them again."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.files import checksums
from mmadfer.types import WeightsInfo
from mmadfer.weights import catalogue

log = logging.getLogger(__name__)

FORMAT = "mmadfer-known-2"
"""Version of the notes; one of another version is not believed."""
SETTLED = 2.0
"""Age from which a file's times tell its contents, s: one written twice within the clock's tick keeps its times."""

UNTRAINED = "untrained"
_LIBRARY = Path(__file__).parents[1]
_READERS = ("config.py", "weights/checkpoint.py", "weights/header.py", "weights/official.py")


@dataclass(frozen=True)
class Known:
    """What is known of weights without reading them."""

    fingerprint: str
    """See `mmadfer.models.fingerprint`."""
    spec: InputSpec
    config: ModelConfig
    info: WeightsInfo


@dataclass(frozen=True)
class Origin:
    """What tells one set of weights from any other. A note about weights of another origin is not believed."""

    name: str
    """The file's whole path, or "untrained"."""
    mark: tuple[str, ...]
    """Changes whenever the weights may: with the file's size, times or place on the disk, and with the code."""
    settled: bool = field(default=True, compare=False)
    """Whether the mark can be relied on; see `SETTLED`."""

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> Origin:
        """Return the origin of the weights in the file ``path``. Raises OSError where there is none."""
        whole = Path(path).resolve()
        found = whole.stat()
        # The change time too: a copy may keep size and modification time, but nobody can set this one.
        numbers = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        settled = time.time_ns() - found.st_mtime_ns > SETTLED * 1e9
        return cls(os.fspath(whole), (_code(), *map(str, numbers)), settled)

    @classmethod
    def untrained(cls, seed: int) -> Origin:
        """Return the origin of the weights that ``seed`` gives with the default settings."""
        return cls(UNTRAINED, (_code(), str(seed), version("torch"), version("timm")))

    @property
    def _note(self) -> Path:
        return catalogue.folder().parent / "known" / f"{hashlib.sha256(os.fsencode(self.name)).hexdigest()[:16]}.json"

    def recall(self) -> Known | None:
        """Return what was noted of just these weights, None where nothing can be relied on."""
        try:
            values = json.loads(self._note.read_text(encoding="utf-8"))
            if (values["format"], values["name"], tuple(values["mark"])) != (FORMAT, self.name, self.mark):
                return None
            if values.pop("digest") != checksums.of(values):
                raise ValueError("it is damaged")
            return Known(
                values["fingerprint"],
                InputSpec.from_json(values["spec"]),
                ModelConfig.from_json(values["config"]),
                WeightsInfo.from_json(values["info"]),
            )
        except FileNotFoundError:
            return None
        except (OSError, KeyError, TypeError, ValueError) as error:
            log.info("%s is not used (%s): the weights are read again", self._note, error)
            return None

    def remember(self, known: Known) -> None:
        """Note ``known`` of just these weights, whole or not at all; where it cannot be, the next start reads again."""
        if not (self.settled and self._is_current()):
            return
        values = {
            "format": FORMAT,
            "name": self.name,
            "mark": self.mark,
            "fingerprint": known.fingerprint,
            "spec": known.spec.to_json(),
            "config": known.config.to_json(),
            "info": known.info.to_json(),
        }
        values["digest"] = checksums.of(values)
        try:
            self._note.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._note.parent, prefix=f".{self._note.name}.") as temporary:
                written = Path(temporary) / self._note.name
                written.write_text(json.dumps(values, indent=1), encoding="utf-8")
                os.replace(written, self._note)
        except OSError as error:
            log.info("%s cannot be written (%s): the next start reads the weights again", self._note, error.strerror)

    def _is_current(self) -> bool:
        """Return whether a file is still the same one: it may have been replaced while it was read."""
        try:
            return self.name == UNTRAINED or Origin.of_file(self.name) == self
        except OSError:
            return False


@functools.cache
def _code() -> str:
    """Return SHA-256 over the code that makes weights from a file or a seed: changed code may make others."""
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> list[Path]:
    """Return the files of that code: what reads weights, and what builds and fingerprints models."""
    return [*(_LIBRARY / name for name in _READERS), *sorted((_LIBRARY / "models").rglob("*.py"))]
