"""run.json: everything that a fold was trained with, and what came of it."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mmadfer.files.json_text import to_json
from mmadfer.files.whole import write_atomically

RECORD, WEIGHTS = "run.json", "weights.safetensors"
"""In a fold's folder."""
_PACKAGES = ("mmadfer", "torch", "torchvision", "timm", "pytorch-lightning", "numpy")


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write ``record`` into a fold's folder. Raises OSError where it cannot be written."""
    write_atomically(folder / RECORD, (to_json(record, indent=1) + "\n").encode())


def read_record(folder: Path) -> dict[str, Any]:
    """Return the record in a fold's folder; empty where there is none. Raises ValueError where it is damaged."""
    path = folder / RECORD
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete the folder to train the fold again") from error


def surroundings() -> dict[str, Any]:
    """Return versions, the code's commit, the command line and the time."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "commit": _commit(),
        "started": now(),
    }


def now() -> str:
    """Return the time as text, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Return in words how ``theirs`` differs from ``ours`` in what ours holds; empty where it does not."""
    found = []
    for name, value in ours.items():
        before, after = ({"": side} if not isinstance(side, dict) else side for side in (theirs.get(name, {}), value))
        changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        found += [f"{f'{name} {key}'.strip()} was {before.get(key)}, is {after.get(key)}" for key in changed]
    return "; ".join(found)


def _commit() -> str:
    """Return the commit that the code was checked out at, with "-dirty" after changes; empty outside of a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
