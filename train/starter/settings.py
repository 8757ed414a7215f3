"""The recipe of the starter weights, read from its file."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmadfer.config import InputSpec, ModelConfig

from ..augmentation import Augmentation
from ..overrides import from_mapping
from ..recipe import Recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPE = Path(__file__).parent / "recipe.toml"
STAGES = ("faces", "voices", "joined")
_AS_IT_IS = Augmentation(brightness=(1.0, 1.0), area=(1.0, 1.0), aspect=(1.0, 1.0), flip=0.0)
"""The clips are moved, lit and mirrored where they are made."""


@dataclass(frozen=True)
class StarterRecipe:
    """Everything that decides the starter weights, besides the data."""

    seed: int
    spec: InputSpec
    config: ModelConfig
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
    stages = {
        name: from_mapping(Recipe(name=name, seed=seed, augmentation=_AS_IT_IS), values[name], f"{path.name}: {name}")
        for name in STAGES
    }
    spec = from_mapping(InputSpec(), values["input"], f"{path.name}: input")
    return StarterRecipe(seed, spec, from_mapping(ModelConfig(), values["model"], f"{path.name}: model"), stages)


def with_statistics(spec: InputSpec, mean: float, std: float) -> InputSpec:
    """Return ``spec`` with the mean and standard deviation of the training voices' log-mel."""
    return replace(spec, mel=replace(spec.mel, mean=round(mean, 4), std=round(std, 4)))
