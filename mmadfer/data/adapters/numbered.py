"""Clips that a set knows by their number, which it writes 1 in one place and 00001 in another: DFEW and MAFW."""

from __future__ import annotations

import os
from pathlib import Path

from mmadfer.data.lists.listing import ClipLists, Finding
from mmadfer.data.manifest import Clip


def clip_id(number: int) -> str:
    """Return the id of the clip with ``number``."""
    return f"{number:05d}"


def numbered_clips(root: Path, lists: ClipLists, faces: str, videos: str, missing: str) -> tuple[Clip, ...]:
    """Return the clips of ``lists`` with their face crops, videos and sound.

    What is odd about them goes into the findings of ``lists``.

    Args:
        root: of the data set.
        lists: the lines read, by `clip_id`.
        faces: folder in ``root`` with a folder of face crops for each clip; it need not be there.
        videos: folder in ``root`` with the videos.
        missing: name that the video of a clip without one should have, with {} for its number.
    """
    crops, files = (_by_number(root, folder, lists.findings) for folder in (faces, videos))

    def clip(name: str, label: str, splits: dict[str, str]) -> Clip:
        number = int(name)
        frames = f"{faces}/{crops[number]}" if number in crops else ""
        if crops and not frames:
            lists.findings.append(Finding("no folder of face crops", name, "cut from the video"))
        # A video that is not there keeps its distributed name, so that the report can say what is missing.
        video = f"{videos}/{files.get(number, missing.format(number))}"
        return Clip(name, label, splits, frames=frames, video=video, audio=video)

    clips = lists.clips(clip)
    _note_unlisted(lists, crops or files, faces if crops else videos)
    return clips


def _note_unlisted(lists: ClipLists, there: dict[int, str], folder: str) -> None:
    named = {finding.clip_id for finding in lists.findings} | lists.labels.keys()
    rest = sorted(number for number in there if clip_id(number) not in named)
    if rest:
        lists.findings.append(Finding("in no list", "", f"{len(rest)} clips of {folder}, such as {there[rest[0]]}"))


def _by_number(root: Path, folder: str, findings: list[Finding]) -> dict[int, str]:
    """Return the entries of ``folder`` whose name without suffix is a number, by that number; {} without the folder."""
    found: dict[int, str] = {}
    for name in sorted(os.listdir(root / folder)) if (root / folder).is_dir() else []:
        stem = Path(name).stem
        if stem.isdecimal() and found.setdefault(int(stem), name) != name:
            detail = f"{found[int(stem)]} in {folder} is used, {name} is not"
            findings.append(Finding("there twice", clip_id(int(stem)), detail))
    return found
