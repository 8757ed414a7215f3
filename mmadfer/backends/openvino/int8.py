"""The int8 encoder that a calibration made: one folder beside the graphs it was made from."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mmadfer.files.checksums import sha256
from mmadfer.files.whole import put_folder
from mmadfer.graphs.graph import GraphFolder

FORMAT = "mmadfer-int8-2"
"""Version of the folder's layout; a reader refuses one that it does not know."""
COMMAND = "mmadfer export int8 CLIP..."
_DESCRIPTION = "int8.json"


@dataclass(frozen=True)
class Int8Encoder:
    """A quantised encoder on disk, in OpenVINO's own format."""

    path: Path
    fingerprint: str
    """Of the weights it was made from, see `mmadfer.models.fingerprint`."""
    clips: tuple[str, ...]
    """Names of the files whose windows it was calibrated with."""
    mark: str = field(default="", compare=False)
    """What tells its files from those of another calibration; empty until the folder has been read."""

    @property
    def encoder(self) -> Path:
        """The graph's file; its weights lie beside it in ``encoder.bin``."""
        return self.path / "encoder.xml"


def write(graphs: GraphFolder, clips: tuple[str, ...], save: Callable[[Path], None]) -> Int8Encoder:
    """Put the encoder that ``save`` writes (to the path it is given) beside ``graphs``, whole or not at all.

    Args: graphs: what it was quantised from; clips: names of the files it was calibrated with. Raises OSError.
    """
    target = graphs.path / "int8"
    with tempfile.TemporaryDirectory(dir=graphs.path, prefix=".int8.") as temporary:
        made = Int8Encoder(Path(temporary) / "int8", graphs.fingerprint, clips)
        made.path.mkdir()
        save(made.encoder)
        values = {
            "format": FORMAT,
            "fingerprint": made.fingerprint,
            "clips": clips,
            "sha256": {file.name: sha256(file) for file in _files(made)},
        }
        (made.path / _DESCRIPTION).write_text(json.dumps(values, indent=2), encoding="utf-8")
        put_folder(made.path, target)
    return Int8Encoder(target, graphs.fingerprint, clips)


def read(graphs: GraphFolder) -> Int8Encoder:
    """Return the int8 encoder of ``graphs``, its files checked against their recorded SHA-256.

    Raises FileNotFoundError where none was calibrated, ValueError where it is damaged or of other weights.
    """
    path = graphs.path / "int8"
    try:
        values = json.loads((path / _DESCRIPTION).read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"its format is {values['format']}, expected {FORMAT}")
        mark = " ".join(values["sha256"][name] for name in sorted(values["sha256"]))
        found = Int8Encoder(path, values["fingerprint"], tuple(values["clips"]), mark)
        damaged = [file.name for file in _files(found) if sha256(file) != values["sha256"][file.name]]
    except FileNotFoundError as error:
        missing = os.path.basename(error.filename)
        raise FileNotFoundError(
            f"int8 was asked for, but {graphs.info.name} was not calibrated on this machine ({missing} is not there); "
            f"do so with {COMMAND}"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path / _DESCRIPTION} cannot be used ({error}); calibrate again with {COMMAND}") from error
    if damaged:
        raise ValueError(f"{path / damaged[0]} is damaged or cut short; calibrate again with {COMMAND}")
    if found.fingerprint != graphs.fingerprint:
        raise ValueError(f"the int8 encoder in {path} was made from other weights; calibrate again with {COMMAND}")
    return found


def _files(encoder: Int8Encoder) -> tuple[Path, Path]:
    return encoder.encoder, encoder.encoder.with_suffix(".bin")
