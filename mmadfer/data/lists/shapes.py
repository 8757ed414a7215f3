"""The shapes in which people keep clips in folders: which level of folders is the class, the part, the speaker."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from mmadfer.config import MAFW_LABELS
from mmadfer.data.lists.labels import canonical
from mmadfer.data.lists.listing import Finding
from mmadfer.data.lists.part_names import PARTS_IN_WORDS, may_be_part, part_of
from mmadfer.data.lists.speakers import speaker_key
from mmadfer.files.names import shown

_KNOWN = frozenset((*MAFW_LABELS, "calm", "joy", "boredom", "excitement", "frustration", "amusement", "love", "pride"))
"""Names by which a level of folders is known for that of the classes."""

_PERSON = re.compile(r"(?:actor|speaker|spk|subject|person|participant)s?[\s_.\-]*\d+", re.IGNORECASE)

Folders = tuple[str, ...]
"""The folders around a clip, from the outermost on."""


@dataclass(frozen=True)
class Shape:
    """What each level of folders means, counted from the data set's own folder."""

    label: int
    part: int | None = None
    speaker: int | None = None

    def words(self) -> str:
        """Return the shape as people write it, such as part/class/clip."""
        names = {self.label: "class", self.part: "part", self.speaker: "speaker"}
        return (
            "/".join(names.get(level, "...") for level in range(max(k for k in names if k is not None) + 1)) + "/clip"
        )


def find_shape(clips: Sequence[tuple[str, Folders]]) -> tuple[Shape, list[Finding]]:
    """Return what the folders around ``clips`` mean, and what of it is not plain.

    Args: clips: name and folders of each; those that lie in none are not looked at.
    Raises ValueError in one sentence, to follow the name of the data set's folder, where there are two ways to read it.
    """
    clips = [(name, folders) for name, folders in clips if folders]
    if not clips:
        return Shape(0), []
    for name, folders in clips:
        if odd := next((folder for folder in folders if may_be_part(folder)), None):
            raise ValueError(
                f"has the folder {shown(odd)} ({shown(name)}), which may be a part of a split; call parts "
                f"{PARTS_IN_WORDS}, or list the clips with their parts in labels.csv"
            )
    skipped = _wrapping(clips)
    findings = [Finding("wrapping folder", "", f"{shown('/'.join(skipped))}/ holds everything and is no class")]
    findings = findings if skipped else []
    inner = [(name, folders[len(skipped) :]) for name, folders in clips if len(folders) > len(skipped)]
    part = _part_level(inner)
    label = _label_level(inner, part)
    speaker, about = _speaker_level(inner, part, label)
    moved = [None if level is None else level + len(skipped) for level in (part, speaker)]
    shape = Shape(label + len(skipped), *moved)
    if shape != Shape(0):
        findings.append(Finding("shape of the folders", "", f"read as {shape.words()}"))
    return shape, findings + about


def is_known_class(folder: str) -> bool:
    """Return whether a folder is called as an emotion is."""
    return canonical(folder) in _KNOWN


def _wrapping(clips: Sequence[tuple[str, Folders]]) -> Folders:
    """Return the outermost folders that hold all clips and are neither class nor part."""
    depth = max(len(folders) for _, folders in clips)
    names = [{folders[k] for _, folders in clips if len(folders) > k} for k in range(depth)]
    skipped: Folders = ()
    for level in names:
        if len(level) > 1 or any(part_of(name) or is_known_class(name) for name in level):
            return skipped
        skipped = (*skipped, *level)
    return ()  # a single class


