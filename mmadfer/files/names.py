r"""File names as people, tables and terminals see them: one rule, and the way back.

A name may hold any byte but 0 and "/": bytes that are no text, line ends, codes that move the cursor or turn the
direction of writing. `shown` leaves all of it that is plain text and writes the rest as Python and C do:

- ``\\`` for a backslash;
- ``\n``, ``\r``, ``\t`` and ``\x1b`` for control characters;
- ``\xe9`` for a byte that is no UTF-8 (always ``\x80`` or above);
- ``\u202e``, ``\U000e0067`` for characters that are seen only by what they do, and for those that an output which is
  not Unicode lacks.

Two names that differ are shown differently, and `original` returns the name that was shown.
"""

from __future__ import annotations

import codecs
import os
import re
import unicodedata

_KEPT = "\u200c\u200d"
"""Join and part letters and emoji; escaped they would take them apart."""
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories: control, format, surrogates, ends of lines and paragraphs."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LONG = {short: long for long, short in _SHORT.items()}
_ESCAPES = re.compile(rb"\\(\\|[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
ENCODABLE = "mmadfer.shown"
"""Error handler for streams: what the stream's encoding lacks is written by the rule above."""


def shown(name: str | os.PathLike[str]) -> str:
    """Return a file's name or path for people and tables, in one line of characters that any terminal may get."""
    return printable(_text(os.fspath(name)).replace("\\", "\\\\"))


def original(text: str) -> str:
    """Return the name or path that `shown` made ``text`` of, to open the file by."""
    return os.fsdecode(_ESCAPES.sub(_bytes_of, text.encode("utf-8", "surrogateescape")))


def printable(text: str) -> str:
    """Return ``text``, such as a sentence with names in it, by the rule above; backslashes in it stay as they are."""
    return "".join(
        character if character in _KEPT or unicodedata.category(character) not in _UNSEEN else _escaped(character)
        for character in text
    )


def _text(name: str) -> str:
    """Return ``name`` read as UTF-8, whatever the system's own encoding here is."""
    try:
        return os.fsencode(name).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # made by a program: no file has such a name
        return name


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is no text
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return _SHORT.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _bytes_of(escape: re.Match[bytes]) -> bytes:
    kind, digits = escape[1][:1], escape[1][1:]
    if kind == b"\\":
        return kind
    if kind in b"nrt":
        return _LONG[escape[0].decode()].encode()
    value = int(digits, 16)
    return bytes([value]) if kind == b"x" else chr(value).encode("utf-8", "surrogatepass")


def _escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_escaped, error.object[error.start : error.end])), error.end


codecs.register_error(ENCODABLE, _escape_unencodable)
