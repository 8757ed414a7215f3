"""What an adapter finds in a data set: its clips, and everything about its lists that is odd."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mmadfer.data.manifest import Clip


@dataclass(frozen=True)
class Finding:
    """Something odd about one clip, or about the whole set where ``clip_id`` is empty."""

    kind: str
    """In a few words, the same for all findings of its kind."""
    clip_id: str
    detail: str
    left_out: bool = False
    """Whether the clip is not in the prepared set for this reason."""


@dataclass(frozen=True)
class Listing:
    """The clips of a data set, before any of their files is opened."""

    labels: tuple[str, ...]
    """Class names in the order of the class indices."""
    clips: tuple[Clip, ...]
    findings: tuple[Finding, ...] = ()
    frame_counts: dict[str, int] = field(default_factory=dict)
    """Clip id -> number of pictures that the lists promise; clips of which they say nothing are left out."""
    level_eyes: bool = True
    """Whether faces cut from videos are turned until the eyes are level."""
    unpadded_frames: bool = False
    """Whether the set's pictures are named without leading zeros, so that cut ones count as named so, too."""
    uncounted_frames: int = 0
    """Pictures of each clip that the set's lists do not count."""


class ClipLists:
    """Gathers the lines of a set's train and test lists by clip, and what they contradict each other in."""

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self.splits: dict[str, dict[str, str]] = {}
        self.findings: list[Finding] = []
        self._left_out: set[str] = set()

    def add(self, clip_id: str, label: str, fold: str, part: str) -> None:
        """Take one line: the clip's class and its part in one fold."""
        if clip_id in self._left_out:
            return
        if self.labels.setdefault(clip_id, label) != label:
            self.leave_out("contradicting labels", clip_id, f"{self.labels[clip_id]} in one list, {label} in another")
            return
        splits = self.splits.setdefault(clip_id, {})
        if splits.get(fold) == part:
            self.findings.append(Finding("listed twice", clip_id, f"fold {fold}, {part}"))
        elif fold in splits:
            self.findings.append(Finding("in two parts of one fold", clip_id, f"fold {fold}: used for test only"))
            splits[fold] = "test"
        else:
            splits[fold] = part

    def leave_out(self, kind: str, clip_id: str, detail: str) -> None:
        """Take a clip out of all lists, and say why."""
        self.labels.pop(clip_id, None)
        self.splits.pop(clip_id, None)
        if clip_id not in self._left_out:
            self._left_out.add(clip_id)
            self.findings.append(Finding(kind, clip_id, detail, left_out=True))

    def clips(self, make: Callable[[str, str, dict[str, str]], Clip]) -> tuple[Clip, ...]:
        """Return ``make(id, label, splits)`` of every clip, in natural order of the ids."""
        return tuple(make(name, self.labels[name], self.splits[name]) for name in sorted(self.labels, key=natural))


def natural(name: str) -> tuple[object, ...]:
    """Return the key by which ``name`` sorts naturally: its numbers by their value."""
    parts = re.split(r"(\d+)", name)
    return (*((int(part), "") if k % 2 else (0, part) for k, part in enumerate(parts)), (0, name))


def require_layout(root: Path, title: str, expected: Iterable[str]) -> None:
    """Raise FileNotFoundError in one sentence unless ``root`` holds every path of ``expected``.

    Args: title: name of the data set. expected: relative paths, shown to the user.
    """
    expected = list(expected)
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}; give the folder that {title} was unpacked into")
    missing = [path for path in expected if not (root / path).exists()]
    if not missing:
        return
    inside = sorted(path.name for path in root.iterdir())
    near = [folder for folder in (root.parent, *_folders(root)) if all((folder / path).exists() for path in expected)]
    hint = f"; it is in {near[0]}: give that folder" if near else f"; it holds {', '.join(inside[:8]) or 'nothing'}"
    raise FileNotFoundError(
        f"{root} is not {title} as distributed: expected {', '.join(expected)} in it, "
        f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there{hint}"
    )


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir())
