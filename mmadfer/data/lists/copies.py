"""Clips with the same content under several names: found by size first, then by their bytes."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

from mmadfer.data.lists.listing import Finding, natural
from mmadfer.data.manifest import Clip
from mmadfer.media.suffixes import PICTURE_SUFFIXES

IN_TWO_PARTS = "same content in two parts of one fold"
_START = 1 << 16
"""Bytes that are compared before whole files are."""
_CHUNK = 1 << 20


def contents(root: Path, clips: Sequence[Clip]) -> list[str]:
    """Return for each clip the first source whose bytes are those of its pictures' source: equal for equal content.

    A source is a video, or a folder of face crops. What is missing, empty or unreadable equals nothing but itself.
    """
    sources = [clip.frames or clip.video for clip in clips]
    linked = _firsts(_parted(root, list(dict.fromkeys(sources)), _identity))
    groups = [list(dict.fromkeys(linked.values()))]
    for tell in (_size, _start, _digest):
        groups = [part for group in groups for part in _parted(root, group, tell) if len(part) > 1]
    equal = _firsts(groups)
    return [equal.get(name, name) for name in (linked.get(source, source) for source in sources)]


def copies(clips: Sequence[Clip], found: Sequence[str]) -> list[Hashable]:
    """Return what is equal for clips that show the same. Args: found: of `contents`."""
    return [(source, clip.start, clip.end) for clip, source in zip(clips, found, strict=True)]


def about_copies(clips: Sequence[Clip], found: Sequence[str]) -> list[Finding]:
    """Return a finding for each clip with the content of one before it, and for each recording in two parts of a fold.

    Args: found: of `contents`.
    """
    findings = []
    for first, *others in _gathered(clips, copies(clips, found)):
        for other in others:
            if other.label != first.label:
                detail = f"{other.label}; {first.clip_id} is {first.label}"
                findings.append(Finding("same content under two labels", other.clip_id, detail))
            else:
                findings.append(Finding("same content twice", other.clip_id, f"it is that of {first.clip_id}"))
    for members in _gathered(clips, found):
        for fold in sorted({fold for clip in members for fold in clip.splits}, key=natural):
            sides = {clip.splits[fold]: clip.clip_id for clip in reversed(members) if fold in clip.splits}
            if len(sides) > 1:
                where = ", ".join(f"{part} ({sides[part]})" for part in sorted(sides))
                detail = f"fold {fold}: {where}"
                findings.append(Finding(IN_TWO_PARTS, members[0].clip_id, detail))
    return findings


def _gathered(clips: Sequence[Clip], keys: Iterable[Hashable]) -> list[list[Clip]]:
    """Return the clips of each key, for keys of several clips."""
    groups: dict[Hashable, list[Clip]] = defaultdict(list)
    for clip, key in zip(clips, keys, strict=True):
        groups[key].append(clip)
    return [group for group in groups.values() if len(group) > 1]


def _parted(root: Path, group: list[str], tell: Callable[[Path], Hashable]) -> list[list[str]]:
    """Return ``group`` in parts of which ``tell`` tells the same; what cannot be read is in none."""
    parts: dict[Hashable, list[str]] = defaultdict(list)
    for source in group:
        try:
            told = tell(root / source) if source else None
        except (OSError, ValueError):  # ValueError: a name that no file can have
            continue
        if told is not None:
            parts[told].append(source)
    return list(parts.values())


def _firsts(groups: Iterable[list[str]]) -> dict[str, str]:
    return {source: group[0] for group in groups for source in group}


def _identity(path: Path) -> Hashable:
    found = path.stat()
    return found.st_dev, found.st_ino


def _size(path: Path) -> Hashable:
    """Return the size of a file; of a folder the number of pictures and the sizes of two; None for nothing."""
    if not path.is_dir():
        return path.stat().st_size or None
    pictures = _pictures(path)
    return (len(pictures), *(picture.stat().st_size for picture in (pictures[0], pictures[-1]))) if pictures else None


def _start(path: Path) -> Hashable:
    with open(_pictures(path)[0] if path.is_dir() else path, "rb") as file:
        return file.read(_START)


def _digest(path: Path) -> Hashable:
    digest = hashlib.blake2b()
    for part in _pictures(path) if path.is_dir() else (path,):
        digest.update(part.stat().st_size.to_bytes(8, "little"))
        with open(part, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.digest()


def _pictures(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES
        ]
    return [folder / name for name in sorted(names, key=natural)]
