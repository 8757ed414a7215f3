"""The one record of a clip, whatever data set it is from, and lists of them on disk."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mmadfer.files.json_text import json_lines, to_json
from mmadfer.files.whole import write_atomically

PARTS = ("train", "validation", "test")
"""What a clip may be used for in one fold."""


@dataclass(frozen=True)
class Clip:
    """A labelled clip and where its pictures and its sound lie; all paths are relative to the data set's root."""

    clip_id: str
    label: str
    """Name of its class."""
    splits: dict[str, str] = field(default_factory=dict)
    """Name of a fold -> "train", "validation" or "test"; folds that the clip has no part in are left out."""
    frames: str = ""
    """Folder of face crops; empty where the faces have to be cut from the video."""
    video: str = ""
    audio: str = ""
    """File with the sound; it may be the video."""
    start: float = 0.0
    """Where the clip starts in its files, s."""
    end: float | None = None
    """Where it ends, s; None for the files' end."""
    speaker: str = ""

    def __post_init__(self) -> None:
        if not self.clip_id or not self.label:
            raise ValueError(f"a clip needs an id and a label, got {self.clip_id!r} and {self.label!r}")
        wrong = sorted(set(self.splits.values()) - set(PARTS))
        if wrong:
            raise ValueError(f"clip {self.clip_id}: a split is one of {', '.join(PARTS)}, got {', '.join(wrong)}")
        ends = (self.start, self.start if self.end is None else self.end)
        if not all(map(math.isfinite, ends)) or self.start < 0 or (self.end is not None and self.end <= self.start):
            raise ValueError(f"clip {self.clip_id}: start must be 0 s or more, and end after it, got {self}")


def write_manifest(clips: Iterable[Clip], path: str | os.PathLike[str]) -> None:
    """Write ``clips`` to ``path`` as JSON lines; the file appears whole or not at all."""
    lines = [to_json(dataclasses.asdict(clip)) + "\n" for clip in clips]
    write_atomically(Path(path), "".join(lines).encode())


def read_manifest(path: str | os.PathLike[str]) -> list[Clip]:
    """Return the clips that `write_manifest` wrote. Raises OSError, or ValueError naming the line that is wrong."""
    clips = []
    for number, line in enumerate(json_lines(Path(path).read_text(encoding="utf-8")), 1):
        try:
            clips.append(Clip(**json.loads(line)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {number} is no clip: {error}") from error
    return clips
