"""The files of a folder, at any depth: links followed once, and all that is passed by named with its reason."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from mmadfer.data.lists.listing import Finding, natural
from mmadfer.files.names import shown

HIDDEN, SYSTEM = "hidden", "a folder of the system's"
_SYSTEM_FOLDERS = ("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found")
"""Made by unpacking on other systems, by network disks and bins; they hold copies and thumbnails."""


@dataclass(frozen=True)
class LeftOut:
    """A path that `walk` did not go into, or that is no file."""

    path: Path
    reason: str
    """In a few words, to follow the path."""
    same_as: Path | None = None
    """Of a link to a folder that was walked already: that folder."""

    @property
    def lost(self) -> bool:
        """Whether it may hold something that is nowhere else."""
        return self.same_as is None and self.reason not in (HIDDEN, SYSTEM)


@dataclass(frozen=True)
class Tree:
    """What lies below a folder. All paths begin with it as it was given, and are in natural order."""

    files: tuple[Path, ...]
    """Regular files, and links to such."""
    folders: tuple[Path, ...]
    """Folders that were walked, without the root."""
    left_out: tuple[LeftOut, ...]


def walk(root: Path) -> Tree:
    """Return all files below ``root``; what is hidden, no file, unreadable, or there already is left out, and named.

    A folder is walked once: by its own path where it lies below ``root``, else by the first link to it. A link to a
    folder that holds ``root`` itself is not followed.
    Raises OSError where ``root`` is no folder that can be read.
    """
    os.scandir(root).close()
    walker = _Walker({_identity(folder): folder for folder in root.resolve().parents if os.path.exists(folder)})
    walker.go_down(root)
    while walker.links:  # after all that lies here by itself, so that real paths come before links to them
        links, walker.links = sorted(walker.links, key=by_name), []
        for link in links:
            walker.go_down(link)
    return Tree(
        tuple(sorted(walker.files, key=by_name)),
        tuple(sorted(walker.folders[1:], key=by_name)),
        tuple(sorted(walker.left_out, key=lambda left: by_name(left.path))),
    )


def about_left_out(root: Path, tree: Tree) -> list[Finding]:
    """Return a finding for all that the walk of ``root`` left out."""
    findings = []
    for left in tree.left_out:
        name, reason = left.path.relative_to(root).as_posix(), left.reason.replace(f"{shown(root)}/", "")
        kind = HIDDEN if left.reason == HIDDEN else "not walked"
        findings.append(Finding(kind, name, "left alone" if kind == HIDDEN else reason, left_out=left.lost))
    return findings


def by_name(path: Path) -> tuple[object, ...]:
    """Return the key by which paths sort naturally: their numbers by value."""
    return natural(path.as_posix())


class _Walker:
    """A walk under way."""

    def __init__(self, around: dict[tuple[int, int], Path]) -> None:
        """Args: around: the folders that hold the root, by identity."""
        self.files: list[Path] = []
        self.folders: list[Path] = []
        self.left_out: list[LeftOut] = []
        self.links: list[Path] = []
        """To folders, not yet followed."""
        self._around = around
        self._seen: dict[tuple[int, int], Path] = {}

    def go_down(self, top: Path) -> None:
        """Take ``top`` and everything below it, but what is behind links to folders."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            try:
                identity = _identity(folder)
                first = self._seen.get(identity) or self._around.get(identity)
                entries = list(os.scandir(folder)) if first is None else []
            except OSError as error:
                self._leave(folder, f"cannot be opened ({error.strerror})")
                continue
            if first is not None:
                known = self._seen.get(identity)
                reason = f"the same folder as {shown(first)}" if known else f"leads back to {shown(first)}"
                self._leave(folder, reason, known)
                continue
            self._seen[identity] = folder
            self.folders.append(folder)
            waiting += [folder / entry.name for entry in entries if self._is_folder(folder / entry.name, entry)]

    def _is_folder(self, path: Path, entry: os.DirEntry[str]) -> bool:
        """Return whether ``entry`` is a folder to walk; all else is put where it belongs."""
        if entry.name.startswith("."):
            self._leave(path, HIDDEN)
            return False
        try:
            link, mode = entry.is_symlink(), entry.stat().st_mode
        except OSError as error:
            nowhere = entry.is_symlink() and isinstance(error, FileNotFoundError)
            self._leave(path, "a link to nothing" if nowhere else f"cannot be opened ({error.strerror})")
            return False
        if stat.S_ISREG(mode):
            self.files.append(path)
        elif not stat.S_ISDIR(mode):
            self._leave(path, "neither a file nor a folder")
        elif entry.name.lower() in _SYSTEM_FOLDERS:
            self._leave(path, SYSTEM)
        elif link:
            self.links.append(path)
        else:
            return True
        return False

    def _leave(self, path: Path, reason: str, same_as: Path | None = None) -> None:
        self.left_out.append(LeftOut(path, reason, same_as))


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
