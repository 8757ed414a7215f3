"""recording.TextGrid: labels, states, gaps and markers as tiers for Praat, in its long text format."""

from __future__ import annotations

from collections.abc import Sequence

from mmadfer.recordings.plain_text import plain
from mmadfer.recordings.recording import Recording
from mmadfer.recordings.spans import Span, distinct, gaps, label_spans, state_spans


def textgrid(recording: Recording) -> bytes:
    """Return the file, in UTF-8. Times are whole ms; what lies between two stretches is an empty interval."""
    end = max(1, round(1000 * recording.seconds))  # Praat takes no grid of no length
    points = distinct(recording.markers)
    tiers = {"label": label_spans(recording), "no answer": gaps(recording)}
    tiers |= {f"state: {name}": spans for name, spans in state_spans(recording).items()}
    made = [_intervals(name, spans, end) for name, spans in tiers.items()]
    made += [_points("markers", points, end)] if points else []  # Praat refuses a tier without points
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0 ", f"xmax = {_s(end)} "]
    lines += ["tiers? <exists> ", f"size = {len(made)} ", "item []: "]
    for number, tier in enumerate(made, 1):
        lines += [f"    item [{number}]:", *(f"        {line}" for line in tier)]
    return "\n".join([*lines, ""]).encode()


def _intervals(name: str, spans: Sequence[Span], end: int) -> list[str]:
    filled: list[tuple[int, int, str]] = []
    reached = 0
    for span in spans:
        start, stop = max(reached, round(1000 * span.start)), min(end, round(1000 * span.end))
        if stop <= start:
            continue
        if start > reached:
            filled.append((reached, start, ""))
        filled.append((start, stop, span.name))
        reached = stop
    if reached < end:
        filled.append((reached, end, ""))
    lines = _head("IntervalTier", name, end, f"intervals: size = {len(filled)}")
    for number, (start, stop, text) in enumerate(filled, 1):
        lines += [f"intervals [{number}]:", f"    xmin = {_s(start)} ", f"    xmax = {_s(stop)} "]
        lines.append(f"    text = {_quoted(text)} ")
    return lines


def _points(name: str, points: Sequence[tuple[int, str]], end: int) -> list[str]:
    lines = _head("TextTier", name, end, f"points: size = {len(points)}")
    for number, (ms, text) in enumerate(points, 1):
        lines += [f"points [{number}]:", f"    number = {_s(min(ms, end))} ", f"    mark = {_quoted(text)} "]
    return lines


def _head(kind: str, name: str, end: int, size: str) -> list[str]:
    return [f'class = "{kind}" ', f"name = {_quoted(name)} ", "xmin = 0 ", f"xmax = {_s(end)} ", f"{size} "]


def _quoted(text: str) -> str:
    return '"' + plain(text).replace('"', '""') + '"'


def _s(ms: int) -> str:
    return f"{ms / 1000:.3f}"
