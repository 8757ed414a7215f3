"""Which clips of a fold are trained on, held out for calibration, and tested."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from mmadfer.data.lists.speakers import speaker_key
from mmadfer.data.prepared import PreparedSet


@dataclass(frozen=True)
class Parts:
    """Indices into the clips of a prepared set; no clip is in two parts."""

    train: tuple[int, ...]
    held_out: tuple[int, ...]
    """For the temperature; empty where nothing is calibrated."""
    test: tuple[int, ...]

    @property
    def scored(self) -> tuple[str, ...]:
        """Names of the parts that are scored: the test part, then what is held out, if anything."""
        return ("test", "held_out") if self.held_out else ("test",)

    def counts(self, prepared: PreparedSet) -> dict[str, dict[str, int]]:
        """Return {part: {class name: clips}}."""
        return {name: class_counts(prepared, part) for name, part in vars(self).items()}


def fold_parts(prepared: PreparedSet, fold: str, share: float, seed: int) -> Parts:
    """Return the parts of ``fold``.

    Held out is the fold's own validation part; where it has none, ``share`` of its training clips, drawn by ``seed``.
    No speaker is in both. With a share of 0 nothing is held out, and a validation part stays unused.
    Raises ValueError where a label is unknown, and where the training or test part lacks clips.
    """
    train, test = prepared.indices(fold, "train"), prepared.indices(fold, "test")
    held_out = prepared.indices(fold, "validation") if share else []
    if share and not held_out:
        train, held_out = _split(prepared, train, share, seed)
    _check(prepared, fold, train, test)
    return Parts(tuple(train), tuple(held_out), tuple(test))


def class_counts(prepared: PreparedSet, part: tuple[int, ...]) -> dict[str, int]:
    """Return {class name: clips of ``part``}, classes without any included."""
    found = Counter(prepared.clips[index].label for index in part)
    return {label: found[label] for label in prepared.labels}


def _split(prepared: PreparedSet, clips: list[int], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Return ``clips`` without, and those of, groups drawn at random.

    A group is a speaker's clips. Where no speaker is known it is the clips of one video; where only some are, clips
    without one stay in training, as their speaker may be any of the others. So does a group that is all there is of a
    class.
    """
    groups: dict[str, list[int]] = {}
    named = any(prepared.clips[index].speaker for index in clips)
    for index in clips:
        clip = prepared.clips[index]
        if not named:
            groups.setdefault(f"video {clip.video}" if clip.video else f"clip {index}", []).append(index)
        elif clip.speaker:
            groups.setdefault(speaker_key(clip.speaker), []).append(index)
    members = list(groups.values())
    left = Counter(prepared.clips[index].label for index in clips)
    held_out: list[int] = []
    for group in np.random.default_rng(seed).permutation(len(members)):
        taken = Counter(prepared.clips[index].label for index in members[group])
        fits = len(held_out) + len(members[group]) <= share * len(clips)
        if fits and all(left[label] > count for label, count in taken.items()):
            held_out += members[group]
            left -= taken
    kept = set(clips) - set(held_out)
    return [index for index in clips if index in kept], sorted(held_out)


def _check(prepared: PreparedSet, fold: str, train: list[int], test: list[int]) -> None:
    unknown = sorted({clip.label for clip in prepared.clips} - set(prepared.labels))
    if unknown:
        raise ValueError(
            f"{prepared.folder} has clips of the unknown class {', '.join(map(repr, unknown[:3]))}; "
            f"its classes are {', '.join(prepared.labels)}. Correct the labels and prepare it again"
        )
    for name, part in (("training", train), ("test", test)):
        if not part:
            raise ValueError(
                f"fold {fold} of {prepared.name} has no {name} clips; check the splits it was prepared with"
            )
    empty = [label for label, count in class_counts(prepared, tuple(train)).items() if not count]
    if empty:
        raise ValueError(
            f"fold {fold} of {prepared.name} has no training clip of {', '.join(empty)}: such a class cannot be "
            "learned. Add clips, or prepare the set without the class"
        )
