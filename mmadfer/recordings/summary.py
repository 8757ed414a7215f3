"""What a recording comes to: share of time of each class, transitions, the longest stretch, gaps, states."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

from mmadfer.recordings.recording import Recording
from mmadfer.recordings.spans import Span, gaps, label_spans, state_spans

_TOUCHING = 1e-9
"""Largest time between two stretches that follow each other, s."""


@dataclass(frozen=True)
class Summary:
    """Times in s."""

    seconds: dict[str, float]
    """Class -> time for which it was the label; every class is there."""
    labelled: float
    """Time with a label."""
    transitions: dict[tuple[str, str], int]
    """(from, to) -> how often one label followed another without a break."""
    longest: Span | None
    """The longest stretch of one label; None where there was no label."""
    gaps: tuple[Span, ...]
    states: dict[str, float]
    """State -> time for which it held."""

    @property
    def shares(self) -> dict[str, float]:
        """Class -> share of the time with a label, 0 to 1; empty where there was none."""
        return {name: value / self.labelled for name, value in self.seconds.items()} if self.labelled else {}


def summary_of(recording: Recording) -> Summary:
    """Return what ``recording`` comes to."""
    spans = label_spans(recording)
    seconds = dict.fromkeys(recording.labels, 0.0)
    for span in spans:
        seconds[span.name] = seconds.get(span.name, 0.0) + span.seconds
    follow = [(a.name, b.name) for a, b in itertools.pairwise(spans) if b.start - a.end <= _TOUCHING]
    states = {name: sum(span.seconds for span in held) for name, held in state_spans(recording).items()}
    return Summary(
        seconds=seconds,
        labelled=sum(seconds.values()),
        transitions=dict(Counter(follow)),
        longest=max(spans, key=lambda span: span.seconds, default=None),
        gaps=tuple(gaps(recording)),
        states=states,
    )
