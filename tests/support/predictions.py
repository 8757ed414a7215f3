"""The command of prediction on small weights: its options, its CSV, and what it says."""

from __future__ import annotations

import csv
from pathlib import Path


def rows_of(path: str | Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def options(weights: Path) -> list[str]:
    """Return the options of a run with ``weights`` on the CPU, one answer a second."""
    return ["--weights", str(weights), "--backend", "pytorch", "--device", "cpu", "--hop", "1"]


def said_in(text: str) -> list[str]:
    """Return the sentences that the command wrote among the lines of ``text``."""
    return [line.split(": ", 1)[1] for line in text.splitlines() if line.startswith("python -m mmadfer.predict: ")]
