"""Time of the model in every engine: `python -m benchmarks.latency`.

Untrained weights at full size with gates set (`--gate`), so that the branches see each other; windows of a real clip.
Each engine runs in a process of its own and in turn with PyTorch in float32, whose exact pass is what ratios refer to:
reference, exact pass, steps, reference, ... A step encodes one new frame; its error is the engine's own, against
PyTorch in float32 with the same kept frames. What keeping frames costs is measured by `benchmarks.streaming`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engine_process import Engine, EngineProcess, NotAvailable, running
from benchmarks.machine import machine, say
from export.int8 import Sample
from mmadfer import cli
from mmadfer.config import IMAGE_SIZES

REFERENCE = Engine("pytorch", "fp32")
ENGINES = (
    REFERENCE,
    Engine("pytorch", "bf16"),
    Engine("openvino", "fp32"),
    Engine("openvino", "bf16"),
    Engine("openvino", "int8"),
    Engine("pytorch", "fp32", "cuda"),
    Engine("pytorch", "bf16", "cuda"),
    Engine("pytorch", "fp16", "cuda"),
    Engine("tensorrt", "fp16", "cuda"),
)
STEPS = 4
"""Steps that are timed after each exact pass."""


@dataclasses.dataclass(frozen=True)
class Row:
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


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table and write the files; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.latency", "Time of the model in every engine, exact and by steps.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[224, 160, 112], metavar="PX", help="face sizes")
    backends = sorted({engine.backend for engine in ENGINES})
    parser.add_argument("--backends", nargs="+", default=backends, choices=backends, help="backends to measure")
    parser.add_argument("--precisions", nargs="+", default=[], help="precisions to measure; all where not given")
    parser.add_argument("--runs", type=int, default=7, metavar="N", help=f"exact passes, with {STEPS} steps each")
    parser.add_argument("--gate", type=float, default=0.3, help="gates of the untrained weights")
    parser.add_argument("--cache", metavar="FOLDER", help="graphs to use and keep; an empty one an engine if not given")
    parser.add_argument("--json", metavar="FILE", help="file to write the figures to")
    parser.add_argument("--plot", metavar="FILE.png", help="picture to draw")
    return cli.run(parser, _measure_all, argv)


def _measure_all(arguments: argparse.Namespace) -> int:
    if arguments.runs < 1 or not set(arguments.sizes) <= set(IMAGE_SIZES):
        raise ValueError(f"--runs must be at least 1 and --sizes among {IMAGE_SIZES} px")
    precisions = arguments.precisions or {engine.precision for engine in ENGINES}
    wanted = [engine for engine in ENGINES if engine.backend in arguments.backends and engine.precision in precisions]
    about = machine()
    hardware = f"{about['cpu']}, {about['cores']} cores, {about['gpu']}"
    say(f"{hardware}, load {about['load']} before the start; {about['versions']}\n")
    say(HEADER)
    rows: list[Row] = []
    for size in arguments.sizes:
        for engine in wanted:
            rows += (found := measure(engine, size, arguments.gate, arguments.runs, arguments.cache))
            for row in found:
                say(line(row))
    if arguments.json:
        content = {"command": sys.argv[1:], "machine": about, "rows": [dataclasses.asdict(row) for row in rows]}
        Path(arguments.json).write_text(json.dumps(content, indent=2), encoding="utf-8")
    if arguments.plot:
        plot(rows, hardware, arguments.plot)
    return 0


def measure(engine: Engine, size: int, gate: float, runs: int, cache: str | None) -> list[Row]:
    """Return the rows "exact" and "step" of ``engine`` for faces of ``size`` px, or one that says why it cannot run.

    Args: gate: of the untrained weights; runs: exact passes; cache: folder to start from, an empty one where None.
    """
    with tempfile.TemporaryDirectory(prefix="mmadfer-bench-") as empty:
        home = cache or empty
        try:
            with running(engine, size, gate, home) as process:
                first = process.started
            if engine == REFERENCE:
                with running(engine, size, gate, home) as process:
                    return _rows(engine, size, process, process, runs, first.seconds)
            with running(REFERENCE, size, gate, home) as reference, running(engine, size, gate, home) as process:
                return _rows(engine, size, reference, process, runs, first.seconds)
        except NotAvailable as error:
            return [Row(engine.name, size, "exact, step", str(error))]


def _rows(
    engine: Engine, size: int, reference: EngineProcess, process: EngineProcess, runs: int, cold: float
) -> list[Row]:
    given = reference.samples()
    errors = _errors(reference, process, given)
    times: dict[str, list[float]] = {"exact": [], "step": []}
    ratios: dict[str, list[float]] = {"exact": [], "step": []}
    exact, step = given[-2:]
    for _ in range(runs):
        plain = reference.run(exact)[1]
        taken = {"exact": [process.run(exact)[1]], "step": [process.run(step)[1] for _ in range(STEPS)]}
        if process is reference:
            taken["exact"] = [plain]
        for kind, seconds in taken.items():
            times[kind] += seconds
            ratios[kind].append(plain / statistics.median(seconds))
    return [
        Row(
            engine.name,
            size,
            kind,
            description=process.started.description,
            runs=len(times[kind]),
            median_ms=1000 * statistics.median(times[kind]),
            p95_ms=1000 * float(np.percentile(times[kind], 95)),
            ratio=statistics.median(ratios[kind]),
            error=errors[kind],
            memory_mb=process.started.memory / 1e6,
            cold_s=cold,
            warm_s=process.started.seconds,
        )
        for kind in times
    ]


def _errors(reference: EngineProcess, process: EngineProcess, given: list[Sample]) -> dict[str, float]:
    """Return for "exact" and "step" the largest difference of a probability over the windows."""
    errors = {"exact": 0.0, "step": 0.0}
    for sample in given:
        kind = "step" if len(sample.old_cls) else "exact"
        off = (process.run(sample)[0] - reference.run(sample)[0]).abs().max().item()
        errors[kind] = max(errors[kind], off)
    return errors


HEADER = (
    "| engine | px | pass | median ms | p95 ms | x PyTorch fp32 exact | probability off by | memory MB "
    "| first / second start s |\n|---|---|---|---|---|---|---|---|---|"
)


def line(row: Row) -> str:
    """Return ``row`` as a line of the Markdown table."""
    if row.reason or row.median_ms is None:
        return f"| {row.engine} | {row.size} | {row.kind} | not available: {row.reason} | | | | | |"
    cells = (
        f"{row.median_ms:.0f}" if row.median_ms >= 10 else f"{row.median_ms:.2f}",
        f"{row.p95_ms:.0f}" if row.median_ms >= 10 else f"{row.p95_ms:.2f}",
        f"{row.ratio:.1f}",
        f"{row.error:.5f}",
        f"{row.memory_mb:.0f}",
        f"{row.cold_s:.1f} / {row.warm_s:.1f}",
    )
    return f"| {row.engine} | {row.size} | {row.kind} | {' | '.join(cells)} |"


def plot(rows: Sequence[Row], title: str, path: str) -> None:
    """Draw the medians of ``rows`` that have any, one panel a size, and write the picture to ``path``.

    Raises ImportError where Matplotlib is not installed, OSError or ValueError where the picture cannot be written.
    """
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise ImportError("--plot needs the package matplotlib: pip install 'mmadfer[test]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    measured = [row for row in rows if row.median_ms is not None]
    sizes = sorted({row.size for row in measured}, reverse=True)
    columns = max(1, len(sizes))
    figure, panels = pyplot.subplots(
        1, columns, figsize=(4.5 * columns + 1, 4), sharey=True, squeeze=False, layout="constrained"
    )
    for panel, size in zip(panels[0], sizes, strict=False):
        _draw(panel, [row for row in measured if row.size == size])
        panel.set_title(f"{size} px")
    figure.suptitle(title, fontsize=9)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _draw(panel: Any, rows: Sequence[Row]) -> None:
    engines = list(dict.fromkeys(row.engine for row in rows))[::-1]
    for offset, kind, color in ((0.2, "exact", "#33658a"), (-0.2, "step", "#f26419")):
        chosen = [row for row in rows if row.kind == kind]
        places = [engines.index(row.engine) + offset for row in chosen]
        bars = panel.barh(places, [row.median_ms for row in chosen], height=0.38, color=color, label=kind)
        panel.bar_label(bars, [f"{row.median_ms:.0f} ms, {row.ratio:.1f} x" for row in chosen], padding=3, fontsize=8)
    panel.set_yticks(range(len(engines)), engines)
    panel.set_xscale("log")
    panel.set_xlabel("median, ms")
    panel.margins(x=0.25)
    panel.legend(loc="lower right", fontsize=8)


if __name__ == "__main__":
    sys.exit(main())
