"""What weights expect of their input, and how the model is shaped: every number of the method, written once."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any

DFEW_LABELS = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
MAFW_LABELS = (*DFEW_LABELS, "contempt", "anxiety", "helplessness", "disappointment")

IMAGE_SIZES = (112, 160, 224)
"""Face sizes in px that the paper evaluates (Table 1)."""
FUSIONS = ("bottleneck", "addition", "multimodal", "concatenation", "none")
TEMPORALS = ("transformer", "adapters", "both", "none")
STEMS = ("patch", "conv")


def label_names(num_classes: int) -> tuple[str, ...]:
    """Return the label names of official weights with ``num_classes`` outputs, in index order.

    7 classes are DFEW's and 11 are MAFW's; any other count gets "class 0", "class 1", ...
    """
    known = {len(labels): labels for labels in (DFEW_LABELS, MAFW_LABELS)}
    return known.get(num_classes, tuple(f"class {i}" for i in range(num_classes)))


def require(condition: bool, message: str) -> None:
    """Raise ValueError with ``message`` where ``condition`` does not hold."""
    if not condition:
        raise ValueError(message)


def require_types(settings: Any) -> None:
    """Refuse values of other types than the defaults': settings come out of files that anyone may have written."""
    for name in (entry.name for entry in dataclasses.fields(settings)):
        value, kind = getattr(settings, name), type(_default(settings, name))
        allowed = (float, int) if kind is float else (kind,)
        right = isinstance(value, allowed) and isinstance(value, bool) == (kind is bool)
        require(right, f"{name} must be of the type {kind.__name__}, got {value!r}")
        require(not isinstance(value, float) or math.isfinite(value), f"{name} must be finite, got {value}")


def _default(settings: Any, name: str) -> Any:
    entry = next(entry for entry in dataclasses.fields(settings) if entry.name == name)
    return entry.default if entry.default_factory is dataclasses.MISSING else entry.default_factory()


