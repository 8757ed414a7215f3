"""Folds for sets that come without a split: blocks of speakers, or of clips where the speakers are not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from mmadfer.data.listing import natural
from mmadfer.data.manifest import Clip

FOLDS = 5


def by_speaker(clips: Sequence[Clip]) -> tuple[Clip, ...]:
    """Return ``clips`` with splits: fold k tests on the k-th of five blocks of speakers, sorted by name.

    No speaker is in both parts of a fold. With fewer than five speakers there is a fold for each; one alone gives none.
    """
    names = sorted({clip.speaker for clip in clips}, key=natural)
    block = dict(zip(names, _blocks(len(names)), strict=True))
    count = min(FOLDS, len(names))
    return tuple(replace(clip, splits=_splits(block[clip.speaker], count)) for clip in clips)


def by_class(clips: Sequence[Clip]) -> tuple[Clip, ...]:
    """Return ``clips`` with splits: fold k tests on the k-th fifth of each class, in the order given.

    Blocks and not every fifth clip: neighbours are often cut from one recording. Where no class has five clips there
    are as many folds as the largest has.
    """
    split = list(clips)
    count = min(FOLDS, max(Counter(clip.label for clip in clips).values()))
    for label in {clip.label for clip in clips}:
        positions = [index for index, clip in enumerate(clips) if clip.label == label]
        for index, block in zip(positions, _blocks(len(positions)), strict=True):
            split[index] = replace(clips[index], splits=_splits(block, count))
    return tuple(split)


def _blocks(count: int) -> list[int]:
    """Return the block, from 0, of each of ``count`` things in five blocks of nearly the same size."""
    blocks = min(FOLDS, count)
    return [position * blocks // count for position in range(count)]


def _splits(block: int, count: int) -> dict[str, str]:
    if count < 2:
        return {}
    return {str(fold + 1): "test" if fold == block else "train" for fold in range(count)}
