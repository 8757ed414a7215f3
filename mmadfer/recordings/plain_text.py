"""Names and markers' text as files of other programs may hold them."""

from __future__ import annotations

import re

from mmadfer.files.names import printable

_NO_CHARACTERS = re.compile("[\\ufffe\\uffff]")
"""What XML forbids beside control characters and surrogates."""


def plain(text: str) -> str:
    """Return ``text`` in one line, control characters, line ends and what is no text escaped as `names.shown` does."""
    return _NO_CHARACTERS.sub(lambda found: f"\\u{ord(found[0]):04x}", printable(text))
