"""recording.boris: labels and states as state events, markers as point events, in a project of BORIS (format 7.0)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from mmadfer.recordings.plain_text import plain
from mmadfer.recordings.recording import Recording
from mmadfer.recordings.spans import Span, gaps, label_spans, state_spans

FORMAT_VERSION = "7.0"
CATEGORIES = ("label", "state", "marker")
MARKER = "marker"
_STATE, _POINT = "State event", "Point event"


def boris(recording: Recording) -> bytes:
    """Return the project: one observation, and an ethogram of the classes, the states and the markers."""
    by_state = {**state_spans(recording), "no answer": gaps(recording)}
    labels, states = _codes(recording.labels, by_state)
    stretches = [(labels[span.name], span) for span in label_spans(recording)]
    stretches += [(states[name], span) for name, spans in by_state.items() for span in spans]
    ethogram = [(code, _STATE, "label") for code in labels.values()]
    ethogram += [*((code, _STATE, "state") for code in states.values()), (MARKER, _POINT, "marker")]
    date = _local(recording.about.get("startedUtc"))
    name = _name(recording)
    project = {
        "time_format": "hh:mm:ss",
        "project_date": date,
        "project_name": name,
        "project_description": "Answers of mmadfer: what a face and a voice express, not what somebody feels.",
        "project_format_version": FORMAT_VERSION,
        "subjects_conf": {},
        "behaviors_conf": {str(i): _behavior(*each) for i, each in enumerate(ethogram)},
        "observations": {name: _observation(recording, date, _events(stretches, recording))},
        "behavioral_categories": list(CATEGORIES),
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    return json.dumps(project, indent=1, ensure_ascii=True).encode("ascii")


def _events(stretches: Iterable[tuple[str, Span]], recording: Recording) -> list[list[Any]]:
    """Return [time, subject, behaviour, modifier, comment, frame]; a state has one at its start and one at its end."""
    timed = [(time, i, code) for code, span in stretches for i, time in ((1, span.start), (0, span.end))]
    made = [(time, order, [time, "", code, "", "", "NA"]) for time, order, code in timed]
    made += [(m.time, 2, [m.time, "", MARKER, "", plain(m.words), "NA"]) for m in recording.markers]
    made.sort(key=lambda each: (round(each[0], 3), each[1]))  # at one moment, what ends comes before what begins
    return [[round(time, 3), *event[1:]] for time, _, event in made]


def _observation(recording: Recording, date: str, events: list[list[Any]]) -> dict[str, Any]:
    media = recording.media
    known = {media: recording.seconds} if media else {}
    files = {str(player): [media] if player == 1 else [] for player in range(1, 9)} if media else {}
    picture = media is not None and bool(recording.about["media"].get("picture", True))
    return {
        "file": files,
        "type": "MEDIA" if media else "LIVE",
        "date": date,
        "description": plain(str(recording.about.get("name") or "")),
        "time offset": 0.0,
        "events": events if media else [event[:-1] for event in events],
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "media_creation_date_as_offset": False,
        "media_scan_sampling_duration": 0,
        "image_display_duration": 1,
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": known,
            "fps": dict.fromkeys(known, _fps(recording)),
            "hasVideo": dict.fromkeys(known, picture),
            "hasAudio": dict.fromkeys(known, True),
            "offset": {"1": 0.0} if media else {},
        },
    }


def _behavior(code: str, kind: str, category: str) -> dict[str, Any]:
    empty = dict.fromkeys(("key", "description", "color", "excluded", "coding map"), "")
    return {"type": kind, "code": code, "category": category, "modifiers": {}, **empty}


def _codes(labels: Iterable[str], states: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return class -> behaviour and state -> behaviour, no two alike.

    BORIS joins behaviours by commas, and knows modifiers by "|".
    """
    taken = {MARKER}

    def code(name: str) -> str:
        made = first = plain(name).replace(",", ";").replace("|", "/").strip()
        number = 2
        while made in taken:
            made, number = f"{first} ({number})", number + 1
        taken.add(made)
        return made

    return {name: code(name) for name in labels}, {name: code(f"state: {name}") for name in states}


def _name(recording: Recording) -> str:
    name = recording.about.get("name")
    return (plain(name).strip() if isinstance(name, str) else "") or "recording"


def _fps(recording: Recording) -> float:
    settings = (recording.about.get("media") or {}).get("settings")
    video = settings.get("video") if isinstance(settings, dict) else None
    rate = video.get("frameRate") if isinstance(video, dict) else None
    return float(rate) if isinstance(rate, float | int) and rate > 0 else 0.0


def _local(moment: object) -> str:
    return plain(moment)[:19].rstrip("Z") if isinstance(moment, str) else ""
