"""Where the project and the data of its tests lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""
DATA = ROOT / "tests" / "data"
GOLDEN = DATA / "golden"
"""Reference numbers made with the official code."""
CLIPS = DATA / "clips"
"""Short real clips."""
CASES = DATA / "cases"
"""Files as people have them, each of a kind that was read wrongly once."""
STILLS = DATA / "stills"
"""Small pictures in formats that the tests cannot write."""
