"""Files as a table names them, found in one folder and never outside of it."""

from __future__ import annotations

import os
import posixpath
import re
from collections import defaultdict
from functools import cached_property
from pathlib import Path

from mmadfer.data.lists.spelling import plain
from mmadfer.data.lists.walk import walk
from mmadfer.files.names import shown

_OTHER_SYSTEM = re.compile(r"[A-Za-z]:[\\/]|\\\\|[a-z]{2,}://")


class Inside:
    """The names below one folder."""

    def __init__(self, root: Path) -> None:
        """Args: root: the folder."""
        self._root = root
        self._whole = posixpath.normpath(os.path.abspath(root)), os.path.realpath(root)

    def find(self, cell: str) -> str:
        """Return the path relative to the folder that ``cell`` names, spelt as the disk spells it.

        Where nothing is there by that name, one that differs only in capitals, forms of Unicode or by backslashes is
        taken if it is the only one; else the cell comes back. Links in the folder may lead anywhere.
        Raises ValueError in words where the path itself leads out of the folder.
        """
        written = [cell, cell.strip()]
        if "\0" in cell:
            raise ValueError(f"{shown(cell)} has a zero in it, which no file name has")
        for name in written:
            if self.holds(name):
                return self._relative(name)
        if _OTHER_SYSTEM.match(written[1]):
            raise ValueError(f"{shown(written[1])} is no file of this folder; name files relative to it")
        relative = self._relative(written[1].replace("\\", "/"))
        if self.holds(relative):
            return relative
        alike = self._by_spelling.get(_key(relative), [])
        return alike[0] if len(alike) == 1 else self._relative(written[1])

    def holds(self, name: str) -> bool:
        """Return whether there is anything by the name ``name``."""
        return bool(name) and os.path.exists(self._root / name)  # a zero or too long a name: False

    def finds(self, cell: str) -> bool:
        """Return whether `find` finds anything."""
        try:
            return self.holds(self.find(cell))
        except ValueError:
            return False

    def identity(self, name: str) -> tuple[int, int] | str:
        """Return what is equal for all names of one file, links included; the name where there is no file."""
        try:
            found = os.stat(self._root / name)
        except (OSError, ValueError):
            return name
        return found.st_dev, found.st_ino

    def _relative(self, name: str) -> str:
        if name.startswith("/"):
            name = self._from_root(name)
        normal = posixpath.normpath(name)
        if normal == ".." or normal.startswith("../"):
            raise ValueError(f"{shown(name)} leads out of {shown(self._root)}; files must lie in that folder")
        if normal == ".":
            raise ValueError(f"{shown(name) or 'the path'} is the folder itself, and no clip in it")
        return normal

    def _from_root(self, name: str) -> str:
        normal = posixpath.normpath("/" + name.lstrip("/"))
        for path in (normal, os.path.realpath(normal)):
            for root in self._whole:
                if path == root or path.startswith(root.rstrip("/") + "/"):
                    return posixpath.relpath(path, root)
        raise ValueError(f"{shown(name)} lies outside of {shown(self._root)}; files must lie in that folder")

    @cached_property
    def _by_spelling(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        tree = walk(self._root)
        for path in (*tree.files, *tree.folders):
            name = path.relative_to(self._root).as_posix()
            found[_key(name)].append(name)
        return found


def _key(name: str) -> str:
    return "/".join(plain(part).casefold() for part in name.split("/"))
