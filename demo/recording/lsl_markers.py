"""Markers from a stream of the Lab Streaming Layer, whenever it is there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..outputs.lsl import load_pylsl
from .marker import MOST_TEXT, Marker, plain

log = logging.getLogger(__name__)

OPTION = "--lsl-markers"
LOOK, PULL = 1.0, 0.5
"""Time that one look for the stream takes, and one wait for a marker, s: so soon the end of the server is noticed."""


class LslMarkers:
    """Looks for a stream by its name, takes its markers, and looks again where it has gone."""

    def __init__(self, name: str, put: Callable[[Marker], object]) -> None:
        """Args: put: takes a marker, and raises ValueError where there are too many.

        Raises ValueError for an empty name, ImportError where pylsl cannot be used.
        """
        if not name.strip() or not name.isprintable():
            raise ValueError(f"{OPTION} must be the name of a stream, of printable characters, got {name!r}")
        self.name = name
        self._put = put
        self._lsl: ModuleType = load_pylsl(OPTION)
        self._tell: Callable[[str], object] = lambda _: None
        self._told: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, tell: Callable[[str], object]) -> None:
        """Begin to look. Args: tell: called with what is missing, in words; "" once nothing is."""
        self._tell = tell
        self._thread = threading.Thread(target=self._run, name="lsl-markers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let the stream go."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2 * LOOK + PULL)

    def _run(self) -> None:
        seen = False
        while not self._stop.is_set():
            found = self._lsl.resolve_byprop("name", self.name, minimum=1, timeout=LOOK)
            if not found:
                missing = "has gone" if seen else "is not there yet"
                self._say(f"The marker stream {self.name} {missing}: it is taken once it comes")
                continue
            inlet = self._lsl.StreamInlet(found[0], recover=False)  # a new one may be another program's
            try:
                inlet.open_stream(timeout=5)
                seen = True
                self._say("")
                self._take_in(inlet)
            except RuntimeError as error:  # pylsl's errors are such
                log.debug("the marker stream was lost: %s", error)
                self._stop.wait(PULL)
            finally:
                inlet.close_stream()

    def _take_in(self, inlet: Any) -> None:
        shift = inlet.time_correction(timeout=5)
        while not self._stop.is_set():
            sample, stamp = inlet.pull_sample(timeout=PULL)
            if sample is None:
                continue
            age = self._lsl.local_clock() - (stamp + shift)
            self._mark(sample, time.time() - age)

    def _mark(self, sample: list[Any], utc: float) -> None:
        text = plain("; ".join(map(str, sample)))
        if not text:
            return
        if len(text) > MOST_TEXT:
            log.warning("a marker of %d characters was cut to %d", len(text), MOST_TEXT)
        try:
            self._put(Marker("", text[:MOST_TEXT], utc))
        except ValueError as error:
            log.warning("a marker of %s was lost: %s", self.name, error)

    def _say(self, words: str) -> None:
        if words == self._told:
            return
        if words:
            log.warning("%s", words)
        elif self._told:
            log.info("the marker stream %s is there", self.name)
        self._told = words
        self._tell(words)
