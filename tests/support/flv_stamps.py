"""Changes the time stamps of FLV files, byte by byte, into such as no muxer would write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Change = Callable[[str, int, int], int]
"""(kind, "v" or "a"; number of the packet among its kind; stamp in ms) -> new stamp in ms."""


def restamp(source: Path, path: Path, change: Change) -> None:
    """Write ``source`` to ``path`` with other stamps."""
    data, counts, place = bytearray(source.read_bytes()), {"a": 0, "v": 0}, 13
    while place + 11 <= len(data):
        kind = {8: "a", 9: "v"}.get(data[place])
        if kind:
            stamp = int.from_bytes(data[place + 4 : place + 7], "big") | data[place + 7] << 24
            new = change(kind, counts[kind], stamp) & 0xFFFFFFFF
            counts[kind] += 1
            data[place + 4 : place + 7] = (new & 0xFFFFFF).to_bytes(3, "big")
            data[place + 7] = new >> 24
        place += 15 + int.from_bytes(data[place + 1 : place + 4], "big")
    path.write_bytes(data)
