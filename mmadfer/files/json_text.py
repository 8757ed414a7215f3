"""JSON with file names in it, which may hold bytes that are no text, and characters that some take for line ends."""

from __future__ import annotations

import json
import re
from typing import Any

_NOT_IN_A_LINE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
r"""What UTF-8 cannot hold (a byte that is no text is \udc80 to \udcff in Python), and ends of lines to some readers."""


def to_json(value: Any, indent: int | None = None) -> str:
    """Return ``value`` as JSON that any reader understands; all that is plain text stays readable."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _NOT_IN_A_LINE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def json_lines(text: str) -> list[str]:
    """Return the lines of a file that holds a value a line."""
    return text.removesuffix("\n").split("\n") if text else []
