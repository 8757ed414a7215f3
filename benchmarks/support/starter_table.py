"""The table of numbers beside the starter weights: what they reach, and that no later ones may be worse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmadfer.files.whole import write_atomically
from mmadfer.weights import starter

TABLE = starter.FILE.with_suffix(".json")
POINTS = 1.0
"""What later weights may be worse by in one row, percentage points."""
_LOWER_IS_BETTER = ("calibration error", "another above")


@dataclass(frozen=True)
class Table:
    """What one set of weights reaches on the test part."""

    sha256: str
    """Of the weights' file."""
    rows: dict[str, float]
    """Name of the row, such as "faces: accuracy", -> %."""
    measured: str = ""
    """By which command, on which machine."""
    before: dict[str, float] = field(default_factory=dict)
    """The rows of the weights before these; none where these are the first."""

    @classmethod
    def read(cls, path: Path = TABLE) -> Table:
        """Return the table in ``path``. Raises OSError or ValueError where it cannot be read."""
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(**values)
        except (TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is no table of the starter weights' numbers: {error}") from error

    def write(self, path: Path) -> None:
        """Write the table to ``path``, whole or not at all."""
        write_atomically(path, (json.dumps(asdict(self), indent=1) + "\n").encode())


def worse(rows: Mapping[str, float], before: Mapping[str, float], points: float = POINTS) -> list[str]:
    """Return a sentence for each row that is worse than ``before`` by more than ``points``, or not there any more."""
    found = []
    for name, was in before.items():
        if name not in rows:
            found.append(f"{name}: not measured any more, was {was:.1f}")
            continue
        lost = rows[name] - was if any(word in name for word in _LOWER_IS_BETTER) else was - rows[name]
        if lost > points:
            found.append(f"{name}: {rows[name]:.1f}, was {was:.1f}")
    return found
