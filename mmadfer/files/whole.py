"""Files and folders that appear whole or not at all, so that a process may be killed at any point."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import BinaryIO

_ATTEMPTS = 20


class WholeFile:
    """A file being written beside its final name; `commit` puts it there. Use it as a context manager."""

    def __init__(self, path: Path, part: Path | None = None) -> None:
        """Args: path: the final name; part: the name until then, on the same disk. Their folders must exist."""
        self.path = path
        self._part = part or path.with_name(f"{path.name}.part")
        self.file: BinaryIO = open(self._part, "wb")  # noqa: SIM115 - closed by this class' own __exit__
        """For what writes to open files only."""

    def __enter__(self) -> WholeFile:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.file.close()
        finally:
            self._part.unlink(missing_ok=True)  # gone already where it was committed

    def write(self, data: bytes) -> None:
        """Append ``data``. Raises OSError, for example on a full disk."""
        self.file.write(data)

    def commit(self) -> None:
        """Put the file in its place, on the disk itself: after a power cut there is the whole of it, or nothing."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self._part, self.path)


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all."""
    with WholeFile(path) as file:
        file.write(data)
        file.commit()


def put_folder(source: Path, target: Path) -> None:
    """Move the folder ``source`` to ``target``, in place of what is there, which ends beside ``source``.

    Other processes may do the same at the same moment: a reader sees one whole folder or another. Raises OSError.
    """
    for attempt in range(_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            os.rename(target, source.parent / f"replaced-{attempt}")
        try:
            os.rename(source, target)
            return
        except OSError as error:
            # Another process may have put its own there between the two lines above.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or attempt == _ATTEMPTS - 1:
                raise
