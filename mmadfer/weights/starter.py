"""The starter weights: small ones that come with the package, for a first start that is offline and means something."""

from __future__ import annotations

from pathlib import Path

_ASSETS = Path(__file__).parents[1] / "assets"

NAME = "starter weights"
"""What they call themselves, wherever their answers are seen."""
FILE = _ASSETS / "starter.safetensors"
CARD = _ASSETS / "starter.md"
"""The model card: what they were made from, what they reach, what they must not be used for."""
SOURCE = "FER2013 faces and RAVDESS voices paired by label, and synthesised calm speech"
