"""A compiled engine on disk: one folder with both graphs' engines and a description of what may run them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.files import checksums
from mmadfer.files.checksums import sha256
from mmadfer.graphs.probe import FILE as PROBE
from mmadfer.graphs.probe import Reference
from mmadfer.types import WeightsInfo

FORMAT = "mmadfer-engine-3"
"""Version of the folder's layout; a reader refuses one that it does not know."""
DESCRIPTION = "engine.json"
PARTS = ("encoder", "head")
_PROBE = "probe"
PRODUCTS = {"tensorrt_rtx": "TensorRT for RTX", "tensorrt": "TensorRT"}
"""Python module -> name of the product."""


@dataclass(frozen=True)
class EngineKey:
    """What an engine was built from and for. An engine whose key differs from the wanted one is stale."""

    product: str
    """Python module of the builder: "tensorrt_rtx" or "tensorrt"."""
    version: str
    """Version of the builder; another version's runtime does not load the engine."""
    compute_capabilities: tuple[str, ...]
    """GPUs that it was built for, such as ("8.6", "8.9")."""
    fingerprint: str
    """Of the weights and settings, see `mmadfer.models.fingerprint`."""
    precision: str
    """Of the encoders: "fp16" or "fp32"."""


@dataclass(frozen=True)
class EngineFolder:
    """An engine on disk."""

    path: Path
    key: EngineKey
    spec: InputSpec
    config: ModelConfig
    info: WeightsInfo
    checksums: dict[str, str] = field(default_factory=dict, compare=False)
    """Part, or "probe" -> SHA-256 of its file, as recorded; empty until the folder has been read."""

    @property
    def probe(self) -> Path:
        """The file with the model's own answer to the probe."""
        return self.path / PROBE

    def file(self, part: str) -> Path:
        """Return the engine of ``part`` ("encoder" or "head")."""
        return self.path / f"{part}.engine"

    def load(self, part: str) -> bytes:
        """Return the engine of ``part``: the very bytes that were checked against their recorded SHA-256.

        Raises FileNotFoundError where it is missing, ValueError where it is damaged.
        """
        return self._checked(self.file(part), part)

    def reference(self) -> Reference:
        """Return the model's own answer to the probe. Raises as `load` does."""
        self._checked(self.probe, _PROBE)
        return Reference.load(self.probe)

    def _checked(self, file: Path, name: str) -> bytes:
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing; build the engine again with mmadfer export trt")
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.checksums.get(name):
            raise ValueError(f"{file} is damaged or cut short; build the engine again with mmadfer export trt")
        return data

    def describe(self) -> None:
        """Write the description into the folder; engines and probe must lie there already. Raises OSError."""
        values = {
            "format": FORMAT,
            "key": dataclasses.asdict(self.key),
            "spec": self.spec.to_json(),
            "config": self.config.to_json(),
            "info": self.info.to_json(),
            "sha256": {part: sha256(self.file(part)) for part in PARTS} | {_PROBE: sha256(self.probe)},
        }
        values["digest"] = checksums.of(values)
        (self.path / DESCRIPTION).write_text(json.dumps(values, indent=2), encoding="utf-8")


def peek(folder: str | os.PathLike[str]) -> EngineFolder:
    """Return what the description in ``folder`` says; the engines themselves are checked by `EngineFolder.load`.

    Raises FileNotFoundError where there is none, ValueError where it is damaged or of another version of mmadfer.
    """
    path = Path(folder)
    if not (path / DESCRIPTION).is_file():
        raise FileNotFoundError(f"there is no engine in {path}; build one with mmadfer export trt")
    try:
        values = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"its format is {values['format']}, expected {FORMAT}")
        if values.pop("digest") != checksums.of(values):
            raise ValueError("it is damaged")
        key = values["key"] | {"compute_capabilities": tuple(values["key"]["compute_capabilities"])}
        return EngineFolder(
            path,
            EngineKey(**key),
            InputSpec.from_json(values["spec"]),
            ModelConfig.from_json(values["config"]),
            WeightsInfo.from_json(values["info"]),
            {name: values["sha256"][name] for name in (*PARTS, _PROBE)},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path / DESCRIPTION} cannot be used ({error}); build the engine again") from error


def read(folder: str | os.PathLike[str]) -> EngineFolder:
    """Return the engine in ``folder``, its files checked against their recorded SHA-256.

    Raises FileNotFoundError where there is none, ValueError where it is damaged or of another version of mmadfer.
    """
    found = peek(folder)
    for part in PARTS:
        found.load(part)
    found.reference()
    return found