def require_choice(settings: Any, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of ``choices``."""
    value = getattr(settings, name)
    require(value in choices, f"{name} must be one of {', '.join(choices)}, got {value!r}")


def require_positive(settings: Any, *names: str) -> None:
    """Refuse values of 0 and below."""
    for name in names:
        require(getattr(settings, name) > 0, f"{name} must be positive, got {getattr(settings, name)}")


def require_at_most(settings: Any, **most: float) -> None:
    """Refuse values above ``most``: a file of a few bytes could otherwise ask for any memory and time."""
    for name, largest in most.items():
        value = getattr(settings, name)
        require(value <= largest, f"{name} may be {largest:,} at most, got {value}")


@dataclass(frozen=True)
class MelSpec:
    """Kaldi log-mel settings of AudioMAE's input (paper, section 4.1)."""

    bins: int = 128
    frames: int = 512
    """Frames kept, from the start; shorter sound is zero-padded at the end before normalising."""
    frame_length: float = 0.025
    """Length of one analysis frame, s."""
    frame_shift: float = 0.010
    """Distance between frames, s."""
    low_frequency: float = 20.0
    """Lower edge of the first mel bin, Hz; the upper edge is the Nyquist frequency."""
    mean: float = -4.2677393
    std: float = 4.5689974
    """AudioSet statistics; the input is (x - mean) / (2 * std)."""

    def __post_init__(self) -> None:
        require_types(self)
        require_positive(self, "bins", "frames", "std")
        require_at_most(self, bins=1024, frames=16_384, frame_length=1.0)
        require(
            0 < self.frame_shift <= self.frame_length,
            f"frame_shift must be above 0 and at most frame_length, got {self.frame_shift} and {self.frame_length} s",
        )

    @property
    def padding(self) -> float:
        """The normalised value of padding, and of a missing sound track."""
        return (0.0 - self.mean) / (2.0 * self.std)

    def samples(self, seconds: float, sample_rate: int) -> int:
        """Return the whole number of samples in ``seconds`` at ``sample_rate`` (Hz), cut down as Kaldi does."""
        return int(sample_rate * seconds)


SHORTEST_WINDOW = 0.1
"""s."""
MOST_LABELS = 1000


@dataclass(frozen=True)
class InputSpec:
    """The input that one set of weights was trained on. It travels with the weights; loaders refuse another one."""

    image_size: int = 224
    """Side of the square face crop, px."""
    labels: tuple[str, ...] = DFEW_LABELS
    num_frames: int = 16
    window_seconds: float = 3.0
    """Length of the live window, s; the 16 frames are spread over it by the test-time rule."""
    sample_rate: int = 44_100
    """Sample rate of the sound before the log-mel, Hz; its mel bins reach this rate's Nyquist frequency."""
    mel: MelSpec = field(default_factory=MelSpec)
    color: str = "rgb"
    """"rgb" or "grey" (one luma channel repeated three times)."""
    level_eyes: bool = True
    """Whether faces are rotated until the eyes are level (DFEW's crops are, MAFW's are not)."""
    handles_missing: tuple[str, ...] = ("audio",)
    """Inputs ("face", "audio") whose absence the weights were trained to bear; without the others no label is shown."""

    def __post_init__(self) -> None:
        require_types(self)
        require_positive(self, "image_size", "num_frames")
        require_at_most(self, image_size=2048, num_frames=512, window_seconds=120.0, sample_rate=768_000)
        require(
            self.window_seconds >= SHORTEST_WINDOW,
            f"window_seconds must be {SHORTEST_WINDOW} or more, got {self.window_seconds}",
        )
        require(
            len(self.labels) <= MOST_LABELS, f"labels may name {MOST_LABELS} classes at most, got {len(self.labels)}"
        )
        require(all(isinstance(label, str) for label in self.labels), f"labels must be texts, got {self.labels}")
        require(len(self.labels) > 0, "labels must name at least one class, got none")
        require(len(set(self.labels)) == len(self.labels), f"labels must differ from each other, got {self.labels}")
        require(self.sample_rate >= 8000, f"sample_rate must be at least 8000 Hz, got {self.sample_rate}")
        require(self.color in ("rgb", "grey"), f"color must be 'rgb' or 'grey', got {self.color!r}")
        require(
            set(self.handles_missing) <= {"face", "audio"},
            f"handles_missing may hold 'face' and 'audio', got {self.handles_missing}",
        )

    @property
    def hop_seconds(self) -> float:
        """Time between two results over a file: one new frame of the window, s."""
        return self.window_seconds / self.num_frames

    def to_json(self) -> str:
        """Return the spec as JSON text, for a file's metadata."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> InputSpec:
        """Return the spec written by `to_json`. Raises ValueError where the text is no such spec."""
        try:
            values: dict[str, Any] = json.loads(text)
            values["mel"] = MelSpec(**values["mel"])
            values["labels"] = tuple(values["labels"])
            values["handles_missing"] = tuple(values["handles_missing"])
            return cls(**values)
        except (TypeError, KeyError, AttributeError, RecursionError, json.JSONDecodeError) as error:
            raise ValueError(f"the InputSpec in the file's metadata cannot be read: {error}") from error

    def differences(self, other: InputSpec) -> list[str]:
        """Return one "field: ours, theirs" line for each field in which ``other`` differs."""
        return [
            f"{f.name}: {getattr(self, f.name)!r}, not {getattr(other, f.name)!r}"
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != getattr(other, f.name)
        ]


@dataclass(frozen=True)
class ModelConfig:
    """The shape of MMA-DFER, by default the paper's (section 4.1); sizes of input and output are the InputSpec's."""

    width: int = 768
    depth: int = 12
    heads: int = 12
    patch_size: int = 16
    """Side of a face's patch, px."""
    bottleneck: int = 128
    """Width K of the fusion bottleneck (Table 5)."""
    num_prompts: int = 6
    """Learned tokens of each encoder; 0 for none."""
    prompt_updates: tuple[int, ...] = (0, 6)
    """Blocks after which learned tokens are added to the next equal share of the prompts (Table 3); none: fixed."""
    drop_path: float = 0.1
    """Drop-path rate of the last encoder block; it grows linearly from 0."""
    temporal_width: int = 512
    temporal_heads: int = 8
    temporal_mlp: int = 1024
    modalities: tuple[str, ...] = ("face", "audio")
    """Encoders that there are; one alone has nothing to fuse with, and the head gets its CLS only."""
    fusion: str = "bottleneck"
    """How the encoders exchange what they see after each block, one of `FUSIONS`."""
    temporal: str = "transformer"
    """Where frames see each other in time, one of `TEMPORALS`: adapters between blocks, a transformer at the end."""
    temporal_adapter_width: int = 128
    """Width of the temporal adapters between blocks."""
    stem: str = "patch"
    """How the encoders embed patches, one of `STEMS`: the paper's one convolution, or a small network of them."""
    face_stem: tuple[int, ...] = ()
    """Pairs of convolutions in each stage of the faces' stem, where it is "conv"; none: one in each."""
    audio_patch_size: int = 16
    """Side of a patch of the log-mel, in frames and bins."""

    def __post_init__(self) -> None:
        require_types(self)
        require_positive(self, "width", "depth", "heads", "patch_size", "audio_patch_size", "bottleneck")
        require_positive(self, "temporal_width", "temporal_heads", "temporal_mlp", "temporal_adapter_width")
        require_at_most(
            self, width=16_384, depth=256, heads=1024, patch_size=1024, audio_patch_size=1024, bottleneck=16_384
        )
        require_at_most(self, num_prompts=4096, temporal_width=16_384, temporal_heads=1024, temporal_mlp=65_536)
        require_at_most(self, temporal_adapter_width=16_384)
        require_choice(self, "fusion", FUSIONS)
        require_choice(self, "temporal", TEMPORALS)
        require_choice(self, "stem", STEMS)
        require(
            self.modalities in (("face", "audio"), ("face",), ("audio",)),
            f"modalities must be 'face', 'audio' or both in this order, got {self.modalities}",
        )
        require(
            "face" in self.modalities or not self.has_adapters,
            f"temporal {self.temporal!r} puts adapters between frames, which sound alone has not; choose 'none' or "
            "'transformer'",
        )
        require(self.num_prompts >= 0, f"num_prompts must be 0 or more, got {self.num_prompts}")
        require(0 <= self.drop_path < 1, f"drop_path must be from 0 to below 1, got {self.drop_path}")
        require(self.width % self.heads == 0, f"width must be a multiple of heads, got {self.width} and {self.heads}")
        require(
            self.temporal_width % self.temporal_heads == 0,
            f"temporal_width must be a multiple of temporal_heads, got {self.temporal_width} and {self.temporal_heads}",
        )
        counts = (self.num_prompts, len(self.prompt_updates))
        require(
            min(counts) <= 1 or math.gcd(*counts) > 1,
            f"num_prompts ({counts[0]}) must divide evenly among the {counts[1]} prompt_updates, or at least have a "
            "divisor in common with their number",
        )
        require(
            all(isinstance(block, int) and 0 <= block < self.depth for block in self.prompt_updates),
            f"prompt_updates must name blocks 0 to {self.depth - 1}, got {self.prompt_updates}",
        )
        require(
            len(set(self.prompt_updates)) == len(self.prompt_updates),
            f"prompt_updates must name each block once, got {self.prompt_updates}",
        )

    @property
    def has_adapters(self) -> bool:
        """Whether there are temporal adapters between the blocks."""
        return self.temporal in ("adapters", "both")

    @property
    def exchange(self) -> str:
        """The fusion that there is: "none" where there is one modality only."""
        return self.fusion if len(self.modalities) == 2 else "none"

    @property
    def keeps_frames(self) -> bool:
        """Whether an encoded frame may be kept for the next window: it sees others through the sound's mean at most."""
        return self.exchange in ("bottleneck", "addition", "none") and not self.has_adapters

    @property
    def context_width(self) -> int:
        """Width of the mean by which a frame and the sound are known to each other; 0 where there is none."""
        return {"bottleneck": self.bottleneck, "addition": self.width}.get(self.exchange, 0)

    def to_json(self) -> str:
        """Return the configuration as JSON text, for a file's metadata."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Return the configuration written by `to_json`. Raises ValueError where the text is no such configuration."""
        try:
            values: dict[str, Any] = {**json.loads(text)}
            values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
            return cls(**values)
        except (TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
            raise ValueError(f"the ModelConfig in the file's metadata cannot be read: {error}") from error
