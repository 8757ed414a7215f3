"""Clips in folders named for what they are: videos, and folders of face crops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmadfer.data.lists.labels import canonical
from mmadfer.data.lists.listing import Finding, natural
from mmadfer.data.lists.part_names import FOLD, part_of
from mmadfer.data.lists.shapes import Folders, Shape, find_shape, is_known_class
from mmadfer.data.lists.walk import Tree, about_left_out, walk
from mmadfer.data.manifest import Clip
from mmadfer.data.prepared import MANIFEST, SETTINGS
from mmadfer.files.names import shown
from mmadfer.media.suffixes import PICTURE_SUFFIXES, VIDEO_SUFFIXES


@dataclass(frozen=True)
class Content:
    """What lies in a data set's folder; all names are relative to it."""

    videos: tuple[str, ...]
    crops: tuple[str, ...]
    """Folders of pictures that are a clip of face crops each."""
    pictures: dict[str, int]
    """Folder -> how many pictures lie in it."""
    others: tuple[str, ...]
    """Files of another kind."""
    folders: tuple[str, ...]
    findings: tuple[Finding, ...]
    """About what was passed by."""


def read_content(root: Path) -> Content:
    """Return what lies below ``root``. Raises OSError where it cannot be opened."""
    tree = _without_prepared(walk(root))
    name = {path: path.relative_to(root).as_posix() for path in (root, *tree.files, *tree.folders)}
    videos = [path for path in tree.files if path.suffix.lower() in VIDEO_SUFFIXES]
    pictures = Counter(path.parent for path in tree.files if path.suffix.lower() in PICTURE_SUFFIXES)
    # A folder with clips in it, at any depth, is no clip: its own pictures are covers and thumbnails.
    alone = pictures.keys() - {folder for path in (*videos, *pictures) for folder in path.parents}
    return Content(
        videos=tuple(name[path] for path in videos),
        crops=tuple(name[path] for path in tree.folders if path in alone and _is_clip(name[path])),
        pictures={name[folder]: count for folder, count in pictures.items()},
        others=tuple(
            name[path] for path in tree.files if path.suffix.lower() not in (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES)
        ),
        folders=tuple(name[path] for path in tree.folders),
        findings=tuple(about_left_out(root, tree)),
    )


def _without_prepared(tree: Tree) -> Tree:
    """Return ``tree`` without the sets that train.prepare wrote into it, of which nothing need be said."""
    ours = {path.parent for path in tree.files if path.name == SETTINGS and path.parent / MANIFEST in tree.files}
    if not ours:
        return tree

    def is_other(path: Path) -> bool:
        return ours.isdisjoint((path, *path.parents))

    return Tree(
        tuple(filter(is_other, tree.files)),
        tuple(filter(is_other, tree.folders)),
        tuple(left for left in tree.left_out if is_other(left.path)),
    )


def _is_clip(folder: str) -> bool:
    """Return whether a folder of pictures may be a clip, and is not a class or part full of single pictures."""
    *around, own = folder.split("/")
    names_class = is_known_class(own) or part_of(own) is not None
    return bool(around) and (not names_class or any(is_known_class(outer) for outer in around))


def clips_of_folders(root: Path, content: Content) -> tuple[list[Clip], list[Finding]]:
    """Return the clips in folders of classes, and all that is odd.

    Raises ValueError in one sentence where it is not certain which folders are the classes.
    """
    videos = set(content.videos)
    around = {name: tuple(name.split("/")[:-1]) for name in (*content.videos, *content.crops)}
    try:
        shape, findings = find_shape(list(around.items()))
    except ValueError as error:
        raise ValueError(f"{shown(root)} {error}") from error
    clips = []
    for name in sorted(around, key=natural):
        if len(around[name]) > shape.label:
            clips.append(_clip(name, around[name], shape, name in videos))
        elif name in videos:
            findings.append(Finding("in no class's folder", name, "left alone", left_out=True))
    findings += [Finding("no video", name, "left alone", left_out=True) for name in content.others]
    findings += _loose(content, clips)
    return clips, findings + _empty(content, clips, shape)


def _loose(content: Content, clips: Sequence[Clip]) -> list[Finding]:
    """Return a finding for each folder with pictures of which nobody says what clip they are of."""
    rest = content.pictures.keys() - {clip.frames for clip in clips}
    return [
        Finding("pictures of no clip", name, f"{content.pictures[name]} pictures; a clip's lie in its own folder", True)
        for name in sorted(rest, key=natural)
    ]


def _empty(content: Content, clips: Sequence[Clip], shape: Shape) -> list[Finding]:
    """Return a finding for each folder, of those not in such a one, that holds no clip."""
    used = {
        "/".join(parts[:k]) for clip in clips for parts in [clip.clip_id.split("/")] for k in range(1, len(parts) + 1)
    }
    used.add("")  # the data set's own folder
    empty = [name for name in content.folders if name not in used]
    outermost = [name for name in empty if name.rpartition("/")[0] in used]
    return [
        Finding(
            "empty class" if name.count("/") == shape.label else "folder without clips",
            "",
            f"{shown(name)}/ holds no video",
        )
        for name in outermost
    ]


def _clip(name: str, folders: Folders, shape: Shape, is_video: bool) -> Clip:
    part = None if shape.part is None else part_of(folders[shape.part])
    return Clip(
        name,
        canonical(folders[shape.label]),
        {FOLD: part} if part else {},
        frames="" if is_video else name,
        video=name if is_video else "",
        audio=name if is_video else "",
        speaker="" if shape.speaker is None else folders[shape.speaker],
    )
