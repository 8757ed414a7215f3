"""CREMA-D as distributed: videos, wave files, and labels in the names; five blocks of speakers as folds."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mmadfer.data.lists.folds import by_speaker
from mmadfer.data.lists.labels import in_order
from mmadfer.data.lists.listing import Finding, Listing, natural, require_layout
from mmadfer.data.manifest import Clip

VIDEOS, SOUNDS = "VideoFlash", "AudioWAV"
EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
_NAME = re.compile(r"(?P<speaker>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<level>[A-Z]{1,2}|X+)")


def read(root: Path) -> Listing:
    """Return every clip whose name tells its class, such as 1001_DFA_ANG_XX.

    Args: root: the folder with VideoFlash and AudioWAV.
    Raises FileNotFoundError in one sentence where the folder is not as distributed.
    """
    require_layout(root, "CREMA-D", [VIDEOS])
    clips, findings = [], list[Finding]()
    videos, sounds = (_files(root, folder, findings) for folder in (VIDEOS, SOUNDS))
    for name in sorted(videos.keys() | sounds.keys(), key=natural):
        match = _NAME.fullmatch(name)
        if match is None:
            findings.append(Finding("name not understood", name, "1001_DFA_ANG_XX is expected", left_out=True))
        elif match["emotion"] not in EMOTIONS:
            findings.append(Finding("unknown label", name, f"{match['emotion']!r} in the name", left_out=True))
        elif name not in videos:
            findings.append(Finding("sound without pictures", name, f"it is in {SOUNDS} only", left_out=True))
        else:
            video = f"{VIDEOS}/{videos[name]}"
            sound = f"{SOUNDS}/{sounds[name]}" if name in sounds else video
            label = EMOTIONS[match["emotion"]]
            clips.append(Clip(name, label, video=video, audio=sound, speaker=match["speaker"]))
            if sounds and name not in sounds:
                findings.append(Finding("no wave file", name, "the video's own sound is used"))
    return Listing(in_order(EMOTIONS.values()), by_speaker(clips), tuple(findings))


def _files(root: Path, folder: str, findings: list[Finding]) -> dict[str, str]:
    """Return the files of ``folder`` by their names without suffix; {} where there is no such folder."""
    found: dict[str, str] = {}
    for name in sorted(os.listdir(root / folder)) if (root / folder).is_dir() else []:
        stem = Path(name).stem
        if not name.startswith(".") and found.setdefault(stem, name) != name:
            detail = f"{found[stem]} in {folder} is used, {name} is not"
            findings.append(Finding("there twice", stem, detail))
    return found
