"""A user's own folder: videos with a labels.csv, or one folder of videos for each class."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmadfer.data.folds import by_class, by_speaker
from mmadfer.data.labels import canonical, in_order, likely_misspelling
from mmadfer.data.listing import Finding, Listing, natural
from mmadfer.data.manifest import PARTS, Clip

TABLE = "labels.csv"
VIDEO_SUFFIXES = (
    ".mp4", ".mkv", ".mov", ".avi", ".webm", ".flv", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp", ".ts",
)  # fmt: skip
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
_COLUMNS = ("path", "label", "split", "speaker", "audio", "start", "end")
_PART_NAMES = {**{part: part for part in PARTS}, "val": "validation", "valid": "validation", "dev": "validation"}
_FOLD = "1"


def read(root: Path, labels: Sequence[str] = ()) -> Listing:
    """Return the clips that labels.csv names, or those in the folders of the classes.

    labels.csv has the columns path and label, and may have split (train, validation, test), speaker, audio, start and
    end (s). A path to a folder means pictures that are face crops already. Without splits folds are made.

    Args: root: the folder. labels: class names allowed, in the order of their indices; all that occur where empty.
    Raises FileNotFoundError or ValueError in one sentence, also where two labels look like one misspelt.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}; give the folder that holds your videos")
    table, findings = root / TABLE, list[Finding]()
    clips = _from_table(table, findings) if table.is_file() else _from_folders(root, findings)
    if not clips:
        raise ValueError(
            f"{root} holds no labelled videos: expected a {TABLE} with lines of path,label, "
            "or a folder of videos for each class, such as happiness/clip1.mp4"
        )
    allowed = tuple(canonical(label) for label in labels)
    if not allowed:
        _refuse_misspellings(table if table.is_file() else root, clips)
    unknown = [clip for clip in clips if allowed and clip.label not in allowed]
    findings += [Finding("unknown label", clip.clip_id, repr(clip.label), left_out=True) for clip in unknown]
    clips = [clip for clip in clips if clip not in unknown]
    return Listing(allowed or in_order(clip.label for clip in clips), _with_folds(clips, findings), tuple(findings))


def _refuse_misspellings(place: Path, clips: list[Clip]) -> None:
    counts = Counter(clip.label for clip in clips)
    pair = likely_misspelling(counts)
    if pair is not None:
        label, meant = pair
        raise ValueError(
            f"{place} has the label {label!r} ({counts[label]} clips), which looks like {meant!r} misspelt; "
            "correct it, or name all labels with --labels"
        )


def _from_table(path: Path, findings: list[Finding]) -> list[Clip]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        heading = file.readline()
        delimiter = max(",;\t", key=heading.count)
        names = [name.strip().lower() for name in next(csv.reader([heading], delimiter=delimiter), [])]
        if not {"path", "label"} <= set(names):
            raise ValueError(
                f"{path} must start with the line path,label and may have more of the columns {', '.join(_COLUMNS)}; "
                f"it starts with {heading.strip()!r}"
            )
        rows = list(csv.DictReader(file, fieldnames=names, delimiter=delimiter))
    clips: dict[tuple[str, float, float | None], Clip] = {}
    for number, row in enumerate(rows, 2):
        clip = _clip(
            f"{path}, line {number}",
            {key: (value or "").strip() for key, value in row.items() if key in _COLUMNS},
            path.parent,
        )
        first = clips.setdefault((clip.video or clip.frames, clip.start, clip.end), clip)
        if first is not clip:
            if first.label != clip.label:
                raise ValueError(f"{path}, line {number}: {clip.clip_id} is {clip.label} here and {first.label} above")
            findings.append(Finding("listed twice", clip.clip_id, f"line {number}"))
    return list(clips.values())


def _clip(where: str, row: dict[str, str], root: Path) -> Clip:
    if not row["path"] or not row["label"]:
        raise ValueError(f"{where}: a path and a label are needed, got {row['path']!r} and {row['label']!r}")
    split = row.get("split", "").lower()
    if split and split not in _PART_NAMES:
        raise ValueError(f"{where}: the split is {row['split']!r}; allowed are {', '.join(PARTS)}")
    try:
        start, end = float(row.get("start") or 0), float(row["end"]) if row.get("end") else None
    except ValueError as error:
        raise ValueError(f"{where}: start and end must be seconds ({error})") from error
    path, pictures = row["path"], (root / row["path"]).is_dir()
    span = "" if start == 0 and end is None else f"@{start:g}-{'' if end is None else f'{end:g}'}"
    try:
        return Clip(
            clip_id=path + span,
            label=canonical(row["label"]),
            splits={_FOLD: _PART_NAMES[split]} if split else {},
            frames=path if pictures else "",
            video="" if pictures else path,
            audio=row.get("audio") or ("" if pictures else path),
            start=start,
            end=end,
            speaker=row.get("speaker", ""),
        )
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _from_folders(root: Path, findings: list[Finding]) -> list[Clip]:
    """Return the clips of folders named as their class; a folder of pictures in one is a clip of face crops."""
    clips = []
    for folder in sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: natural(path.name)):
        if not folder.name.startswith("."):
            found = _from_folder(root, folder, findings)
            clips += found
            if not found:
                findings.append(Finding("empty class", "", f"{folder.name}/ holds no video"))
    return clips


def _from_folder(root: Path, folder: Path, findings: list[Finding]) -> list[Clip]:
    label, clips = canonical(folder.name), []
    for path in sorted(folder.rglob("*"), key=lambda path: natural(path.as_posix())):
        name, suffix = path.relative_to(root).as_posix(), path.suffix.lower()
        of_a_clip = suffix in PICTURE_SUFFIXES and path.parent != folder
        if path.name.startswith(".") or (path.is_file() and of_a_clip):
            continue
        if path.is_dir():
            clips += [Clip(name, label, frames=name)] if _holds_pictures(path) else []
        elif suffix in VIDEO_SUFFIXES:
            clips.append(Clip(name, label, video=name, audio=name))
        else:
            findings.append(Finding("no video", name, "left alone", left_out=True))
    return clips


def _holds_pictures(folder: Path) -> bool:
    return any(path.suffix.lower() in PICTURE_SUFFIXES for path in folder.iterdir())


def _with_folds(clips: list[Clip], findings: list[Finding]) -> tuple[Clip, ...]:
    if not clips or any(clip.splits for clip in clips):
        findings += [Finding("no split", clip.clip_id, "used in no part") for clip in clips if not clip.splits]
        return tuple(clips)
    known = all(clip.speaker for clip in clips) and len({clip.speaker for clip in clips}) > 1
    kind = "blocks of speakers" if known else "blocks of each class's clips"
    findings.append(Finding("no splits given", "", f"folds were made of {kind}"))
    return by_speaker(clips) if known else by_class(clips)
