"""The answers of one evaluation, clip by clip, on disk: what every figure is computed from."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmadfer.files.whole import write_atomically

UNTRAINED = "UNTRAINED WEIGHTS: these figures mean nothing."


@dataclass(frozen=True)
class Subject:
    """What was scored, on what, and how."""

    data: str
    """Name of the data set."""
    fold: str
    part: str
    protocol: str
    weights: str
    """Name of the weights."""
    sha256: str
    """Of their file."""
    trained: bool
    image_size: int
    """px."""
    backend: str
    """Engine, precision and device, in words."""
    temperature: float = 1.0
    logit_bias: tuple[float, ...] = ()
    """Of the scored classes; empty for none."""
    classes: tuple[str, ...] = ()
    """The scored classes in order."""
    train_counts: tuple[int, ...] = ()
    """Clips of each of them that the fold trains on."""
    shared_only: bool = False
    """Whether the weights or the data set know other classes, which were left out."""

    @property
    def warning(self) -> str:
        """What every output has to say of these weights; empty for trained ones."""
        return "" if self.trained else UNTRAINED


@dataclass(frozen=True, eq=False)
class Predictions:
    """N clips' answers over the C scored classes."""

    subject: Subject
    clip_ids: tuple[str, ...]
    labels: np.ndarray
    """The true classes `(N,)` int64, indices into ``subject.classes``."""
    logits: np.ndarray
    """`(N, C)` float32, before temperature and bias. Where several views or windows are averaged, the logarithm of the
    mean probability; for the live protocol, of the probabilities as shown, temperature and bias included."""
    probabilities: np.ndarray
    """`(N, C)` float64, as shown; each row sums to 1."""

    def __post_init__(self) -> None:
        shape = (len(self.clip_ids), len(self.subject.classes))
        if self.logits.shape != shape or self.probabilities.shape != shape or self.labels.shape != shape[:1]:
            raise ValueError(
                f"{shape[0]} clips and {shape[1]} classes need arrays of those sizes, got labels {self.labels.shape}, "
                f"logits {self.logits.shape} and probabilities {self.probabilities.shape}"
            )

    @property
    def answers(self) -> np.ndarray:
        """The most probable class of each clip `(N,)`."""
        return self.probabilities.argmax(axis=1)

    def save(self, path: Path) -> None:
        """Write them to ``path`` (.npz), whole or not at all. Raises OSError where that cannot be done."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            subject=np.array(json.dumps(dataclasses.asdict(self.subject))),
            clip_ids=np.array(self.clip_ids),
            labels=self.labels,
            logits=self.logits,
            probabilities=self.probabilities,
        )
        write_atomically(path, buffer.getvalue())


def load_predictions(path: str | os.PathLike[str]) -> Predictions:
    """Return what `Predictions.save` wrote. Raises OSError, or ValueError where the file holds something else."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"there are no predictions {path}; train.evaluate writes them")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            values = json.loads(str(arrays["subject"]))
            for name in ("logit_bias", "classes", "train_counts"):
                values[name] = tuple(values[name])
            return Predictions(
                Subject(**values),
                tuple(arrays["clip_ids"].tolist()),
                arrays["labels"],
                arrays["logits"],
                arrays["probabilities"],
            )
    except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} holds no predictions of train.evaluate, or is damaged: {error}") from error
