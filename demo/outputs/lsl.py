"""Answers by the Lab Streaming Layer, on one clock with EEG, eye trackers and markers: one outlet a session."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from types import ModuleType
from typing import Any

from .answer import Answer

log = logging.getLogger(__name__)

TYPE = "Emotion"
"""The stream's type; the Lab Streaming Layer has no agreed one for probabilities of emotions."""


class LslOutlets:
    """A stream of probabilities for each session, from its first answer to its end."""

    def __init__(self, name: str) -> None:
        """Args: name: of every stream. Raises ValueError for an empty one, ImportError where pylsl cannot be used."""
        if not name.strip() or not name.isprintable():
            raise ValueError(f"--lsl must be a name of printable characters, got {name!r}; leave it out for mmadfer")
        self._name = name
        self._pylsl = load_pylsl("--lsl")
        self._outlets: dict[int, Any] = {}
        self._ended: set[int] = set()
        self._lock = threading.Lock()

    def take(self, answer: Answer) -> None:
        """Push one sample: the smoothed probabilities, or NaN throughout where the answer may not be shown."""
        trusted = answer.prediction.trusted
        sample = [value if trusted else math.nan for value in answer.smoothed.values()]
        age = time.time() - answer.end
        with self._lock:
            if answer.session in self._ended:
                return  # an answer that was being computed when its session ended
            if answer.session not in self._outlets:
                self._outlets[answer.session] = self._open(answer)
            if (outlet := self._outlets[answer.session]) is not None:
                outlet.push_sample(sample, self._pylsl.local_clock() - age)

    def end(self, session: int) -> None:
        """Take the session's stream off the network."""
        with self._lock:
            self._ended.add(session)
            self._outlets.pop(session, None)  # freed with its last reference

    def close(self) -> None:
        """Take all streams off the network."""
        with self._lock:
            self._outlets.clear()

    def _open(self, answer: Answer) -> Any:
        """Return the session's outlet; None, with a word in the log, where the system grants no sockets for one."""
        source = f"{self._name}-{socket.gethostname()}-{answer.session}"
        lsl = self._pylsl
        info = lsl.StreamInfo(self._name, TYPE, len(answer.smoothed), lsl.IRREGULAR_RATE, lsl.cf_float32, source)
        about = info.desc()
        about.append_child_value("manufacturer", "mmadfer")
        for key in ("session", "weights", "engine"):
            about.append_child_value(key, str(getattr(answer, key)))
        channels = about.append_child("channels")
        for label in answer.smoothed:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "probability (0 to 1)")
            channel.append_child_value("type", TYPE)
        try:
            return lsl.StreamOutlet(info)
        except RuntimeError as error:
            log.warning("session %d has no stream of the Lab Streaming Layer: %s", answer.session, error)
            return None


def load_pylsl(option: str) -> ModuleType:
    """Return the package; it fails at import where its own library, liblsl, is not there for this system.

    Raises ImportError that names the ``option`` that needs it.
    """
    try:
        import pylsl
    except ImportError as error:
        raise ImportError(f"{option} needs the package pylsl: pip install 'mmadfer[lsl]'") from error
    except (RuntimeError, OSError) as error:
        words = f"{option} needs the library liblsl, which pylsl brings for common systems only; install it"
        raise ImportError(f"{words}, or name its file in the variable PYLSL_LIB") from error
    return pylsl
