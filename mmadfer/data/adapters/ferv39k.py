"""FERV39k as distributed: face crops by scene and emotion, one split; it has no sound."""

from __future__ import annotations

import re
from pathlib import Path

from mmadfer.config import DFEW_LABELS
from mmadfer.data.lists.labels import canonical
from mmadfer.data.lists.listing import ClipLists, Listing, require_layout
from mmadfer.data.lists.tables import read_lines
from mmadfer.data.manifest import Clip

LISTS, FACES = "4_setups/All_scenes", "2_ClipsforFaceCrop"
_PARTS = {"train": "train_All.csv", "test": "test_All.csv"}


def read(root: Path, faces: str = "") -> Listing:
    """Return the clips of the set's one split over all scenes, as fold "1".

    Args: root: the folder with 2_ClipsforFaceCrop and 4_setups. faces: folder of face crops in it; `FACES` where empty.
    Raises FileNotFoundError in one sentence where the folder is not as distributed.
    """
    faces = faces or FACES
    require_layout(root, "FERV39k", [*(f"{LISTS}/{name}" for name in _PARTS.values()), faces])
    lists = ClipLists()
    for part, name in _PARTS.items():
        for _, line in read_lines(root / LISTS / name):
            _add(lists, line, part)
    return Listing(
        DFEW_LABELS,
        lists.clips(lambda name, label, splits: Clip(name, label, splits, frames=f"{faces}/{name}")),
        tuple(lists.findings),
    )


def _add(lists: ClipLists, line: str, part: str) -> None:
    """Take a line such as "Action/Angry/0267 Angry"; its parts stand apart by a space or a comma."""
    path, _, label = re.sub(r"[\s,;]+", " ", line).rpartition(" ")
    clip_id = path.strip("/").removeprefix(f"{FACES}/")
    if "/" not in clip_id:
        if label != "label":  # the heading, where there is one
            lists.leave_out("line not understood", line, f"{part}: 'Scene/Emotion/id Emotion' is expected")
    elif canonical(label) not in DFEW_LABELS:
        lists.leave_out("unknown label", clip_id, f"{label!r} in {part}")
    else:
        lists.add(clip_id, canonical(label), "1", part)
