"""One spelling for what people type: forms of Unicode, spaces and signs that are not seen do not tell words apart."""

from __future__ import annotations

import unicodedata

_NOTHING = frozenset(("", "-", "--", "?", "n/a", "#n/a", "<na>", "na", "nan", "nat", "null", "(null)", "nil", "<null>"))
"""What people, spreadsheets and pandas write for nothing; in lower case."""


def plain(text: str) -> str:
    """Return ``text`` in Unicode's composed form, with single spaces, without signs that cannot be seen.

    So "é" is one whether it was typed as one character or as e and an accent, as file names of macOS have it.
    """
    seen = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return " ".join(seen.split())


def means_nothing(text: str) -> bool:
    """Return whether a cell holds nothing, or a word for it such as NaN or N/A."""
    return plain(text).lower() in _NOTHING
