"""Where answers go: a file or standard output, checked before anything is computed, and its faults in one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mmadfer.files.names import ENCODABLE, shown
from mmadfer.media.suffixes import is_media

STANDARD_OUTPUT = "-"
"""The path that means it; a file of that name is ``./-``."""
_NO_TEXT = (".parquet", ".safetensors", ".pth", ".pt", ".onnx")
_TAIL = 1 << 20
"""Bytes at a file's end in which its last whole line ends: no line is nearly as long."""


@dataclass(frozen=True)
class Place:
    """A file of lines, or standard output."""

    option: str
    """What names it on the command line, such as "--csv"; said where the place is at fault."""
    path: str = STANDARD_OUTPUT

    def __str__(self) -> str:
        """Return it in words."""
        return "standard output" if self.path == STANDARD_OUTPUT else shown(self.path)

    def check(self, inputs: Iterable[str | os.PathLike[str]]) -> None:
        """Raise ValueError or OSError in one sentence where no lines should or can be written here.

        Args: inputs: files that are read, which must not be overwritten, by whatever name.
        """
        if self.path == STANDARD_OUTPUT:
            out: TextIO | None = sys.stdout
            if out is None:  # as a shell's >&- makes it
                raise OSError(f"standard output is closed; name a file with {self.option}")
            return
        check_name(self.option, self.path)
        place, named = Path(self.path), f"{self.option} {shown(self.path)}"
        if any(_same(self.path, name) for name in inputs):
            raise ValueError(f"{named} would overwrite the clip of that name; name another file")
        if place.is_file() and (is_media(place) or place.suffix.lower() in _NO_TEXT):
            raise ValueError(f"{named} would overwrite a file that is no table; name another file")
        if not os.access(place if place.exists() else place.parent, os.W_OK):
            raise PermissionError(f"{named} cannot be written (Permission denied); name another place")

    @contextlib.contextmanager
    def open(self, more: bool = False) -> Iterator[Lines]:
        """Open the place to write to; with ``more`` after the whole lines that are there."""
        if self.path == STANDARD_OUTPUT:
            with _standard_output() as out:
                yield Lines(out, self)
            return
        try:
            if more:
                _cut_to_lines(self.path)
            file = open(self.path, "a" if more else "w", newline="", encoding="utf-8", errors=ENCODABLE)  # noqa: SIM115
        except OSError as error:
            words = f"{self.option} {shown(self.path)} cannot be written ({error.strerror}); name another place"
            raise OSError(words) from error
        try:
            yield Lines(file, self)
        except BaseException:
            with contextlib.suppress(OSError):  # on a full disk closing fails, too; that was said
                file.close()
            raise
        file.close()


class Lines:
    """An open place. Each line is flushed as it comes, so that what was written before a fault or a kill stays."""

    def __init__(self, out: TextIO, place: Place) -> None:
        """Write to ``out``, which is ``place``."""
        self._out, self._place = out, place

    def write(self, line: str) -> int:
        """Write a whole line, its end included. Raises OSError where nobody reads it or there is no more room."""
        try:
            written = self._out.write(line)
            self._out.flush()
        except BrokenPipeError as error:
            raise OSError(f"{self._place} was closed by its reader; the rest is not scored") from error
        except OSError as error:
            raise OSError(
                f"{self._place} cannot be written ({error.strerror}); make room or name another place with "
                f"{self._place.option}. The lines before are kept"
            ) from error
        return written


def check_name(option: str, path: str | os.PathLike[str]) -> None:
    """Raise ValueError or FileNotFoundError in one sentence where ``path``, given by ``option``, can be no file's."""
    if not os.fspath(path):
        raise ValueError(f'{option} got an empty name; name a file to write (is a variable empty, as in "$OUT"?)')
    place = Path(path)
    if place.is_dir():
        raise ValueError(f"{option} {shown(path)} is a folder; name a file to write")
    if not place.parent.is_dir():
        raise FileNotFoundError(f"{option}: there is no folder {shown(place.parent)}; make it, or name another place")


def _same(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    with contextlib.suppress(OSError, ValueError):  # one of the two is not there
        return os.path.samefile(one, other)  # also through a link of either kind
    return False


def _cut_to_lines(path: str) -> None:
    """Take the half line away that a process leaves where it is killed as it writes: the next one would go on in it."""
    if not os.path.isfile(path):
        return
    with open(path, "rb+") as file:
        start = max(0, file.seek(0, os.SEEK_END) - _TAIL)
        file.seek(start)
        file.truncate(start + file.read().rfind(b"\n") + 1)


@contextlib.contextmanager
def _standard_output() -> Iterator[TextIO]:
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper):
        yield out
        return
    errors = out.errors
    out.reconfigure(errors=ENCODABLE)  # a terminal without Unicode should not end the run
    try:
        yield out
    except OSError:
        # What is still in the buffer would fail once more when the process ends, in Python's own words.
        with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), out.fileno())
        raise
    finally:
        out.reconfigure(errors=errors)
