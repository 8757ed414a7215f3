"""The summary of a report as HTML: shares, transitions, gaps, states, and how the recording was made."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from mmadfer.recordings.palette import color_of
from mmadfer.recordings.plain_text import plain
from mmadfer.recordings.recording import Recording
from mmadfer.recordings.summary import Summary

MOST_GAPS = 50
"""Gaps that are listed; the others are counted."""


def summary_html(recording: Recording, summary: Summary) -> str:
    """Return the sections."""
    parts = [_shares(recording, summary), _transitions(recording, summary), _missing(summary), _made(recording)]
    section = '<section class="card{2}" aria-label="{0}"><h2>{0}</h2>{1}</section>'
    wide = ["", "", "", " wide"]
    return "\n".join(section.format(name, body, kind) for (name, body), kind in zip(parts, wide, strict=True))


def clock(seconds: float) -> str:
    """Return a time as people read it: 61.25 -> "1:01.2"."""
    tenths = int(10 * seconds + 1e-6)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    end = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{end}" if hours else f"{minutes}:{end}"


def _shares(recording: Recording, summary: Summary) -> tuple[str, str]:
    name = "Share of time"
    if not summary.labelled:
        return name, '<p class="soft">No answer could be shown as a label.</p>'
    rows = []
    order = sorted(range(len(recording.labels)), key=lambda i: -summary.seconds[recording.labels[i]])
    for i in order:
        label = recording.labels[i]
        light, dark = color_of(label, i)
        share = summary.shares[label]
        fill = f'style="width:{100 * share:.2f}%;--on-light:{light};--on-dark:{dark}"'
        bar = f'<span class="track"><span class="fill" {fill}></span></span>'
        rows.append(
            [_th(label), f"<td>{bar}</td>", _number(f"{100 * share:.1f} %"), _number(clock(summary.seconds[label]))]
        )
    table = _table(("Class", "", "Share", "Time"), rows, "Share of time of each class")
    longest = summary.longest
    assert longest is not None
    words = f"Longest run: {longest.name}, {clock(longest.seconds)} from {clock(longest.start)} on."
    of_all = f"A label stood for {clock(summary.labelled)} of {clock(recording.seconds)}."
    return name, f'{table}<p class="soft">{_escape(words)} {_escape(of_all)}</p>'


def _transitions(recording: Recording, summary: Summary) -> tuple[str, str]:
    name, counts = "Transitions", summary.transitions
    if not counts:
        return name, '<p class="soft">No label followed another without a break.</p>'
    used = [label for label in recording.labels if any(label in pair for pair in counts)]
    rows = [[_th(a), *(_number(str(counts.get((a, b), "–"))) for b in used)] for a in used]
    words = f"{sum(counts.values())} in all; rows: from, columns: to."
    return name, f'{_table(("From", *used), rows, "How often one label followed another")}<p class="soft">{words}</p>'


def _missing(summary: Summary) -> tuple[str, str]:
    states = [[_th(name), _number(clock(seconds))] for name, seconds in summary.states.items()]
    body = (
        _table(("State", "Time"), states, "Time of each state") if states else '<p class="soft">No state was told.</p>'
    )
    total = sum(gap.seconds for gap in summary.gaps)
    count = len(summary.gaps)
    words = f"{count} time{'' if count == 1 else 's'} without an answer, {clock(total)} in all." if count else "None."
    gaps = [
        [_number(clock(gap.start)), _number(clock(gap.end)), _number(f"{gap.seconds:.1f} s")] for gap in summary.gaps
    ]
    body += f'<h3>Without an answer</h3><p class="soft">{words}</p>'
    if gaps:
        body += _table(("From", "To", "Length"), gaps[:MOST_GAPS], "Times without an answer")
    if len(gaps) > MOST_GAPS:
        body += f'<p class="soft">The first {MOST_GAPS} are listed.</p>'
    return "States and gaps", body


def _made(recording: Recording) -> tuple[str, str]:
    about = recording.about
    weights = (
        f"{about.get('weights', '?')}{'' if about.get('trained', True) else ': untrained, the answers mean nothing'}"
    )
    told = "The people in view and in hearing had been told." if about.get("told") is True else "Not stated."
    segments = about.get("segments")
    lines = [
        ("Weights", weights),
        ("SHA-256 of the weights", about.get("weightsSha256")),
        ("Model card", about.get("weightsCard")),
        ("Engine", about.get("engine")),
        ("Window", f"{about['windowSeconds']} s" if "windowSeconds" in about else None),
        ("Consent", told),
        ("Started (UTC)", about.get("startedUtc")),
        ("Segments", _segments(segments) if isinstance(segments, list) else None),
        ("Versions", _pairs(about.get("versions"))),
        ("Losses", _pairs(about.get("losses"))),
    ]
    facts = "".join(f"<dt>{name}</dt><dd>{_escape(str(value))}</dd>" for name, value in lines if value)
    whole = html.escape(plain_lines(json.dumps(about, indent=2, ensure_ascii=False)))
    details = f'<details><summary>metadata.json</summary><pre tabindex="0">{whole}</pre></details>'
    return "How it was made", f"<dl>{facts}</dl>{details}"


def plain_lines(text: str) -> str:
    """Return ``text`` as `plain` does, line ends kept."""
    return "\n".join(plain(line) for line in text.split("\n"))


def _segments(segments: Sequence[Any]) -> str:
    pairs = [(s.get("from"), s.get("to")) for s in segments if isinstance(s, dict)]
    right = [(a, b) for a, b in pairs if isinstance(a, float | int) and isinstance(b, float | int)]
    return ", ".join(f"{clock(a)} to {clock(b)}" for a, b in right)


def _pairs(values: object) -> str:
    if not isinstance(values, Mapping):
        return ""
    return ", ".join(f"{name}: {value}" for name, value in values.items() if not isinstance(value, dict | list))


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]], name: str) -> str:
    cells = "".join(_heading(cell, i > 0 or not any("<th" in row[0] for row in rows)) for i, cell in enumerate(heading))
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    words = f'<div class="scroll" role="region" tabindex="0" aria-label="{_escape(name)}">'
    return f"{words}<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"


def _heading(text: str, number: bool) -> str:
    kind = ' class="number"' if number else ""
    return f'<th scope="col"{kind}>{_escape(text)}</th>' if text else "<td></td>"


def _th(text: str) -> str:
    return f'<th scope="row">{_escape(text)}</th>'


def _number(text: str) -> str:
    return f'<td class="number">{_escape(text)}</td>'


def _escape(text: str) -> str:
    return html.escape(plain(text))
