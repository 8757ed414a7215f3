"""Stretches of a recording: which class stood how long, which states, and where there was no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mmadfer.recordings.recording import Marker, Recording

LONGEST_HOLD = 1.0
"""Time that an answer stands where no other comes, s; what is longer is a gap."""


_MS = 0.001
"""What is shorter, s, is no gap but rounding."""


@dataclass(frozen=True)
class Span:
    """From ``start`` to ``end``, s."""

    start: float
    end: float
    name: str

    @property
    def seconds(self) -> float:
        """Its length, s."""
        return self.end - self.start


def holds(recording: Recording) -> list[tuple[float, float]]:
    """Return from when to when each answer stands: to the next one, and not longer than `LONGEST_HOLD`."""
    times = recording.times
    ends = [*times[1:], recording.seconds][: len(times)]
    return [(start, min(end, start + LONGEST_HOLD)) for start, end in zip(times, ends, strict=True)]


def label_spans(recording: Recording) -> list[Span]:
    """Return the stretches of one label each; nothing stands where no label may be shown."""
    return _joined(recording, lambda i: [label] if (label := recording.answers["label"][i]) else [])


def state_spans(recording: Recording) -> dict[str, list[Span]]:
    """Return state -> the stretches in which it held, by the state's first appearance."""
    states = recording.answers.get("states")
    if states is None:
        return {}
    named: dict[str, list[Span]] = {}
    for span in _joined(recording, lambda i: states[i]):
        named.setdefault(span.name, []).append(span)
    return named


def gaps(recording: Recording) -> list[Span]:
    """Return where there was no answer at all."""
    found, reached = [], 0.0
    for start, end in [*holds(recording), (recording.seconds, recording.seconds)]:
        if start - reached > _MS:
            found.append(Span(reached, start, "no answer"))
        reached = max(reached, end)
    return found


def distinct(markers: Sequence[Marker]) -> list[tuple[int, str]]:
    """Return (ms, words) of the markers, those of one millisecond as one: other programs want points apart."""
    joined: dict[int, list[str]] = {}
    for marker in markers:
        joined.setdefault(round(1000 * marker.time), []).append(marker.words)
    return [(ms, " / ".join(words)) for ms, words in sorted(joined.items())]


def _joined(recording: Recording, names: Callable[[int], Iterable[str]]) -> list[Span]:
    """Return the stretches in which each name stood without a break, in the order of their starts."""
    running: dict[str, tuple[float, float]] = {}
    found: list[Span] = []
    for i, (start, end) in enumerate(holds(recording)):
        now = set(names(i))
        for name in [name for name, (_, last) in running.items() if name not in now or last < start]:
            found.append(Span(*running.pop(name), name))
        for name in now:
            running[name] = (running.get(name, (start, end))[0], end)
    found += [Span(*span, name) for name, span in running.items()]
    return sorted((span for span in found if span.seconds > 0), key=lambda span: (span.start, span.name))
