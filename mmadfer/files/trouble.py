"""What may go wrong with one file of many, and the sentence that tells it: the other files go on."""

from __future__ import annotations

import errno
import os
import struct
import zlib

import av
from PIL import Image

from mmadfer.files.names import printable, shown

FILE_TROUBLE: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    # What decoders raise on damaged files, not in so many words: PyAV, Pillow (a broken PNG is a SyntaxError to it) and
    # the model's own engine.
    av.error.FFmpegError,
    Image.DecompressionBombError,
    RuntimeError,
    MemoryError,
    LookupError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    SyntaxError,
    SystemError,
    TypeError,
    struct.error,
    zlib.error,
)
"""Of one file; told by its name and type, so that a mistake of ours is still seen."""
_REMEDIES = {
    errno.EACCES: "ask its owner for the right to read it",
    errno.EPERM: "ask its owner for the right to read it",
    errno.EIO: "copy it anew, for its disk or network fails",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.ELOOP: "correct the links that lead to it",
    errno.ENOENT: "was it moved or deleted meanwhile?",
}


def file_sentence(error: Exception, path: str | os.PathLike[str], name: str | None = None) -> str:
    """Return one line that names the file at ``path``, what is wrong with it and what to do.

    Args: error: one of FILE_TROUBLE; name: the file as the user named it, if otherwise.
    """
    called = shown(path if name is None else name)
    text = renamed(str(error), path, path if name is None else name)
    if isinstance(error, OSError) and error.strerror and error.errno is not None:
        remedy = _REMEDIES.get(error.errno, "copy it anew and try again")
        return f"{called} cannot be read ({_even(error.strerror)}); {remedy}"
    if isinstance(error, MemoryError):
        return f"{called} cannot be scored, for memory is too short for it; close other programs or make it smaller"
    if isinstance(error, OSError | ValueError) and text:
        return text if called in text else f"{called}: {text}"
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{called} cannot be scored ({what}); is it damaged? If it plays elsewhere, please report it"


def renamed(text: str, path: str | os.PathLike[str], name: str | os.PathLike[str]) -> str:
    """Return ``text`` about the file at ``path`` in one line, the file called as the user named it."""
    opened = os.fspath(path)
    # Whitespace is evened out between the names alone: they keep all of theirs.
    return shown(name).join(_even(part) for part in text.replace(shown(opened), opened).split(opened))


def _even(text: str) -> str:
    """Return ``text`` in one line; spaces at its ends stay."""
    inner = " ".join(text.split())
    return printable(f"{' ' if text[:1].isspace() else ''}{inner}{' ' if text[-1:].isspace() and inner else ''}")
