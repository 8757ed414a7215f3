"""report.html: a page that plays the recording beside its timeline and markers; all of it but the video in one file."""

from __future__ import annotations

import html
import json
from importlib import resources
from string import Template
from typing import Any

from mmadfer.recordings.palette import color_of
from mmadfer.recordings.plain_text import plain
from mmadfer.recordings.recording import Recording
from mmadfer.recordings.report_summary import clock, summary_html
from mmadfer.recordings.spans import LONGEST_HOLD
from mmadfer.recordings.summary import summary_of

_PAGE = resources.files("mmadfer.recordings") / "page"
_MOST_STATES = 30
"""Bits of a number in a browser that hold one state each."""


def report(recording: Recording) -> bytes:
    """Return the page."""
    summary = summary_of(recording)
    name = recording.about.get("name")
    title = plain(f"Recording {name}" if isinstance(name, str) and name else "Recording")
    about = [_text(recording, "startedUtc"), clock(recording.seconds), _text(recording, "weights")]
    about += [f"{len(recording.times)} answers", f"{len(recording.markers)} markers"]
    data = json.dumps(_data(recording, [[span.start, span.end] for span in summary.gaps]), separators=(",", ":"))
    made = Template(_file("report.html")).substitute(
        title=html.escape(title),
        style=_file("report.css"),
        script=_file("report.js"),
        about=html.escape(" · ".join(part for part in about if part)),
        player=_player(recording),
        summary=summary_html(recording, summary),
        data=data.replace("<", "\\u003c"),  # no text in it can end the script that holds it
    )
    return made.encode("utf-8")


def _data(recording: Recording, gaps: list[list[float]]) -> dict[str, Any]:
    """Return what the page draws: times in ms, probabilities in thousandths, states as bits."""
    answers = recording.answers
    smoothed = all(f"smoothed_{name}" in answers for name in recording.labels)
    columns = [answers[f"smoothed_{name}" if smoothed else name] for name in recording.labels]
    index = {name: i for i, name in enumerate(recording.labels)}
    of_each = answers.get("states") or [[] for _ in recording.times]
    names = list(dict.fromkeys(state for states in of_each for state in states))[:_MOST_STATES]
    bits = {name: 1 << i for i, name in enumerate(names)}
    return {
        "seconds": recording.seconds,
        "media": recording.media,
        "hold": LONGEST_HOLD,
        "labels": recording.labels,
        "colors": [color_of(name, i) for i, name in enumerate(recording.labels)],
        "times": [round(1000 * time) for time in recording.times],
        "values": [[round(1000 * (value or 0)) for value in column] for column in columns],
        "shown": [index.get(label, -1) if label else -1 for label in answers["label"]],
        "unsure": [int(bool(value)) for value in answers.get("unsure") or [False] * len(recording.times)],
        "stateNames": names,
        "states": [sum(bits.get(state, 0) for state in set(states)) for states in of_each],
        "gaps": gaps,
        "markers": [[marker.time, marker.key, plain(marker.text)] for marker in recording.markers],
    }


def _player(recording: Recording) -> str:
    if recording.media is None:
        return '<p class="soft">This recording has neither picture nor sound.</p>'
    picture = recording.about["media"].get("picture", True)
    kind = "video" if picture else "audio"
    return f'<{kind} id="media" controls playsinline preload="auto" aria-label="The recording"></{kind}>'


def _text(recording: Recording, key: str) -> str:
    value = recording.about.get(key)
    return plain(value) if isinstance(value, str) else ""


def _file(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")
