"""Scoring of many clips: which clips, with which options, and the Parquet file that comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

FACE, MUTE = "derived_asl_sorry_jfk_2s_48k.mp4", "intel_asl_thanks.mkv"


def options(out: Path, weights: Path, *more: str) -> list[str]:
    """Return the options of a run with ``weights`` on the CPU, one answer a second; ``more`` may change them."""
    return [
        "--out",
        str(out),
        "--weights",
        str(weights),
        "--backend",
        "pytorch",
        "--device",
        "cpu",
        "--hop",
        "1",
        *more,
    ]


def part_times(out: Path) -> dict[str, int]:
    """Return when each part of the file ``out`` was written, ns, by name."""
    return {p.name: p.stat().st_mtime_ns for p in out.with_name(f"{out.name}.parts").glob("*.parquet")}


def by_file(out: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each clip."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in pq.read_table(out).to_pylist():
        rows.setdefault(row["file"], []).append(row)
    return rows
