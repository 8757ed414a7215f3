"""The folder of the server's recordings: what is in it, what a crash left there, and how long it stays."""

from __future__ import annotations

import contextlib
import csv
import json
import logging
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .recording import ANSWERS, MARKERS, METADATA, write_about
from .repair import length_of, mended, whole_lines

if sys.platform != "win32":
    import fcntl

log = logging.getLogger(__name__)

KEEP_HOURS = 24.0
"""How long a recording stays that nobody downloads, where nothing else is said."""
RUNNING = "running"
"""A file in a recording's folder that is held by the process that writes it."""
_ID = re.compile(r"\d{8}T\d{6}-[\w-]{22}")


def default_folder() -> Path:
    """Return where recordings lie: $MMADFER_HOME/recordings, else mmadfer/recordings in the user's state folder."""
    if home := os.environ.get("MMADFER_HOME"):
        return Path(home).expanduser() / "recordings"
    if sys.platform == "win32":
        state = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        state = Path.home() / "Library" / "Application Support"
    else:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "mmadfer" / "recordings"


@dataclass(frozen=True)
class Kept:
    """One recording that has ended. Its ``id`` cannot be guessed: who knows it may download it."""

    id: str
    folder: Path
    about: Mapping[str, Any]

    @property
    def file(self) -> str:
        """The name of its zip."""
        name = re.sub(r"[^\w-]+", "-", str(self.about.get("name", "")))[:60]
        started = str(self.about.get("startedUtc", ""))[:19].replace(":", "-")
        return f"session-{name + '-' if name else ''}{started}.zip"

    def told(self) -> dict[str, Any]:
        """Return what pages are told of it."""
        known = {key: self.about.get(key) for key in ("name", "startedUtc", "seconds", "answers", "markers")}
        return {"id": self.id, "file": self.file, "recovered": self.about.get("ended") == "recovered", **known}


class RecordingStore:
    """The recordings of one folder; several servers may share it."""

    def __init__(self, folder: Path, keep_hours: float = KEEP_HOURS) -> None:
        """Args: folder: made where it is missing, once something is recorded. keep_hours: more than 0."""
        self.folder = folder
        self.keep_hours = keep_hours
        self._held: dict[str, Any] = {}
        self._kept: dict[str, Kept] = {}

    def begin(self) -> tuple[str, Path]:
        """Make a folder that only this user can read, held by this process; return its id and it. Raises OSError."""
        made = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{secrets.token_urlsafe(16)}"
        path = self.folder / made
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.mkdir(mode=0o700)
        self._held[made] = _hold(path / RUNNING)
        return made, path

    def end(self, made: str, about: Mapping[str, Any]) -> Kept:
        """Keep a recording that has ended; ``about`` counts where the disk had no room for it."""
        kept = self._kept[made] = Kept(made, self.folder / made, dict(about))
        self._release(made)
        return kept

    def drop(self, made: str) -> None:
        """Delete what `begin` made where nothing came of it; without effect where there is none."""
        if made in self._held:
            self._release(made)
            shutil.rmtree(self.folder / made, ignore_errors=True)

    def kept(self) -> list[Kept]:
        """Return the recordings that wait for somebody, the newest first."""
        there = [kept for kept in self._kept.values() if kept.folder.is_dir()]
        return sorted(there, key=lambda kept: kept.id, reverse=True)

    def find(self, made: str) -> Kept | None:
        """Return a recording by its id; None where there is none (any more)."""
        kept = self._kept.get(made)
        return kept if kept is not None and kept.folder.is_dir() else None

    def remove(self, made: str) -> None:
        """Delete a recording that has ended; without effect where it has gone."""
        if (kept := self._kept.pop(made, None)) is not None:
            shutil.rmtree(kept.folder, ignore_errors=True)

    def look(self) -> None:
        """Find what is in the folder, mend what was being written when its server was killed, delete what is old."""
        try:
            for path in sorted(self.folder.iterdir()):
                if _ID.fullmatch(path.name) and path.name not in self._held and path.is_dir():
                    self._take(path)
        except FileNotFoundError:
            log.debug("nothing has been recorded yet")
        except OSError as error:
            log.warning("recordings of before cannot be looked for: %s", error)
        self.expire()

    def expire(self) -> bool:
        """Delete what is older than it may be; return whether there was any."""
        old = [kept for kept in self.kept() if time.time() - _written(kept.folder) > 3600 * self.keep_hours]
        for kept in old:
            log.info("deleted a recording after %g hours: %s", self.keep_hours, kept.file)
            self.remove(kept.id)
        return bool(old)

    def _take(self, path: Path) -> None:
        if path.name in self._kept or not _abandoned(path / RUNNING):
            return
        try:
            about = json.loads((path / METADATA).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            about = None
        if not isinstance(about, dict):
            return  # nothing of it was written
        if about.get("ended") is None:
            _recover(path, about)
        self._kept[path.name] = Kept(path.name, path, about)
        (path / RUNNING).unlink(missing_ok=True)

    def _release(self, made: str) -> None:
        self._held.pop(made).close()
        (self.folder / made / RUNNING).unlink(missing_ok=True)


def _recover(path: Path, about: dict[str, Any]) -> None:
    """Make whole what was being written, and say so in ``about``."""
    answers, markers = whole_lines(path / ANSWERS), whole_lines(path / MARKERS)
    seconds = 0.0
    if isinstance(media := about.get("media"), dict) and (path / str(media.get("file"))).is_file():
        file = path / str(media["file"])
        mended(file)
        seconds = length_of(file)
    times = [float(row["time_s"]) for row in csv.DictReader(answers)]
    about["seconds"] = round(max([seconds, *times[-1:]]), 3)
    about["segments"] = [{"from": 0, "to": about["seconds"]}]
    about.update(answers=len(times), markers=max(0, len(list(csv.reader(markers))) - 1), ended="recovered")
    with contextlib.suppress(OSError):  # a disk without room: the recording can be downloaded all the same
        write_about(path, about)


def _hold(path: Path) -> Any:
    file = open(path, "wb")  # noqa: SIM115 - held until the recording ends
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def _abandoned(path: Path) -> bool:
    """Return whether no process writes this recording any more."""
    try:
        if sys.platform == "win32":
            path.unlink()  # refused while it is open
            return True
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _written(folder: Path) -> float:
    return (folder / METADATA).stat().st_mtime if (folder / METADATA).exists() else folder.stat().st_mtime
