"""Ways in which a file comes to harm."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

FLIPPED = 200


def flip(path: Path) -> None:
    """Turn over 200 bytes in the middle, or all of a smaller file."""
    contents = bytearray(path.read_bytes())
    first = max(0, (len(contents) - FLIPPED) // 2)
    contents[first : first + FLIPPED] = bytes(255 - value for value in contents[first : first + FLIPPED])
    path.write_bytes(contents)


def flip_unnoticed(path: Path) -> None:
    """As `flip`, the file's size and time of modification being what they were."""
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def truncate(path: Path) -> None:
    """Cut off the second half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """Leave nothing in it."""
    path.write_bytes(b"")


def fill_with_garbage(path: Path) -> None:
    """Put something else in."""
    path.write_bytes(b"\x00garbage\xff" * 100)


def remove(path: Path) -> None:
    """Take it away."""
    path.unlink()


def swap(other: str) -> Callable[[Path], None]:
    """Return what puts the file ``other``, named from the same folder, in the place of one."""

    def put(path: Path) -> None:
        shutil.copyfile(path.parent / other, path)

    put.__name__ = f"swap_for_{Path(other).parent.name}_{Path(other).name}"
    return put


ALL: tuple[Callable[[Path], None], ...] = (flip, flip_unnoticed, truncate, empty, fill_with_garbage, remove)
