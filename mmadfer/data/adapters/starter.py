"""The starter data: labelled face crops in one file, and spoken sentences in files that their corpora's rules name.

There is no real pair of a face and a voice in it. `train.starter` makes clips of a face and a voice of the same label.
"""

from __future__ import annotations

import hashlib
import logging
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmadfer.config import DFEW_LABELS
from mmadfer.data.adapters.ravdess import EMOTIONS
from mmadfer.data.lists.copies import IN_TWO_PARTS, about_copies, contents
from mmadfer.data.manifest import PARTS, Clip
from mmadfer.media import media_file

_log = logging.getLogger(__name__)

FACES, VOICES, BERLIN_VOICES, CALM_VOICES = "faces.npz", "voices", "voices_emodb", "calm"
RAVDESS, BERLIN, CALM = "RAVDESS", "Berlin", "calm"
"""Corpora of voices. Calm speech is read by synthesisers, and neutral for nobody meant it otherwise."""
RATE = 16_000
"""Of the voices, Hz."""
_SHORTEST = 0.1
"""Of a voice, s."""
_ACTORS = {"train": range(1, 17), "validation": range(17, 19), "test": range(19, 21)}
"""Nobody's voice is in two parts."""
_NAME = re.compile(r"0[123]-0[12]-(?P<emotion>\d\d)-\d\d-\d\d-\d\d-(?P<actor>\d\d)")
_BERLIN_NAME = re.compile(r"(?P<actor>\d\d)[ab]\d\d(?P<emotion>[WLEAFTN])[a-z]?")
_BERLIN_EMOTIONS = {"W": "anger", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral"}
"""Boredom, L, is none of the classes."""
_CALM_NAME = re.compile(r"(?P<voice>\w+)_\d+")


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
    corpus: str = RAVDESS

    @property
    def sex(self) -> str:
        """Sex, "male" or "female", of RAVDESS's actors, where men have odd numbers."""
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
    known = len(split) == len(labels) and np.isin(labels, range(len(classes))).all() and np.isin(split, range(3)).all()
    if not known:
        raise ValueError(
            f"{path} should name for each face a class from 0 to {len(classes) - 1}, and a part from 0 to 2"
        )
    _check_faces(path, images, labels, split)
    chosen = split == PARTS.index(part)
    return Faces(images[chosen], labels[chosen])


def _check_faces(path: Path, images: np.ndarray, labels: np.ndarray, split: np.ndarray) -> None:
    """Raise ValueError where a photograph is in two parts; say how many are under two labels."""
    first: dict[bytes, int] = {}
    contradictory = 0
    for k, image in enumerate(images):
        j = first.setdefault(hashlib.blake2b(image.tobytes(), digest_size=16).digest(), k)
        contradictory += bool(labels[j] != labels[k])
        if split[j] != split[k]:
            there, here = (PARTS[split[index]] for index in (j, k))
            raise ValueError(
                f"{path} has one photograph in two parts, {there} (number {j}) and {here} (number {k}); put its copies "
                "into one, else it tests what it trained on"
            )
    if contradictory:
        _log.info("%s: %d photographs are there again under another label", path, contradictory)


def read_voices(root: Path, part: str) -> list[Voice]:
    """Return the voices of ``part``, by name.

    A voice that is in another part, too, under another actor's name, is warned of.
    Raises OSError or ValueError where there are none, or one is broken.
    """
    voices, clips = [], []
    for path in sorted((root / VOICES).glob("*.flac")):
        match = _NAME.fullmatch(path.stem)
        if match is None or match["emotion"] not in EMOTIONS:
            raise ValueError(f"{path} is not named as RAVDESS names a sentence, such as 03-01-06-01-02-01-12.flac")
        actor = int(match["actor"])
        of = next((name for name, actors in _ACTORS.items() if actor in actors), None)
        clips.append(Clip(path.name, EMOTIONS[match["emotion"]], {"1": of} if of else {}, video=path.name))
        if of == part:
            voices.append(Voice(path.stem, _sound(path), _label(match["emotion"]), actor))
    if not voices:
        raise FileNotFoundError(f"there are no voices of actors for {part} in {root / VOICES}")
    for finding in about_copies(clips, contents(root / VOICES, clips)):
        if finding.kind == IN_TWO_PARTS:
            _log.warning("%s has one voice under the names of several actors: %s", root / VOICES, finding.detail)
    return voices


def read_berlin(root: Path) -> list[Voice]:
    """Return the sentences of the Berlin Database of Emotional Speech but those in boredom; none where it is not there.

    Raises OSError or ValueError where one is broken.
    """
    voices = []
    for path in sorted((root / BERLIN_VOICES).glob("*.flac")):
        match = _BERLIN_NAME.fullmatch(path.stem)
        if match is None:
            raise ValueError(f"{path} is not named as the Berlin corpus names a sentence, such as 03a01Wa.flac")
        if match["emotion"] in _BERLIN_EMOTIONS:
            label = DFEW_LABELS.index(_BERLIN_EMOTIONS[match["emotion"]])
            voices.append(Voice(path.stem, _sound(path), label, int(match["actor"]), BERLIN))
    return voices


def read_calm(root: Path, folder: str = CALM_VOICES) -> list[Voice]:
    """Return the calm speech in ``folder`` of ``root``, each voice as an actor; none where it is not there.

    Raises OSError or ValueError where one is broken.
    """
    paths = sorted((root / folder).glob("*.flac"))
    names = [match["voice"] if (match := _CALM_NAME.fullmatch(path.stem)) else path.stem for path in paths]
    actors = {name: number for number, name in enumerate(sorted(set(names)))}
    neutral = DFEW_LABELS.index("neutral")
    return [
        Voice(path.stem, _sound(path), neutral, actors[name], CALM) for path, name in zip(paths, names, strict=True)
    ]


def _sound(path: Path) -> np.ndarray:
    file = media_file.open_media(path)
    sound = file.read_audio()
    if sound is None:
        raise ValueError(f"{path} has no sound; copy it again")
    if file.sample_rate != RATE:
        raise ValueError(f"{path} has sound at {file.sample_rate} Hz; the starter voices are at {RATE} Hz")
    if sound.shape[1] < _SHORTEST * RATE or not sound[0].any():
        raise ValueError(
            f"{path} has no voice in it: {sound.shape[1]} samples, the loudest {np.abs(sound).max(initial=0)}"
        )
    return sound[:1]


def _label(emotion: str) -> int:
    name = EMOTIONS[emotion]
    return DFEW_LABELS.index("neutral" if name == "calm" else name)