def _part_level(clips: Sequence[tuple[str, Folders]]) -> int | None:
    """Return the level of train, validation and test; None where there is none."""
    levels: dict[tuple[int, ...], tuple[str, Folders]] = {}
    for name, folders in clips:
        levels.setdefault(tuple(k for k, folder in enumerate(folders) if part_of(folder)), (name, folders))
    if len(levels) == 1 and len(found := next(iter(levels))) <= 1:
        return found[0] if found else None
    if len(levels) == 1:
        name, _ = next(iter(levels.values()))
        raise ValueError(
            f"has a folder of a part in one of a part ({shown(name)}); keep one, or list the clips in labels.csv"
        )
    (first, _), (second, _) = list(levels.values())[:2]
    raise ValueError(
        f"mixes shapes: {shown(first)} and {shown(second)} do not name their part ({PARTS_IN_WORDS}) at one level "
        "of folders; put all clips into part/class/ or class/part/, or list them in labels.csv"
    )


def _label_level(clips: Sequence[tuple[str, Folders]], part: int | None) -> int:
    """Return the level of the classes: where all names are known emotions, else the first that is no part."""
    rest = [k for k in range(max(len(folders) for _, folders in clips)) if k != part]
    if not rest:  # in folders of parts alone: in no class's
        return 1
    first = rest[0]
    known = [
        (name, [k for k, folder in enumerate(folders) if k != part and is_known_class(folder)])
        for name, folders in clips
    ]
    if not any(levels for _, levels in known):
        return _after_speakers(clips, rest)
    if any(first in levels for _, levels in known):
        level = first
    else:
        level = min(levels[0] for _, levels in known if levels)
    odd = next((name for name, levels in known if levels and levels[0] != level), None)
    if level != first:
        odd = odd or next((name for name, levels in known if not levels), None)
    if odd is None:
        return level
    other = next(name for name, levels in known if levels and levels[0] == level)
    raise ValueError(
        f"mixes shapes: {shown(other)} and {shown(odd)} do not name their class at one level of folders; put all "
        "clips into one folder for each class, or list them in labels.csv"
    )


def _after_speakers(clips: Sequence[tuple[str, Folders]], rest: list[int]) -> int:
    """Return the first level of ``rest``, or the next where that is called actor_01, speaker 2 and so on."""
    names = {folders[rest[0]] for _, folders in clips if len(folders) > rest[0]}
    if not all(_PERSON.fullmatch(name) for name in names):
        return rest[0]
    if len(rest) > 1:
        return rest[1]
    raise ValueError(
        f"has folders for speakers ({', '.join(map(shown, sorted(names)[:3]))}) and none for classes; put the clips "
        "into one folder for each class, or list them in labels.csv"
    )


def _speaker_level(
    clips: Sequence[tuple[str, Folders]], part: int | None, label: int
) -> tuple[int | None, list[Finding]]:
    """Return the level that is the speakers', if there is no doubt; else a finding about folders not understood."""
    outer = [k for k in range(label) if k != part]
    deepest = max(len(folders) for _, folders in clips)
    inner = [k for k in range(label + 1, deepest) if k != part]
    names = {k: {folders[k] for _, folders in clips if len(folders) > k} for k in (*outer, *inner)}
    levels = [k for k in (outer or inner) if len(names[k]) > 1]
    if not levels:
        return None, []
    everywhere = all(len(folders) > levels[0] for _, folders in clips if len(folders) > label)
    if len(levels) == 1 and everywhere and (outer or _recur(clips, label, levels[0])):
        return levels[0], []
    examples = ", ".join(shown(name) for name in sorted(names[levels[0]])[:3])
    detail = f"{examples}: they are not taken for speakers; name speakers in labels.csv"
    return None, [Finding("folders not understood", "", detail)]


def _recur(clips: Sequence[tuple[str, Folders]], label: int, level: int) -> bool:
    """Return whether the folders of ``level`` recur in several classes, as speakers do and recordings do not."""
    classes: dict[str, set[str]] = defaultdict(set)
    for _, folders in clips:
        if len(folders) > level:
            classes[speaker_key(folders[level])].add(canonical(folders[label]))
    recurring = sum(len(found) > 1 for found in classes.values())
    return "" not in classes and 2 * recurring > len(classes)
