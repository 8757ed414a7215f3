"""The recipe of the starter weights, read from its file."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.types import Basis

from ..augmentation import UNCHANGED
from ..overrides import from_mapping
from ..recipe import Recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPE = Path(__file__).parent / "recipe.toml"
STAGES = ("faces", "voices", "joined")


@dataclass(frozen=True)
class StarterRecipe:
    """Everything that decides the starter weights, besides the data."""

    seed: int
    spec: InputSpec
    config: ModelConfig
    face_drop_path: float
    """Of the faces' encoder, while it is trained alone: there are thirty times as many faces as voices."""
    neutral_recall: dict[Basis, float]
    """By what an answer rests on: share of the neutral held-out clips that are to be read so."""
    stages: dict[str, Recipe]
    """Name of `STAGES` -> how it is trained."""


def load(path: Path = RECIPE) -> StarterRecipe:
    """Return the recipe in ``path``. Raises OSError or ValueError where it cannot be read."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML file: {error}") from error
    missing = [name for name in ("seed", "input", "model", *STAGES) if name not in values]
    if missing:
        raise ValueError(f"{path.name} lacks {', '.join(missing)}")
    seed = int(values["seed"])
    stages = {  # their clips are moved, lit and mirrored where they are made
        name: from_mapping(Recipe(name=name, seed=seed, augmentation=UNCHANGED), values[name], f"{path.name}: {name}")
        for name in STAGES
    }
    spec = from_mapping(InputSpec(), values["input"], f"{path.name}: input")
    config = from_mapping(ModelConfig(), values["model"], f"{path.name}: model")
    return StarterRecipe(
        seed,
        spec,
        config,
        stages=stages,
        face_drop_path=float(values.get("face_drop_path", config.drop_path)),
        neutral_recall=_recalls(path, values.get("neutral_recall", {})),
    )


def _recalls(path: Path, values: Any) -> dict[Basis, float]:
    known = {basis.value: basis for basis in Basis}
    if not isinstance(values, dict) or not all(k in known and _is_share(v) for k, v in values.items()):
        raise ValueError(
            f"{path.name}: neutral_recall must be a table of shares from 0 to 1 by {', '.join(known)}; got {values}"
        )
    return {known[name]: float(share) for name, share in values.items()}


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1


def with_statistics(spec: InputSpec, mean: float, std: float) -> InputSpec:
    """Return ``spec`` with the mean and standard deviation of the training voices' log-mel."""
    return replace(spec, mel=replace(spec.mel, mean=round(mean, 4), std=round(std, 4)))
