"""The files that a command is to work on: those named, and the clips of folders named; all else is said."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmadfer.data.lists.walk import HIDDEN, walk
from mmadfer.files.names import shown
from mmadfer.media.suffixes import is_media

NO_SUFFIX = "without a suffix"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_MOST_REMARKS, _MOST_KINDS = 20, 12


@dataclass(frozen=True)
class Clip:
    """A file to be scored."""

    name: str
    """As the user named it, or inside of the folder as the user named that."""
    path: Path
    """The whole path."""
    refused: str = ""
    """Why it cannot be scored, in one sentence; empty where nothing is known against it."""


@dataclass(frozen=True)
class Found:
    """Files to be scored, and what was said about others."""

    clips: tuple[Clip, ...]
    left_out: Counter[str]
    """How many files in folders are no clips by their names, by suffix."""
    remarks: tuple[str, ...] = ()
    """What was passed by for another reason, a line each."""

    def lines(self) -> Iterator[str]:
        """Yield all that was left out, for people."""
        if self.left_out:
            kinds = sorted(self.left_out.items(), key=lambda item: (-item[1], item[0]))
            counts = [f"{count} {kind}" for kind, count in kinds[:_MOST_KINDS]]
            if rest := sum(count for _, count in kinds[_MOST_KINDS:]):
                counts.append(f"{rest} others")
            yield f"no clips by their names, left out: {', '.join(counts)}"
        yield from self.remarks[:_MOST_REMARKS]
        if (more := len(self.remarks) - _MOST_REMARKS) > 0:
            yield f"and {more} more left out or scored under another name"


def find_clips(names: Iterable[str], besides: Iterable[Path] = ()) -> Found:
    """Return the files named and those in folders named, each once, however many links lead to it.

    In a folder, at any depth, a file is a clip by its suffix; a file that is named itself is one in any case.

    Args: besides: files or folders that are never clips, such as the result.
    A file that cannot be read is among the clips, refused. Raises ValueError where there is none of either kind.
    """
    names = list(names)
    search = _Search("file or folder", [os.path.realpath(path) for path in besides])
    for name in names:
        if os.path.isdir(name):
            search.folder(Path(name))
        else:
            search.named(name)
    found = search.found()
    if not found.clips:
        saw = "; ".join(found.lines())
        raise ValueError(
            f"there is no video or sound file in {', '.join(map(shown, names))}, and no picture"
            f"{f' ({saw})' if saw else ''}; give files, or a folder that has some"
        )
    return found


def find_files(names: Iterable[str]) -> Found:
    """Return the files named, each once; those that cannot be read, such as folders, are refused."""
    search = _Search("file")
    for name in names:
        search.named(name)
    return search.found()


def refusal(name: str, wanted: str = "file") -> str:
    """Return why the file that a user named ``name`` cannot be read, in one sentence; empty where it may be.

    Nothing is opened: a pipe or device would wait for ever, an address reach into the network.

    Args: wanted: what might have been named, in words.
    """
    if not name:
        return 'an empty name was given; give a file (is a variable empty, as in "$FILE"?)'
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        return _missing(name, wanted)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = error.strerror if isinstance(error, OSError) else error
        return f"{shown(name)} cannot be opened ({reason}); give the path of a file"
    if stat.S_ISREG(mode):
        return ""
    if stat.S_ISDIR(mode):
        return f"{shown(name)} is a folder; score its clips with --out results.parquet"
    return f"{shown(name)} is a pipe or a device and no file; save what comes from it, and give that file"


def _missing(name: str, wanted: str) -> str:
    if os.path.lexists(name):
        return f"{shown(name)} is a link to nothing ({shown(os.readlink(name))}); give the file itself"
    if name == "-":
        return "standard input cannot be scored, for a clip is read more than once; save it, and give that file"
    if _ADDRESS.match(name):
        return f"{shown(name)} is an address, and nothing is fetched from networks; download it, and give that file"
    return f"there is no {wanted} {shown(name)}; is it spelt right?"


class _Search:
    """A search under way."""

    def __init__(self, wanted: str, besides: Sequence[str] = ()) -> None:
        self._clips: dict[str, Clip] = {}
        self._left_out: Counter[str] = Counter()
        self._remarks: list[str] = []
        self._wanted, self._besides = wanted, besides

    def found(self) -> Found:
        return Found(tuple(self._clips.values()), self._left_out, tuple(self._remarks))

    def named(self, name: str) -> None:
        """Take a file that the user named."""
        if name and self._is_besides(name):
            self._remarks.append(f"left out: {shown(name)} (the result itself)")
        elif reason := refusal(name, self._wanted):
            self._clips.setdefault(name, Clip(name, Path(name), reason))
        else:
            self._add(name)

    def folder(self, root: Path) -> None:
        """Take the clips below ``root``; a file's own name before those of links to it."""
        try:
            tree = walk(root)
        except OSError as error:
            name = str(root)
            reason = f"{shown(name)} cannot be opened ({error.strerror}); ask its owner for the right to read it"
            self._clips.setdefault(name, Clip(name, root, reason))
            return
        for left in tree.left_out:
            if left.reason == HIDDEN:
                self._left_out[HIDDEN] += 1
            elif not self._is_besides(left.path):
                self._remarks.append(f"left out: {shown(left.path)} ({left.reason})")
        files = [path for path in tree.files if not self._is_besides(path)]
        media = [path for path in files if is_media(path)]
        others = [path for path in files if not is_media(path) and os.path.realpath(path) not in self._clips]
        self._left_out.update(shown(path.suffix.lower()) or NO_SUFFIX for path in others)
        linked = {path for path in media if path.is_symlink()}
        own = {os.path.realpath(path): str(path) for path in media if path not in linked}
        for path in media:
            first = own.get(os.path.realpath(path)) if path in linked else None
            if first is None:
                self._add(str(path))
            else:
                self._remark(str(path), first)

    def _add(self, name: str) -> None:
        # The path keeps the links in it, for what is said of the file later should sound familiar.
        first = self._clips.setdefault(os.path.realpath(name), Clip(name, Path(name).absolute()))
        if first.name != name:
            self._remark(name, first.name)

    def _remark(self, name: str, first: str) -> None:
        self._remarks.append(f"scored once: {shown(name)} is the same file as {shown(first)}")

    def _is_besides(self, path: str | os.PathLike[str]) -> bool:
        if not self._besides:
            return False
        whole = os.path.realpath(path)
        return any(whole == other or whole.startswith(other + os.sep) for other in self._besides)
