"""A made recording: its three tables as text, of any length, with gaps, states and hostile markers."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmadfer.outputs.schema import Output, columns

LABELS = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
HOSTILE = '</script><img src=x onerror="window.hacked=1">"\',=1+1|\n\x00\x1b[31m\u202e\ufffe 笑'


def metadata(seconds: float = 6.0, labels: Sequence[str] = LABELS, **changes: Any) -> bytes:
    """Return metadata.json."""
    about = {
        "format": "mmadfer-recording",
        "version": 1,
        "name": "A <b>/ç",
        "told": True,
        "startedUtc": "2026-11-27T10:00:00.000Z",
        "seconds": seconds,
        "media": {
            "file": "video.webm",
            "type": "video/webm",
            "picture": True,
            "settings": {"video": {"frameRate": 30}},
        },
        "weights": "starter",
        "trained": True,
        "engine": "test",
        "labels": [*labels],
        "windowSeconds": 3,
        "segments": [{"from": 0, "to": seconds}],
    }
    return json.dumps({**about, **changes}).encode()


def table(heading: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a CSV; cells that are missing are empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, heading, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


def answer(time: float, label: str | None, labels: Sequence[str] = LABELS, **changes: Any) -> dict[str, Any]:
    """Return one row: 0.7 for the label, the rest shared."""
    rest = 0.3 / max(1, len(labels) - 1)
    values = {name: 0.7 if name == label else rest for name in labels}
    row = {"file": "video.webm", "time_s": f"{time:.3f}", "label": label or "", **values, "states": "", "unsure": 0}
    row |= {f"smoothed_{name}": value for name, value in values.items()}
    return {**row, "has_audio": 1, "latency_ms": 40, "weights": "starter", **changes}


def answers(rows: Sequence[Mapping[str, Any]], labels: Sequence[str] = LABELS) -> bytes:
    """Return answers.csv as the page writes it."""
    return table([column.name for column in columns(Output.PAGE, labels)], rows)


def markers(rows: Sequence[tuple[float, str, str]]) -> bytes:
    """Return markers.csv of (s, key, text)."""
    utc = "2026-11-27T10:00:00.000Z"
    rows_of = [{"time_s": f"{s:.3f}", "time_utc": utc, "key": key, "text": text} for s, key, text in rows]
    return table(["time_s", "time_utc", "key", "text"], rows_of)


def short() -> dict[str, bytes]:
    """Return the tables of 6 s: 1 s happiness, 1 s without a face, 2 s nothing, 1 s anger, 0.6 s happiness."""
    rows = [answer(0.2 + i / 5, "happiness") for i in range(5)]
    rows += [answer(1.2 + i / 5, None, states="no face; silence", unsure="") for i in range(5)]
    rows += [answer(4.2 + i / 5, "anger", states="silence") for i in range(5)]
    rows += [answer(5.2 + i / 5, "happiness") for i in range(3)]
    marks = [(0.5, "3", ""), (2.0, "", HOSTILE), (2.0, "1", ""), (5.5, "", 'say "cheese"')]
    return {"answers.csv": answers(rows), "markers.csv": markers(marks), "metadata.json": metadata()}


def long(seconds: int = 3600, count: int = 18_000, marks: int = 10_000) -> dict[str, bytes]:
    """Return the tables of an hour."""
    rows = []
    for i in range(count):
        time = i * seconds / count
        top = LABELS[int(3.5 + 3.49 * math.sin(time / 40) * math.cos(time / 300))]
        rows.append(answer(time, top, states="silence" if i % 900 < 60 else ""))
    set_ = [
        (i * seconds / marks, str(i % 9 + 1) if i % 2 else "", "" if i % 2 else f"marker {i}") for i in range(marks)
    ]
    return {"answers.csv": answers(rows), "markers.csv": markers(set_), "metadata.json": metadata(float(seconds))}


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write ``files`` as a zip, stored, as the page does."""
    with zipfile.ZipFile(path, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    return path
