"""RAVDESS as distributed: a folder for each actor, labels in the names; blocks of actors as folds."""

from __future__ import annotations

import re
from pathlib import Path

from mmadfer.data.lists.folds import by_speaker
from mmadfer.data.lists.labels import in_order
from mmadfer.data.lists.listing import Finding, Listing, natural
from mmadfer.data.lists.walk import about_left_out, walk
from mmadfer.data.manifest import Clip

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_BOTH, _PICTURES, _SOUND = "01", "02", "03"
_NAME = re.compile(r"(?P<modality>0[123])-(?P<key>0[12]-(?P<emotion>\d\d)-\d\d-\d\d-\d\d-(?P<actor>\d\d))")
_SUFFIXES = (".mp4", ".wav", ".flac", ".avi", ".mkv")


def read(root: Path) -> Listing:
    """Return every recording once, though it may be there with sound, without sound, and as sound alone.

    Args: root: the folder that holds Actor_01 and so on, at any depth.
    Raises FileNotFoundError in one sentence where there are none.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}; give the folder that RAVDESS was unpacked into")
    recordings: dict[str, dict[str, str]] = {}
    tree = walk(root)
    findings = about_left_out(root, tree)
    for path in sorted(tree.files, key=lambda path: natural(path.name)):
        if path.suffix.lower() not in _SUFFIXES:
            continue
        match = _NAME.fullmatch(path.stem)
        where = path.relative_to(root).as_posix()
        if match is None:
            detail = "02-01-06-01-02-01-12 is expected"
            findings.append(Finding("name not understood", where, detail, left_out=True))
        elif recordings.setdefault(match["key"], {}).setdefault(match["modality"], where) != where:
            findings.append(Finding("there twice", path.stem, where))
    if not recordings:
        raise FileNotFoundError(
            f"{root} is not RAVDESS as distributed: expected Actor_01/02-01-01-01-01-01-01.mp4 and so on in it"
        )
    clips = [clip for key, files in recordings.items() if (clip := _clip(key, files, findings)) is not None]
    return Listing(in_order(EMOTIONS.values()), by_speaker(clips), tuple(findings))


def _clip(key: str, files: dict[str, str], findings: list[Finding]) -> Clip | None:
    match = _NAME.fullmatch(f"{_BOTH}-{key}")
    assert match is not None
    if match["emotion"] not in EMOTIONS:
        findings.append(Finding("unknown label", key, f"{match['emotion']!r} in the name", left_out=True))
        return None
    video = files.get(_BOTH) or files.get(_PICTURES)
    if video is None:
        findings.append(Finding("sound without pictures", key, files[_SOUND], left_out=True))
        return None
    sound = files.get(_BOTH) or files.get(_SOUND, "")
    if not sound:
        findings.append(Finding("no sound file", key, f"neither {_BOTH}-{key} nor {_SOUND}-{key}"))
    return Clip(key, EMOTIONS[match["emotion"]], video=video, audio=sound, speaker=match["actor"])
