"""Files that pages have sent to be scored: in a folder of this process, within limits, gone once they are answered."""

from __future__ import annotations

import contextlib
import errno
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmadfer.files.names import shown
from mmadfer.media.suffixes import MEDIA_SUFFIXES

PIECE = 1_000_000
"""Largest piece of a file that is taken at once, bytes; proxies let so much pass without being told."""
MOST_BYTES = 500_000_000
"""Of one file."""
MOST_FILES = 8
"""Held at once, for all pages together: on their way, waiting and being scored."""
MOST_DISK = 2_000_000_000
"""Of all files together, bytes."""
SPARE_DISK = 200_000_000
"""Of the disk that stays free, bytes."""
IDLE = 300.0
"""Time after which a file goes that no page asks for, s; browsers let a page in the background ask once a minute."""
SWEEP_EVERY = 20.0
"""Time between two looks for such files, s."""
STALE_FOLDER = 86_400.0
"""Age from which on files are removed that an earlier process left where it was killed, s."""
LONGEST_NAME = 200
_PREFIX = "mmadfer-files-"


class UploadError(Exception):
    """Why a file is not taken: the HTTP status, ``reason`` for the page's code, and words for who reads it."""

    def __init__(self, status: int, reason: str, words: str) -> None:
        super().__init__(words)
        self.status, self.reason, self.words = status, reason, words


@dataclass(eq=False)
class Upload:
    """One file and what has become of it. Its fields change under ``lock``."""

    id: str
    name: str
    """As its owner calls it, without folders; shown, and never a path here."""
    path: Path
    size: int
    state: str = "receiving"
    """Then "waiting", "scoring", and at last "done" or "failed"."""
    received: int = 0
    words: str = ""
    """Why it failed."""
    notes: list[str] = field(default_factory=list)
    """What is odd about it, in sentences."""
    about: dict[str, Any] = field(default_factory=dict)
    """What the file holds, and how far it has been scored."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    first: int = 0
    """Number of the row that ``rows`` begins with: those before are with the page."""
    seen: float = field(default_factory=time.monotonic)
    """When a page asked last."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def remove_file(self) -> None:
        """Delete the bytes that were sent; what was made of them stays."""
        with contextlib.suppress(PermissionError):  # Windows, while it is read: its reader ends and comes here, too
            self.path.unlink(missing_ok=True)

    def add_row(self, row: dict[str, Any], done: float, length: float) -> None:
        """Take an answer. Args: done, length: s of the file."""
        with self.lock:
            self.rows.append(row)
            self.about.update(done=done, length=length)

    def end(self, state: str, words: str = "") -> None:
        """Come to an end, and delete the file."""
        self.remove_file()
        with self.lock:
            self.state, self.words = state, words

    def report(self, after: int, most: int) -> dict[str, Any]:
        """Return what a page is told that has the rows before ``after``, with ``most`` further ones at most."""
        with self.lock:
            self.seen = time.monotonic()
            self.rows = self.rows[max(0, after - self.first) :]
            self.first = max(self.first, after)
            rows, left = self.rows[:most], len(self.rows) > most
            return {
                "state": "scoring" if left and self.state == "done" else self.state,
                "received": self.received,
                "words": self.words,
                "notes": self.notes,
                "about": dict(self.about),
                "rows": rows,
                "next": self.first + len(rows),
                "deleted": not self.path.exists(),
            }


