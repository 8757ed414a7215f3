"""The command that prepares a data set, and its report."""

from __future__ import annotations

import json
from pathlib import Path

from train.prepare import main


def prepare(name: str, root: Path, out: Path, *options: str) -> int:
    """Prepare the set in ``root``, which is distributed as ``name``; return the exit code."""
    return main([name, str(root), "--out", str(out), "--workers", "1", *options])


def report(out: Path) -> dict:
    """Return what the command reported of the set that it wrote to ``out``."""
    return json.loads((out / "report.json").read_text())


def left_out(out: Path) -> set[str]:
    """Return the clips that are not in the set."""
    return {item["clip"] for found in report(out)["findings"] if found["left out"] for item in found["clips"]}
