"""The starter data: labelled face crops in one file, and spoken sentences in files that RAVDESS's rule names.

There is no real pair of a face and a voice in it. `train.starter` makes clips of a face and a voice of the same label.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmadfer import media
from mmadfer.config import DFEW_LABELS
from mmadfer.data.manifest import PARTS
from mmadfer.data.ravdess import EMOTIONS

FACES, VOICES = "faces.npz", "voices"
RATE = 16_000
"""Of the voices, Hz."""
_ACTORS = {"train": range(1, 17), "validation": range(17, 19), "test": range(19, 21)}
"""Nobody's voice is in two parts."""
_NAME = re.compile(r"0[123]-0[12]-(?P<emotion>\d\d)-\d\d-\d\d-\d\d-(?P<actor>\d\d)")


@dataclass(frozen=True)
class Faces:
    """Face crops of one part."""

    images: np.ndarray
    """`(N, S, S)` uint8, grey."""
    labels: np.ndarray
    """`(N,)` int64, indices into `DFEW_LABELS`."""


@dataclass(frozen=True)
class Voice:
    """One spoken sentence."""

    name: str
    sound: np.ndarray
    """`(1, samples)` float32 at `RATE`."""
    label: int
    """Index into `DFEW_LABELS`; calm counts as neutral."""
    actor: int

    @property
    def sex(self) -> str:
        """Sex, "male" or "female": RAVDESS gives men odd numbers."""
        return "male" if self.actor % 2 else "female"


def read_faces(root: Path, part: str) -> Faces:
    """Return the faces of ``part`` ("train", "validation" or "test"), in the order of the file.

    Raises OSError where ``root`` has no faces, ValueError where the file is another one or damaged.
    """
    path = root / FACES
    if not path.is_file():
        raise FileNotFoundError(f"there is no {FACES} in {root}; give the folder of the starter data")
    try:
        with np.load(path) as file:
            images, labels, split = file["images"], file["labels"].astype(np.int64), file["split"]
            classes = tuple(file["classes"].tolist())
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged or no file of starter faces: {error}") from error
    if classes != DFEW_LABELS or images.ndim != 3 or images.dtype != np.uint8 or len(images) != len(labels):
        raise ValueError(
            f"{path} should hold grey images (N, S, S) of uint8 and their labels among {', '.join(DFEW_LABELS)}; "
            f"it holds {images.dtype} of {images.shape} and labels among {', '.join(map(str, classes))}"
        )
    chosen = split == PARTS.index(part)
    return Faces(images[chosen], labels[chosen])


def read_voices(root: Path, part: str) -> list[Voice]:
    """Return the voices of ``part``, by name. Raises OSError or ValueError where there are none, or one is broken."""
    voices = []
    for path in sorted((root / VOICES).glob("*.flac")):
        match = _NAME.fullmatch(path.stem)
        if match is None or match["emotion"] not in EMOTIONS:
            raise ValueError(f"{path} is not named as RAVDESS names a sentence, such as 03-01-06-01-02-01-12.flac")
        if int(match["actor"]) in _ACTORS[part]:
            voices.append(Voice(path.stem, _sound(path), _label(match["emotion"]), int(match["actor"])))
    if not voices:
        raise FileNotFoundError(f"there are no voices of actors for {part} in {root / VOICES}")
    return voices


def _sound(path: Path) -> np.ndarray:
    file = media.open_media(path)
    sound = file.read_audio()
    if sound is None or file.sample_rate != RATE:
        raise ValueError(f"{path} has sound at {file.sample_rate} Hz; the starter voices are at {RATE} Hz")
    return sound[:1]


def _label(emotion: str) -> int:
    name = EMOTIONS[emotion]
    return DFEW_LABELS.index("neutral" if name == "calm" else name)
