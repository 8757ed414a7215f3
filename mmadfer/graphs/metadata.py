"""The metadata of an ONNX file, read without the weights around it: to parse hundreds of megabytes takes a second.

An ONNX file is one Protocol Buffers message: fields, each a number and a kind, those of no fixed size with their length
before them. So fields of no interest are stepped over.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import BinaryIO

_GRAPH, _METADATA = 7, 14
"""Numbers of the message's fields: the graph with its weights, and an entry of the metadata."""
_KEY, _VALUE = 1, 2
"""Numbers of an entry's fields."""
_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
"""Kind -> bytes of a field of fixed size."""
_MOST_BYTES = 10
"""Longest number in a message."""


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return key -> value of the metadata in the ONNX file ``path``.

    Raises OSError where it cannot be read, ValueError where it is cut short or no ONNX file.
    """
    metadata, has_graph = {}, False
    with open(path, "rb") as file:
        for number, contents in _fields(file, _METADATA):
            has_graph = has_graph or number == _GRAPH
            if number == _METADATA:
                entry = dict(_fields(io.BytesIO(contents), _KEY, _VALUE))
                metadata[entry.get(_KEY, b"").decode()] = entry.get(_VALUE, b"").decode()
    if not has_graph:
        raise ValueError("there is no graph in it")
    return metadata


def _fields(file: BinaryIO, *wanted: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and contents of each field of the message ``file``; nothing for contents that are not wanted."""
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    while file.tell() < end:
        number, kind = divmod(_varint(file), 8)
        if kind == _VARINT:
            _varint(file)
            yield number, b""
            continue
        if kind != _LENGTH and kind not in _FIXED:
            raise ValueError(f"a field is of the unknown kind {kind}")
        length = _varint(file) if kind == _LENGTH else _FIXED[kind]
        if file.tell() + length > end:
            raise ValueError("it is cut short")
        if number in wanted:
            yield number, file.read(length)
        else:
            file.seek(length, os.SEEK_CUR)
            yield number, b""


def _varint(file: BinaryIO) -> int:
    """Read a number: 7 bits a byte, the lowest first; the highest bit says that there are more."""
    value = 0
    for place in range(_MOST_BYTES):
        byte = file.read(1)
        if not byte:
            raise ValueError("it is cut short")
        value |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            return value
    raise ValueError("a number in it has no end")
