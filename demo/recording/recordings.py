"""The one recording of a source on the server's side, and those that wait for somebody: told to all pages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ..outputs.answer import Answer
from .marker import Marker
from .recording import Asked, Recording
from .store import Kept, RecordingStore

log = logging.getLogger(__name__)

LOOK = 60.0
"""Time between two looks for what is too old, s."""
LEAVING = 10.0
"""Time that a recording has to write what waits when the server ends, s."""


class Recordings:
    """Begins, ends and marks; everything may be called from any thread. It is a sink of answers (`Fanout`)."""

    def __init__(self, store: RecordingStore) -> None:
        self.store = store
        self.tell: Callable[[], object] = lambda: None
        """Called after each change of `state`."""
        self.about: Callable[[], Mapping[str, Any]] = dict
        """What runs, for the metadata; has "labels"."""
        self.position: Callable[[float], float | None] | None = None
        """Where a clip is at a moment (s, monotonic)."""
        self._recording: Recording | None = None
        self._id = ""
        self._trouble = ""
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def open(self) -> None:
        """Find what is kept, and delete it when its time has come."""
        self.store.look()
        threading.Thread(target=self._expire, name="recordings", daemon=True).start()

    def begin(self, asked: Asked) -> None:
        """Record from now on. Raises ValueError where somebody records already, OSError where nothing can be written.

        Both say why in one sentence.
        """
        with self._lock:
            if self._closed.is_set():
                raise ValueError("The server ends: it records nothing more.")
            if self._recording is not None:
                raise ValueError(
                    "This source is being recorded already: there is one recording, and End ends it for all."
                )
            try:
                self._id = ""
                self._id, folder = self.store.begin()
                self._recording = Recording(folder, asked, self.about(), self.position, self._ended, self.tell)
            except OSError as error:
                self.store.drop(self._id)
                words = f"Nothing can be recorded: {error.strerror or error} ({self.store.folder})"
                raise OSError(words) from error
            self._trouble = ""
        self.tell()

    def finish(self, reason: str = "ended", timeout: float = LEAVING) -> Kept:
        """End the recording and return it, once all is written. Raises ValueError where none runs."""
        with self._lock:
            recording, made = self._recording, self._id
        if recording is None:
            raise ValueError("Nothing is being recorded.")
        recording.stop(reason)
        if not recording.join(timeout):
            raise ValueError(
                f"The recording is still being written after {timeout:.0f} s; it is offered when it is whole."
            )
        kept = self.store.find(made)
        if kept is None:
            raise ValueError("The recording has gone already: somebody else has saved or discarded it.")
        return kept

    def offer(self, item: Any) -> None:
        """Take a frame or a block of sound, on the source's thread."""
        if (recording := self._recording) is not None:
            recording.offer(item)

    def mark(self, marker: Marker) -> bool:
        """Put a marker into the recording; return whether one runs."""
        recording = self._recording
        if recording is None or not recording.running:
            return False
        recording.offer(marker)
        return True

    def remove(self, made: str) -> None:
        """Delete a recording that has ended."""
        self.store.remove(made)
        self.tell()

    def state(self) -> dict[str, Any]:
        """Return what pages are told."""
        recording = self._recording
        running = None
        if recording is not None:
            running = {"name": recording.about["name"], "seconds": round(recording.seconds, 3)}
            running["withoutTrack"] = recording.lacks
        kept = [found.told() for found in self.store.kept()]
        return {"running": running, "kept": kept, "hours": self.store.keep_hours, "trouble": self._trouble}

    # --- as a sink of answers

    def take(self, answer: Answer) -> None:
        """Take an answer."""
        self.offer(answer)

    def end(self, session: int) -> None:
        """End with the source."""
        if (recording := self._recording) is not None:
            recording.stop("the source ended")

    def close(self) -> None:
        """End what is recorded; it is offered when the server runs again."""
        self._closed.set()
        if (recording := self._recording) is not None:
            recording.stop("the server ended")
            if not recording.join(LEAVING):
                log.warning(
                    "the recording could not be finished within %.0f s; it is mended at the next start", LEAVING
                )

    def _ended(self, recording: Recording) -> None:
        with self._lock:
            self.store.end(self._id, recording.about)
            self._recording = None
            self._trouble = recording.trouble
        self.tell()

    def _expire(self) -> None:
        while not self._closed.wait(LOOK):
            if self.store.expire():
                self.tell()
