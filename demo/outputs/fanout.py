"""Who is told of the answers: readers, each of one session at a time, and sinks, which take those of all."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from .answer import Answer
from .reader import Reader

_NOBODY = "No session runs: nobody has opened the page yet, or everybody has left. Answers follow once one does."
_NOT_YET = "There has been no session of that number yet. Its answers follow once it runs."


class Sink(Protocol):
    """Takes every answer, on the model's thread: it must neither wait nor raise."""

    def take(self, answer: Answer) -> None:
        """Send one answer."""

    def end(self, session: int) -> None:
        """Learn that a session has ended; called from any thread."""

    def close(self) -> None:
        """Free everything."""


class Fanout:
    """The sessions that run, and the readers and sinks of their answers; everything may be called from any thread."""

    def __init__(self, sinks: Sequence[Sink] = ()) -> None:
        self._sinks = tuple(sinks)
        self._readers: list[Reader] = []
        self._running: list[int] = []
        self._newest = 0
        self._lock = threading.Lock()

    def add(self, reader: Reader) -> None:
        """Let another program read; it is told where it has to wait, and where its session has ended."""
        with self._lock:
            self._readers.append(reader)
            if reader.wanted is not None and reader.wanted <= self._newest and reader.wanted not in self._running:
                _end(reader, reader.wanted)
            else:
                self._lead(reader)

    def remove(self, reader: Reader) -> None:
        """Let a program go."""
        with self._lock:
            self._readers.remove(reader)

    def begin(self, session: int) -> None:
        """Note that a session runs; who waits for it, or for any, follows it. Numbers go up."""
        with self._lock:
            self._running.append(session)
            self._newest = max(session, self._newest)
            for reader in self._readers:
                if reader.following is None and reader.wanted in (None, session):
                    reader.following = session

    def end(self, session: int) -> None:
        """Note, once, that a session has ended; who followed it is told, and goes on to the newest that runs."""
        with self._lock:
            if session not in self._running:
                return
            self._running.remove(session)
            for reader in self._readers:
                if reader.following == session:
                    _end(reader, session)
                    if reader.wanted is None:
                        self._lead(reader)
        for sink in self._sinks:
            sink.end(session)

    def publish(self, answer: Answer) -> None:
        """Tell all sinks, which are about one face, and the readers of this session."""
        for sink in () if answer.further else self._sinks:
            sink.take(answer)
        with self._lock:
            readers = [reader for reader in self._readers if reader.following == answer.session]
        if readers:
            message = answer.message()
            for reader in readers:
                reader.put(message)

    def close(self) -> None:
        """Let every reader go, and end the sinks."""
        with self._lock:
            for reader in self._readers:
                reader.finish()
        for sink in self._sinks:
            sink.close()

    def _lead(self, reader: Reader) -> None:
        """Let a reader follow the session that it wants, or have it wait."""
        if reader.wanted is None:
            reader.following = self._running[-1] if self._running else None
        else:
            reader.following = reader.wanted if reader.wanted in self._running else None
        if reader.following is None:
            reader.put({"type": "waiting", "message": _NOBODY if reader.wanted is None else _NOT_YET})


def _end(reader: Reader, session: int) -> None:
    reader.put({"type": "ended", "session": session})
    reader.following = None
    if reader.wanted is not None:
        reader.finish()
