"""DFEW as distributed: face crops in folders, sound in the videos, five folds as csv lists."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mmadfer.config import DFEW_LABELS
from mmadfer.data.adapters.numbered import clip_id, numbered_clips
from mmadfer.data.lists.listing import ClipLists, Finding, Listing, require_layout
from mmadfer.data.lists.tables import read_text, split_rows

LISTS = "EmoLabel_DataSplit"
FACES, VIDEOS = "Clip/clip_224x224", "Clip/original"
_PARTS = ("train", "test")
_FOLDS = tuple("12345")


def read(root: Path, faces: str = "") -> Listing:
    """Return the clips that the five folds' lists name.

    Args: root: the folder with Clip and EmoLabel_DataSplit. faces: folder of face crops in it; `FACES` where empty.
    Raises FileNotFoundError or ValueError in one sentence where the folder or a list is not as distributed.
    """
    require_layout(root, "DFEW", [f"{LISTS}/{part}(single-labeled)" for part in _PARTS] + [faces or "Clip"])
    lists = ClipLists()
    rows: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for fold in _FOLDS:
        paths = {part: root / LISTS / f"{part}(single-labeled)" / f"set_{fold}.csv" for part in _PARTS}
        there = [part for part in _PARTS if paths[part].is_file()]
        if not there:
            lists.findings.append(Finding("fold without lists", "", f"fold {fold}"))
            continue
        if len(there) == 1:
            raise FileNotFoundError(f"fold {fold} of DFEW has a {there[0]} list only; the other one is not in {root}")
        rows |= {(fold, part): _rows(paths[part]) for part in _PARTS}
    if not rows:
        raise FileNotFoundError(f"{root / LISTS} holds no set_1.csv to set_5.csv")
    firsts = {key: _first_label(key, (label for _, label in found)) for key, found in rows.items()}
    first = next((value for value in firsts.values() if value is not None), 1)
    for (fold, part), found in rows.items():
        start = firsts[fold, part]
        if start is None:
            detail = f"fold {fold}, {part}: neither 0 nor 7 occurs; counted from {first}, as other lists are"
            lists.findings.append(Finding("first label guessed", "", detail))
        _add(lists, found, fold, part, first if start is None else start)
    clips = numbered_clips(root, lists, faces or FACES, VIDEOS, missing="{}.mp4")
    return Listing(DFEW_LABELS, clips, tuple(lists.findings))


def _rows(path: Path) -> list[tuple[str, str]]:
    """Return (name, label) of each line, without the heading."""
    table = split_rows(path, read_text(path).text, lambda cells: len(cells) > 1)
    lines = [[cell.strip() for cell in row.cells] for row in table.rows]
    if lines and not lines[0][0].removesuffix(".mp4").isdecimal():
        lines = lines[1:]
    short = next((line for line in lines if len(line) < 2), None)
    if short is not None or not lines:
        raise ValueError(f"{path} must hold lines of video_name,label, got {short or 'none'}")
    return [(line[0], line[1]) for line in lines]


def _first_label(key: tuple[str, str], labels: Iterable[str]) -> int | None:
    """Return 1 where a list counts its labels from 1, 0 where from 0, None where it does not tell."""
    seen = set(labels)
    if {"0", str(len(DFEW_LABELS))} <= seen:
        raise ValueError(f"the {key[1]} list of fold {key[0]} holds labels 0 and 7; DFEW's are 1 to 7, or 0 to 6")
    if "0" in seen:
        return 0
    return 1 if str(len(DFEW_LABELS)) in seen else None


def _add(lists: ClipLists, rows: list[tuple[str, str]], fold: str, part: str, first: int) -> None:
    for name, label in rows:
        stem = name.removesuffix(".mp4")
        if not stem.isdecimal():
            lists.leave_out("name not understood", name, f"fold {fold}, {part}: a number is expected")
            continue
        index = int(label) - first if label.isdecimal() else -1
        if 0 <= index < len(DFEW_LABELS):
            lists.add(clip_id(int(stem)), DFEW_LABELS[index], fold, part)
        else:
            allowed = f"{first} to {first + len(DFEW_LABELS) - 1}"
            lists.leave_out("unknown label", clip_id(int(stem)), f"{label!r} in fold {fold}, {part}; {allowed} allowed")
