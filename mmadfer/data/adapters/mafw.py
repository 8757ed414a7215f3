"""MAFW as distributed: videos, and five folds as text lists; face crops where they were made before."""

from __future__ import annotations

import re
from pathlib import Path

from mmadfer.config import MAFW_LABELS
from mmadfer.data.adapters.numbered import clip_id, numbered_clips
from mmadfer.data.lists.labels import canonical
from mmadfer.data.lists.listing import ClipLists, Finding, Listing, require_layout
from mmadfer.data.lists.tables import read_lines

LISTS = "Train & Test Set/single/no_caption"
FACES, VIDEOS = "data/faces", "data/clips"
_PARTS = ("train", "test")
_FOLDS = tuple("12345")
_UNCOUNTED = 1
"""The counts in the lists are this much below the number of files."""


def read(root: Path, faces: str = "") -> Listing:
    """Return the clips that the five folds' lists name.

    Args: root: the folder with "data" and "Train & Test Set". faces: folder of face crops in it; `FACES` where empty.
    Without one the faces are cut from the videos.
    Raises FileNotFoundError or ValueError in one sentence where the folder or a list is not as distributed.
    """
    require_layout(root, "MAFW", [LISTS, faces or "data"])
    lists, found = ClipLists(), 0
    counts: dict[str, int] = {}
    for fold in _FOLDS:
        paths = {part: root / LISTS / f"set_{fold}" / f"{part}.txt" for part in _PARTS}
        there = [part for part in _PARTS if paths[part].is_file()]
        if not there:
            lists.findings.append(Finding("fold without lists", "", f"fold {fold}"))
        elif len(there) == 1:
            raise FileNotFoundError(f"fold {fold} of MAFW has a {there[0]} list only; the other one is not in {root}")
        for part in there:
            counts |= _read_list(paths[part], lists, fold, part)
            found += 1
    if not found:
        raise FileNotFoundError(f"{root / LISTS} holds no set_1/train.txt to set_5/test.txt")
    clips = numbered_clips(root, lists, faces or FACES, VIDEOS, missing="{:05d}.mp4")
    return Listing(
        MAFW_LABELS,
        clips,
        tuple(lists.findings),
        counts,
        level_eyes=False,
        unpadded_frames=True,
        uncounted_frames=_UNCOUNTED,
    )


def _read_list(path: Path, lists: ClipLists, fold: str, part: str) -> dict[str, int]:
    """Take lines of "00025.mp4 anger", or with a number of frames between, and return those numbers of files."""
    counts = {}
    for _, line in read_lines(path):
        fields = re.split(r"[\s,;]+", line)
        stem = Path(fields[0]).name.removesuffix(".mp4")
        if len(fields) not in (2, 3) or not stem.isdecimal():
            lists.leave_out("line not understood", line, f"fold {fold}, {part}: '00025.mp4 anger' is expected")
            continue
        name, label = clip_id(int(stem)), canonical(fields[-1])
        if label not in MAFW_LABELS:
            lists.leave_out("unknown label", name, f"{fields[-1]!r} in fold {fold}, {part}")
            continue
        lists.add(name, label, fold, part)
        if len(fields) == 3 and fields[1].isdecimal():
            counts[name] = int(fields[1]) + _UNCOUNTED
    return counts
