"""From the camera to the answer on the page, with the real model: `python -m benchmarks.end_to_end`.

The app runs in a process of its own. It is watched once by a page in a real Chromium on the same machine, with a clip
as its camera and microphone, and once by a client that sends the same and draws nothing, as a page on another device
does: the difference is what the browser takes of the machine. Delays are from the capture of the newest frame that an
answer is about to the moment when the page has written the answer.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmarks.support import picture
from benchmarks.support.app_process import SOURCES, AppProcess, Setting, Snapshot, running_app
from benchmarks.support.engine_process import Engine, NotAvailable
from benchmarks.support.machine import in_words, machine, say, write_json
from benchmarks.support.rows import WholeRow
from benchmarks.support.watchers import WATCHERS, Seen
from mmadfer import cli
from mmadfer.backends import BACKENDS
from mmadfer.backends.base import PRECISIONS
from mmadfer.config import IMAGE_SIZES
from mmadfer.weights import store

DEFAULT_PRECISIONS = ("bf16", "int8")
DEFAULT_SIZES = tuple(sorted(IMAGE_SIZES, reverse=True))
DEFAULT_SECONDS = 30.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table and write the files; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.end_to_end", "From the camera to the answer on the page.")
    add = parser.add_argument
    add("--seconds", type=float, default=DEFAULT_SECONDS, help="length of each measurement, s")
    add("--precisions", nargs="+", default=DEFAULT_PRECISIONS, choices=PRECISIONS, help="precisions to measure")
    add("--sizes", type=int, nargs="+", default=DEFAULT_SIZES, metavar="PX", help="face sizes of untrained weights")
    add("--weights", help="file, or a name of `python -m mmadfer.weights list`, in place of untrained ones")
    add("--backend", default="auto", choices=BACKENDS, help="engine that runs the model")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--source", default="browser", choices=SOURCES, help="camera of the page, or a clip on the server's side")
    add("--cache", metavar="FOLDER", help="graphs to use and keep; an empty one a setting if not given")
    add("--json", metavar="FILE", help="file to write the figures to")
    add("--plot", metavar="FILE.png", help="picture to draw")
    return cli.run(parser, _measure_all, argv)


def _measure_all(arguments: argparse.Namespace) -> int:
    check(arguments.seconds, arguments.sizes)
    path = str(store.resolve(arguments.weights)) if arguments.weights is not None else None
    about = machine()
    say(f"{in_words(about)}\n")
    sizes = arguments.sizes if path is None else arguments.sizes[:1]  # a file has its own size
    settings = [
        Setting(Engine(arguments.backend, precision, arguments.device), size, arguments.source, path)
        for size in sizes
        for precision in arguments.precisions
    ]
    rows = measure_all(settings, arguments.seconds, arguments.cache)
    if arguments.json:
        write_json(arguments.json, about, rows=rows)
    if arguments.plot:
        picture.draw(arguments.plot, in_words(about), [], rows)
    return 0


def check(seconds: float, sizes: Sequence[int]) -> None:
    """Raise ValueError, in one sentence, for a length or sizes that cannot be meant."""
    if not 1 <= seconds <= 3600:
        raise ValueError(f"--seconds must be 1 to 3600, got {seconds:g}")
    if unknown := set(sizes) - set(IMAGE_SIZES):
        raise ValueError(f"--sizes must be among {IMAGE_SIZES} px, got {', '.join(map(str, sorted(unknown)))}")


def measure_all(settings: Sequence[Setting], seconds: float, cache: str | None) -> list[WholeRow]:
    """Measure ``settings`` for ``seconds`` each and print the table while it grows; return its rows.

    Args: cache: folder with graphs to start from, an empty one for each setting where None.
    """
    say(HEADER)
    rows: list[WholeRow] = []
    for setting in settings:
        for row in measure(setting, seconds, cache):
            say(line(row))
            rows.append(row)
    return rows


def measure(setting: Setting, seconds: float, cache: str | None) -> list[WholeRow]:
    """Return a row for the page and one for the client, or one that says why the app cannot run."""
    engine = setting.engine
    rows: list[WholeRow] = []
    with tempfile.TemporaryDirectory(prefix="mmadfer-bench-") as empty:
        try:
            with running_app(setting, cache or empty):
                pass  # writes graphs, calibrates, builds: the start that is measured comes after it
            with running_app(setting, cache or empty) as app:
                for name, watch in WATCHERS.items():
                    blank = WholeRow(engine.precision, app.started.size, setting.source, name)
                    try:
                        rows.append(summary(blank, app, *watch(app, seconds)))
                    except NotAvailable as error:
                        rows.append(dataclasses.replace(blank, reason=str(error)))
        except NotAvailable as error:
            rows.append(WholeRow(engine.precision, setting.size, setting.source, ", ".join(WATCHERS), str(error)))
    return rows


def summary(blank: WholeRow, app: AppProcess, before: Snapshot, after: Snapshot, seen: Seen) -> WholeRow:
    """Return ``blank`` with what was ``seen`` and what the app did between two snapshots."""
    taken, answers = after.time - before.time, after.answers
    counts = Counter(answer.new_frames for answer in answers)
    return dataclasses.replace(
        blank,
        description=app.started.description,
        seconds=taken,
        asked_per_s=1 / app.started.hop_s,
        answers_per_s=len(seen.written) / taken,
        p50_ms=percentile(seen.written, 50, 1000),
        p95_ms=percentile(seen.written, 95, 1000),
        drawn_p50_ms=percentile(seen.drawn, 50, 1000),
        model_p50_ms=percentile([answer.model_ms for answer in answers], 50),
        model_p95_ms=percentile([answer.model_ms for answer in answers], 95),
        new_frames=statistics.mean(answer.new_frames for answer in answers) if answers else None,
        new_frames_counts=dict(sorted(counts.items())),
        new_sound=statistics.mean(answer.new_sound for answer in answers) if answers else None,
        frames_per_s=(after.frames - before.frames) / taken,
        server_cpu=(after.cpu_s - before.cpu_s) / taken,
        watcher_cpu=seen.cpu_s / taken,
    )


def percentile(values: Sequence[float], share: float, scale: float = 1.0) -> float | None:
    """Return the percentile ``share`` of ``values`` times ``scale``; None where there are no values."""
    return scale * float(np.percentile(values, share)) if values else None


HEADER = (
    "| precision | px | source | watched by | answers/s (asked) | capture to answer p50 / p95 ms | model p50 / p95 ms "
    "| new frames, sound encoded | frames/s | CPU of server / watcher, % of a core |\n" + 10 * "|---" + "|"
)


def line(row: WholeRow) -> str:
    """Return ``row`` as a line of the Markdown table."""
    head = f"| {row.precision} | {row.size} | {row.source} | {row.watcher} |"
    if row.answers_per_s is None:
        return f"{head} not available: {row.reason} | | | | | |"

    def pair(first: float | None, second: float | None) -> str:
        return "- / -" if first is None or second is None else f"{first:.0f} / {second:.0f}"

    made = "-" if row.new_frames is None else f"{row.new_frames:.2f}, {row.new_sound:.0%}"
    cells = (
        f"{row.answers_per_s:.2f} ({row.asked_per_s:.2f})",
        pair(row.p50_ms, row.p95_ms),
        pair(row.model_p50_ms, row.model_p95_ms),
        made,
        f"{row.frames_per_s:.1f}",
        f"{100 * (row.server_cpu or 0):.0f} / {100 * (row.watcher_cpu or 0):.0f}",
    )
    return f"{head} {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
