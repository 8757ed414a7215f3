"""How a model is fine-tuned: one switch for each behaviour, by default as published."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

from .augmentation import Augmentation
from .mixing import Mixing
from .overrides import from_mapping

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent / "recipes"
PRECISIONS = ("fp32", "bf16")
SCHEDULES = ("cosine", "constant")
FRAME_ORDERS = ("text", "natural")


@dataclass(frozen=True)
class Recipe:
    """Every switch of a training run; the defaults are the paper's, its quirks included (section 4.1)."""

    name: str = "paper"
    epochs: int = 25
    lr: float = 1e-4
    """AdamW's learning rate in the first epoch after ``warmup``."""
    schedule: str = "cosine"
    """"cosine": lr * (1 + cos(pi * epoch / epochs)) / 2, constant within an epoch; or "constant"."""
    warmup: int = 0
    """First epochs in which the rate grows evenly up to ``lr``."""
    weight_decay: float = 1e-2
    """AdamW's, on every tensor that is trained."""
    batch_size: int = 8
    """Clips of one optimiser step, over all devices and all ``accumulate`` parts."""
    accumulate: int = 1
    """Parts that a batch is computed in, one after another, to save memory."""
    drop_last: bool = True
    """Leave the clips out that fill no whole batch; others in each epoch."""
    label_smoothing: float = 0.0
    precision: str = "fp32"
    """"fp32", or "bf16" by autocast: half the memory, and fast on data-centre GPUs."""
    compile: bool = False
    """Compile the encoders' blocks by torch.compile: minutes at the start, then faster steps."""
    seed: int = 1

    frame_order: str = "text"
    """"text": frames in the order in which their file names sort as text (MAFW: 0, 1, 10, 11, ...); or "natural"."""
    tail_frames: bool = False
    """Let the last n % 16 frames be drawn too."""
    span_matched: bool = False
    """Frames and sound of the same span of the clip, as long as the log-mel; else frames of all, sound of the start."""
    drop_path_on_frozen: bool = True
    """Drop paths at random in the frozen encoder blocks too."""
    modality_dropout: float = 0.0
    """Share of the clips that lose their face or their voice, one as often as the other."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """One draw per clip."""
    mixing: Mixing = field(default_factory=Mixing)
    """Of whole clips with each other."""

    ema: float = 0.0
    """Decay per step of the moving average of the weights, which is what is saved and scored; 0: the weights as is."""
    calibration: float = 0.0
    """Share of the training clips held out to fit the temperature on; a fold's own validation part is used first."""
    logit_adjustment: float = 0.0
    """Times log(class frequency), taken off the logits after training: more UAR for less WAR. 1 is the full prior."""
    validate_every: int = 1
    """Epochs between two looks at the test part, for the curves alone: the last epoch is what is reported."""

    def __post_init__(self) -> None:
        for name in ("epochs", "lr", "batch_size", "accumulate", "validate_every"):
            value = getattr(self, name)
            _require(0 < value < math.inf, f"{name} must be above 0 and finite, got {value}")
        for name in ("weight_decay", "logit_adjustment", "seed"):
            value = getattr(self, name)
            _require(0 <= value < math.inf, f"{name} must be 0 or more and finite, got {value}")
        _require(0 <= self.warmup < self.epochs, f"warmup must be from 0 to below epochs, got {self.warmup}")
        for name in ("label_smoothing", "modality_dropout", "ema", "calibration"):
            _require(0 <= getattr(self, name) < 1, f"{name} must be from 0 to below 1, got {getattr(self, name)}")
        for name, allowed in (("precision", PRECISIONS), ("schedule", SCHEDULES), ("frame_order", FRAME_ORDERS)):
            value = getattr(self, name)
            _require(value in allowed, f"{name} must be one of {', '.join(allowed)}; got {value!r}")
        _require(
            self.frame_order == "natural" or not self.span_matched,
            "span_matched needs frame_order natural: a span is a stretch of time",
        )
        _require(
            self.epochs % self.validate_every == 0,
            f"validate_every ({self.validate_every}) must divide epochs ({self.epochs}): the last epoch is reported",
        )
        _require(
            self.batch_size % self.accumulate == 0,
            f"accumulate ({self.accumulate}) must divide batch_size ({self.batch_size})",
        )
        _require(
            self.accumulate == 1 or self.drop_last,
            f"accumulate ({self.accumulate}) needs drop_last: the parts of a smaller batch would weigh too much",
        )

    def lr_factor(self, epoch: int) -> float:
        """Return the share of ``lr`` that epoch ``epoch`` (from 0) is trained with."""
        if epoch < self.warmup:
            return (epoch + 1) / (self.warmup + 1)
        if self.schedule == "constant":
            return 1.0
        done = (epoch - self.warmup) / (self.epochs - self.warmup)
        return (1.0 + math.cos(math.pi * done)) / 2.0


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_recipe(name_or_path: str) -> Recipe:
    """Return the recipe of a known name, or in a TOML file; what the file leaves out is as published.

    Raises OSError where there is no such file, ValueError where it cannot be read or sets something that is not there.
    """
    known = name_or_path in recipe_names()
    path = FOLDER / f"{name_or_path}.toml" if known else Path(name_or_path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no recipe {name_or_path}; there are {', '.join(recipe_names())}, or a file")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML file: {error}") from error
    return from_mapping(Recipe(), {"name": path.stem, **values}, path.name)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
