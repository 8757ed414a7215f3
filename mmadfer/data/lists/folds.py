"""Folds for sets that come without a split: blocks of speakers, or of clips where the speakers are not known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace

from mmadfer.data.lists.listing import natural
from mmadfer.data.manifest import Clip

FOLDS = 5


def by_speaker(clips: Sequence[Clip], copies: Sequence[Hashable] | None = None) -> tuple[Clip, ...]:
    """Return ``clips`` with splits: fold k tests on the k-th of five blocks of speakers, sorted by name.

    No speaker is in both parts of a fold. With fewer than five speakers there is a fold for each; one alone gives none.

    Args: copies: equal for clips that are copies of each other; their speakers, too, share a block, as one.
    """
    first = _joined([clip.speaker for clip in clips], copies or range(len(clips)))
    names = sorted(set(first.values()), key=natural)
    block = dict(zip(names, _blocks(len(names)), strict=True))
    count = min(FOLDS, len(names))
    return tuple(replace(clip, splits=_splits(block[first[clip.speaker]], count)) for clip in clips)


def by_class(clips: Sequence[Clip], recordings: Sequence[Hashable] | None = None) -> tuple[Clip, ...]:
    """Return ``clips`` with splits: fold k tests on the k-th fifth of each class, in the order given.

    Blocks and not every fifth clip: neighbours are often cut from one recording. Where no class has five clips there
    are as many folds as the largest has.

    Args: recordings: equal for clips of one recording, which then share a block, unless none but one would be left.
    """
    keys: Sequence[Hashable] = range(len(clips)) if recordings is None else recordings
    block = _blocks_by_class(clips, keys)
    if len(set(block.values())) == 1:
        keys = range(len(clips))
        block = _blocks_by_class(clips, keys)
    count = max(block.values()) + 1
    return tuple(replace(clip, splits=_splits(block[key], count)) for clip, key in zip(clips, keys, strict=True))


def _blocks_by_class(clips: Sequence[Clip], keys: Sequence[Hashable]) -> dict[Hashable, int]:
    """Return the block of each key: its place among those whose first clip is of the same class."""
    members: dict[str, list[Hashable]] = defaultdict(list)
    seen: set[Hashable] = set()
    for clip, key in zip(clips, keys, strict=True):
        if key not in seen:
            seen.add(key)
            members[clip.label].append(key)
    return {key: block for found in members.values() for key, block in zip(found, _blocks(len(found)), strict=True)}


def _joined(speakers: Sequence[str], copies: Sequence[Hashable]) -> dict[str, str]:
    """Return {speaker: the first, by name, of those joined by copies}; each its own where all would be joined."""
    first = {speaker: speaker for speaker in speakers}

    def root(speaker: str) -> str:
        while first[speaker] != speaker:
            speaker = first[speaker]
        return speaker

    members: dict[Hashable, set[str]] = defaultdict(set)
    for speaker, copy in zip(speakers, copies, strict=True):
        members[copy].add(speaker)
    for together in members.values():
        roots = sorted({root(speaker) for speaker in together}, key=natural)
        first.update(dict.fromkeys(roots, roots[0]))
    joined = {speaker: root(speaker) for speaker in first}
    return joined if len(set(joined.values())) > 1 else {speaker: speaker for speaker in first}


def _blocks(count: int) -> list[int]:
    """Return the block, from 0, of each of ``count`` things in five blocks of nearly the same size."""
    blocks = min(FOLDS, count)
    return [position * blocks // count for position in range(count)]


def _splits(block: int, count: int) -> dict[str, str]:
    if count < 2:
        return {}
    return {str(fold + 1): "test" if fold == block else "train" for fold in range(count)}
