"""Rows of the tables that `latency`, `end_to_end` and `hops` print and draw."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelRow:
    """One engine at one size, in one kind of pass; the figures are None where it cannot run here."""

    engine: str
    size: int
    """px"""
    kind: str
    """"exact" or "step"."""
    reason: str = ""
    """Why it cannot run here; empty where it can."""
    description: str = ""
    runs: int = 0
    median_ms: float | None = None
    p95_ms: float | None = None
    ratio: float | None = None
    """How many times as fast as PyTorch's exact pass in float32, which ran just before: median over the rounds."""
    error: float | None = None
    """Largest difference of a probability to PyTorch in float32."""
    memory_mb: float | None = None
    """Resident memory of a process that runs this engine alone, Python and PyTorch included."""
    cold_s: float | None = None
    """First start: graphs written, int8 calibrated, engine built."""
    warm_s: float | None = None
    """Second start."""


@dataclass(frozen=True)
class WholeRow:
    """One setting and one watcher; the figures are None where it cannot run here."""

    precision: str
    size: int
    """px"""
    source: str
    watcher: str
    reason: str = ""
    """Why it cannot run here; empty where it can."""
    description: str = ""
    """Weights and engine in words."""
    seconds: float | None = None
    """Length of the measurement."""
    asked_per_s: float | None = None
    answers_per_s: float | None = None
    p50_ms: float | None = None
    """From capture to answer, median; None where no answer came."""
    p95_ms: float | None = None
    drawn_p50_ms: float | None = None
    """From capture to the drawing of the answer, median."""
    model_p50_ms: float | None = None
    model_p95_ms: float | None = None
    new_frames: float | None = None
    """Frames encoded for an answer, mean."""
    new_frames_counts: dict[int, int] = field(default_factory=dict)
    """Frames encoded -> answers."""
    new_sound: float | None = None
    """Share of the answers for which the sound was encoded."""
    frames_per_s: float | None = None
    """Frames that reached Python."""
    server_cpu: float | None = None
    """Share of one core."""
    watcher_cpu: float | None = None


@dataclass(frozen=True)
class Sample:
    """What the process holds after a hop."""

    hop: int
    resident: int
    """Resident memory, bytes."""
    blocks: int
    """Blocks that Python has given out: at least one for each object."""
