"""A marker: a key or a line of text at a moment, wherever it comes from; and how many may come."""

from __future__ import annotations

import threading
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

MOST_TEXT = 500
"""Characters of a marker's text; the page takes as many."""
AHEAD = 10.0
"""How much the clock of another machine may be ahead, s."""
KEYS = tuple("123456789")
PER_SECOND, AT_ONCE = 20.0, 100
"""Markers taken from outside: so many a second for long, so many at once."""
_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of what is no text in a line: control characters, surrogates, ends of lines and paragraphs."""


@dataclass(frozen=True)
class Marker:
    """What was marked, and when: ``utc`` in s since 1970."""

    key: str
    text: str
    utc: float

    @property
    def time_utc(self) -> str:
        """The moment as ISO 8601 in UTC with ms."""
        return iso(self.utc)


def iso(moment: float) -> str:
    """Return ``moment`` (s since 1970) as ISO 8601 in UTC with ms."""
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def marker_of(values: Any) -> Marker:
    """Return the marker that an object with "text" or "key", and perhaps "time_utc", describes.

    Raises ValueError in one sentence for what is none.
    """
    if not isinstance(values, Mapping):
        raise ValueError('a marker must be an object such as {"text": "stimulus on"}')
    if unknown := sorted(set(map(str, values)) - {"text", "key", "time_utc"}):
        raise ValueError(f'a marker may have "text", "key" and "time_utc", got {unknown[0][:40]!r} beside them')
    key, text = values.get("key", ""), values.get("text", "")
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if key not in ("", *KEYS):
        raise ValueError('"key" must be one of "1" to "9"')
    if not isinstance(text, str) or len(text) > MOST_TEXT:
        raise ValueError(f'"text" must be a text of {MOST_TEXT} characters at most')
    text = plain(text)
    if not key and not text:
        raise ValueError('a marker needs a "text" or a "key"')
    return Marker(key, text, _moment(values.get("time_utc")))


def plain(text: str) -> str:
    """Return ``text`` in one line: what is no text becomes a blank."""
    return "".join(" " if unicodedata.category(c) in _NO_TEXT else c for c in text).strip()


def _moment(written: Any) -> float:
    if written is None:
        return time.time()
    form = '"time_utc" must be a moment with its zone, such as "2026-11-27T10:00:00.000Z"; leave it out for now'
    try:
        moment = datetime.fromisoformat(written.replace("Z", "+00:00")) if isinstance(written, str) else None
        if moment is None or moment.tzinfo is None:
            raise ValueError(form)
        if moment.timestamp() > time.time() + AHEAD:
            form = f'"time_utc" lies more than {AHEAD:.0f} s ahead of the clock of the server'
            raise ValueError(form)
        return moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError(form) from error


class RateLimit:
    """How many may come: `PER_SECOND` for long, `AT_ONCE` after a pause. May be called from any thread."""

    def __init__(self) -> None:
        self._left = float(AT_ONCE)
        self._last = time.monotonic()
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Count one more, and return whether it may come."""
        with self._lock:
            now = time.monotonic()
            self._left = min(AT_ONCE, self._left + (now - self._last) * PER_SECOND)
            self._last = now
            if self._left < 1:
                return False
            self._left -= 1
            return True