class Uploads:
    """The files at hand, and the rules for taking more."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._folder: Path | None = None
        self._held: dict[str, Upload] = {}
        self._closed = threading.Event()
        self._sweeper: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._held)

    def begin(self, name: str, size: int) -> Upload:
        """Take on a file of ``size`` bytes. Raises UploadError where it may not come, or not now."""
        called = shown(name.replace("\\", "/").rsplit("/", 1)[-1][:LONGEST_NAME]) or "file"
        if size <= 0:
            raise UploadError(400, "empty", f"{called} is empty (0 bytes); record or copy it again")
        if size > MOST_BYTES:
            raise UploadError(413, "large", too_large(called))
        with self._lock:
            self.sweep()
            if self._closed.is_set() or len(self._held) >= MOST_FILES or self._disk() + size > MOST_DISK:
                raise UploadError(503, "full", "The server holds as many files as it may; it goes on by itself.")
            folder = self._made_folder()
            if shutil.disk_usage(folder).free < size + SPARE_DISK:
                raise _disk_full(called)
            made = secrets.token_urlsafe(24)
            suffix = Path(called).suffix.lower()  # some decoders go by it; nothing else of the name is used
            upload = Upload(made, called, folder / f"{made}{suffix if suffix in MEDIA_SUFFIXES else ''}", size)
            upload.seen = self._clock()
            self._held[made] = upload
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep_on, name="file-sweeper", daemon=True)
                self._sweeper.start()
        return upload

    def find(self, named: str) -> Upload:
        """Return the file of this number. Raises UploadError where there is none, or none any more."""
        with self._lock:
            self.sweep()
            upload = self._held.get(named)
        if upload is None:
            raise UploadError(404, "gone", "The server no longer has this file.")
        upload.seen = self._clock()
        return upload

    def append(self, upload: Upload, start: int, data: bytes) -> int:
        """Write the piece that begins at ``start``; return how many bytes there are now. Raises UploadError.

        A piece that is there already, or that comes too early, changes nothing: the page goes on at what is returned.
        """
        try:
            with upload.lock:
                if upload.state != "receiving" or upload.cancelled.is_set() or start != upload.received:
                    return upload.received
                if start + len(data) > upload.size:
                    raise UploadError(
                        400, "bad", f"{upload.name} is longer than the {upload.size} bytes that were told"
                    )
                _write(upload.path, start, data)
                upload.received += len(data)
                return upload.received
        except OSError as error:
            self.remove(upload)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _disk_full(upload.name) from error
            words = f"{upload.name} cannot be kept ({error.strerror}); the server's owner has to look"
            raise UploadError(500, "disk", words) from error

    def remove(self, upload: Upload) -> None:
        """Forget a file and what was made of it; what is scored now stops at its next answer."""
        with upload.lock:  # a piece that is being written comes first
            upload.cancelled.set()
            upload.remove_file()
        with self._lock:
            self._held.pop(upload.id, None)

    def sweep(self) -> None:
        """Remove the files whose pages have gone."""
        with self._lock:
            for upload in [*self._held.values()]:
                if self._clock() - upload.seen > IDLE:
                    self.remove(upload)

    def close(self) -> None:
        """Delete everything, and take nothing more."""
        with self._lock:
            self._closed.set()
            for upload in [*self._held.values()]:
                self.remove(upload)
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _sweep_on(self) -> None:
        while not self._closed.wait(SWEEP_EVERY):
            self.sweep()

    def _disk(self) -> int:
        return sum(upload.size for upload in self._held.values() if upload.state not in ("done", "failed"))

    def _made_folder(self) -> Path:
        if self._folder is None or not self._folder.is_dir():
            remove_stale(Path(tempfile.gettempdir()))
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        return self._folder


def _write(path: Path, start: int, data: bytes) -> None:
    with open(path, "r+b" if start else "wb") as file:
        file.truncate(start)  # what a write that failed half-way has left
        file.seek(start)
        file.write(data)


def too_large(name: str) -> str:
    """Return what is said of a file that is too large for the page."""
    return (
        f"{name} is larger than {MOST_BYTES // 1_000_000} MB, the most that the page takes. "
        "Where the file lies, this scores it without a limit: `mmadfer predict FILE --csv OUT.csv`"
    )


def remove_stale(parent: Path) -> None:
    """Delete what earlier processes left in ``parent`` that were killed while they held files."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            newest = max((file.stat().st_mtime for file in [folder, *folder.iterdir()]), default=0.0)
        except OSError:  # another user's, or going just now
            continue
        if time.time() - newest > STALE_FOLDER:
            shutil.rmtree(folder, ignore_errors=True)


def _disk_full(name: str) -> UploadError:
    return UploadError(
        507, "disk", f"The server's disk is full: there is no place for {name}. Try a smaller file, or later."
    )
