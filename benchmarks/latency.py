"""Time of the model in every engine: `python -m benchmarks.latency`.

Untrained weights at full size with gates set (`--gate`), so that the branches see each other; windows of a real clip.
Each engine runs in a process of its own and in turn with PyTorch in float32, whose exact pass is what ratios refer to:
reference, exact pass, steps, reference, ... A step encodes one new frame; its error is the engine's own, against
PyTorch in float32 with the same kept frames. What keeping frames costs is measured by `benchmarks.streaming`. Then the
whole app, from capture to the answer on the page, as by `benchmarks.end_to_end`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence

import numpy as np

from benchmarks import end_to_end
from benchmarks.support import picture
from benchmarks.support.app_process import Setting
from benchmarks.support.engine_process import Engine, EngineProcess, NotAvailable, running
from benchmarks.support.machine import in_words, machine, say, write_json
from benchmarks.support.rows import ModelRow, WholeRow
from export.int8 import Sample
from mmadfer import cli

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


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table and write the files; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.latency", "Time of the model in every engine, exact and by steps.")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=end_to_end.DEFAULT_SIZES, metavar="PX", help="face sizes"
    )
    backends = sorted({engine.backend for engine in ENGINES})
    parser.add_argument("--backends", nargs="+", default=backends, choices=backends, help="backends to measure")
    parser.add_argument("--precisions", nargs="+", default=[], help="precisions to measure; all where not given")
    parser.add_argument("--runs", type=int, default=7, metavar="N", help=f"exact passes, with {STEPS} steps each")
    parser.add_argument("--gate", type=float, default=0.3, help="gates of the untrained weights")
    parser.add_argument("--cache", metavar="FOLDER", help="graphs to use and keep; an empty one an engine if not given")
    parser.add_argument("--no-end-to-end", dest="end_to_end", action="store_false", help="leave the whole app out")
    parser.add_argument(
        "--seconds", type=float, default=end_to_end.DEFAULT_SECONDS, help="length of each run of the whole app, s"
    )
    parser.add_argument("--json", metavar="FILE", help="file to write the figures to")
    parser.add_argument("--plot", metavar="FILE.png", help="picture to draw")
    return cli.run(parser, _measure_all, argv)


def _measure_all(arguments: argparse.Namespace) -> int:
    end_to_end.check(arguments.seconds, arguments.sizes)
    if arguments.runs < 1:
        raise ValueError(f"--runs must be at least 1, got {arguments.runs}")
    precisions = arguments.precisions or {engine.precision for engine in ENGINES}
    wanted = [engine for engine in ENGINES if engine.backend in arguments.backends and engine.precision in precisions]
    about = machine()
    say(f"{in_words(about)}\n")
    say(HEADER)
    rows: list[ModelRow] = []
    for size in arguments.sizes:
        for engine in wanted:
            rows += (found := measure(engine, size, arguments.gate, arguments.runs, arguments.cache))
            for row in found:
                say(line(row))
    shown = _end_to_end(arguments) if arguments.end_to_end else []
    if arguments.json:
        write_json(arguments.json, about, rows=rows, end_to_end=shown)
    if arguments.plot:
        picture.draw(arguments.plot, in_words(about), rows, shown)
    return 0


def _end_to_end(arguments: argparse.Namespace) -> list[WholeRow]:
    """Measure the whole app as `benchmarks.end_to_end` does, with the engine that it chooses itself."""
    settings = [
        Setting(Engine("auto", precision, "auto"), size)
        for size in arguments.sizes
        for precision in arguments.precisions or end_to_end.DEFAULT_PRECISIONS
    ]
    say(f"\nThe whole app, from capture to the answer on the page, {arguments.seconds:g} s each\n")
    return end_to_end.measure_all(settings, arguments.seconds, arguments.cache)


def measure(engine: Engine, size: int, gate: float, runs: int, cache: str | None) -> list[ModelRow]:
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
            return [ModelRow(engine.name, size, "exact, step", str(error))]


def _rows(
    engine: Engine, size: int, reference: EngineProcess, process: EngineProcess, runs: int, cold: float
) -> list[ModelRow]:
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
        ModelRow(
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


def line(row: ModelRow) -> str:
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


if __name__ == "__main__":
    sys.exit(main())
