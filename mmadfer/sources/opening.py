"""A source by its name."""

from __future__ import annotations

import os

from mmadfer.sources.clip import ClipSource
from mmadfer.sources.devices import LocalDevices
from mmadfer.sources.source import Source

LOCAL = "local"
"""Name of this machine's camera and microphone."""


def open_source(name: str | os.PathLike[str], devices: LocalDevices | None = None) -> Source:
    """Return the source called ``name``: "local", with its ``devices``, or a file, in real time, over and over.

    Raises OSError or ValueError for an unreadable file.
    """
    if name == LOCAL:
        from mmadfer.sources.local import LocalSource

        return LocalSource(devices)
    return ClipSource(name)
