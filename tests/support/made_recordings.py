"""Recordings as the page saves them, made without a page: a video, answers, markers and what is known of them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmadfer.outputs.schema import Output, columns

LABELS = ["happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"]
HOP = 0.2
"""Time between two answers, s."""
Marker = tuple[float, str, str]
"""Time, s; key; text."""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as the page writes it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()


def about(seconds: float, **changes: Any) -> dict[str, Any]:
    """Return the metadata of a recording of this length."""
    return {
        "format": "mmadfer-recording",
        "version": 1,
        "name": "made",
        "told": True,
        "startedUtc": "2026-11-27T10:00:00.000Z",
        "seconds": seconds,
        "media": {"file": "video.mp4", "type": "video/mp4", "picture": True, "settings": {}},
        "weights": "of a test",
        "trained": True,
        "engine": "test weights on CPU",
        "labels": LABELS,
        "windowSeconds": 3,
        "columns": [column.name for column in columns(Output.PAGE, LABELS)],
        "segments": [{"from": 0, "to": seconds}],
        "markers": 0,
        **changes,
    }


def answers(seconds: float, top: str = "happiness") -> str:
    """Return the table of a recording in which ``top`` is the answer, and "anger" in its last quarter."""
    head = [column.name for column in columns(Output.PAGE, LABELS)]
    rows = []
    for i in range(1, round(seconds / HOP) + 1):
        label = top if i * HOP <= 0.75 * seconds else "anger"
        values: dict[str, object] = {
            "file": "video.mp4",
            "time_s": f"{i * HOP:.3f}",
            "label": label,
            "rests_on": "both",
        }
        for name in LABELS:
            values[name] = values[f"smoothed_{name}"] = 0.82 if name == label else 0.03
        rows.append([{**values, "unsure": 0, "has_audio": 1}.get(name, "") for name in head])
    return table(head, rows)


def write(
    path: Path,
    clip: Path | None,
    seconds: float = 6.0,
    markers: Sequence[Marker] = (),
    top: str = "happiness",
    packed: int = zipfile.ZIP_STORED,
    further: dict[str, str] | None = None,
    streamed: bool = False,
    **changes: Any,
) -> Path:
    """Write a recording.

    Args: clip: its video. packed: how its tables are. further: other files. streamed: as a server writes a zip that it
    cannot go back in. changes: of metadata.
    """
    rows = [(f"{at:.3f}", f"2026-11-27T10:00:{at % 60:06.3f}Z", key, text) for at, key, text in markers]
    told = about(seconds, **{"markers": len(rows), **({} if clip else {"media": None}), **changes})
    into: Any = _Stream() if streamed else path
    with zipfile.ZipFile(into, "w", packed) as held:
        if clip:
            held.write(clip, "video.mp4", zipfile.ZIP_STORED)
        held.writestr("answers.csv", answers(seconds, top))
        held.writestr("markers.csv", table(["time_s", "time_utc", "key", "text"], rows))
        held.writestr("metadata.json", json.dumps(told))
        for name, text in (further or {}).items():
            held.writestr(name, text)
    if streamed:
        path.write_bytes(into.data)
    return path


class _Stream(io.RawIOBase):
    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)
