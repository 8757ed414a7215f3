"""The data sets that can be read, by name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmadfer.data.adapters import crema_d, dfew, ferv39k, folder, mafw, ravdess
from mmadfer.data.lists.copies import about_copies, contents
from mmadfer.data.lists.listing import Listing
from mmadfer.data.lists.speakers import on_both_sides

_WITH_CROPS = {"dfew": dfew.read, "mafw": mafw.read, "ferv39k": ferv39k.read}
_VIDEOS = {"crema-d": crema_d.read, "ravdess": ravdess.read}
SETS = (*_WITH_CROPS, *_VIDEOS, "folder")
"""Names of the sets; "folder" is a user's own."""


def list_clips(name: str, root: str | os.PathLike[str], faces: str = "", labels: Sequence[str] = ()) -> Listing:
    """Return the clips of a data set as distributed.

    Args:
        name: one of `SETS`.
        root: the folder that it was unpacked into.
        faces: folder in it that holds the face crops, where they are elsewhere than distributed.
        labels: of a user's own folder, the class names allowed.

    Raises FileNotFoundError or ValueError in one sentence where the folder is not as expected, or an argument does not
    fit the set.
    """
    if name not in SETS:
        raise ValueError(f"there is no adapter for the data set {name!r}; there are {', '.join(SETS)}")
    if faces and name not in _WITH_CROPS:
        raise ValueError(
            f"faces of {name} are cut from its videos; a folder of face crops fits {', '.join(_WITH_CROPS)}"
        )
    if labels and name != "folder":
        raise ValueError(f"the labels of {name} are known; labels can be named for a user's own folder only")
    if name == "folder":
        return folder.read(Path(root), labels)
    found = _WITH_CROPS[name](Path(root), faces) if name in _WITH_CROPS else _VIDEOS[name](Path(root))
    doubts = [*on_both_sides(found.clips), *about_copies(found.clips, contents(Path(root), found.clips))]
    return replace(found, findings=(*found.findings, *doubts))
