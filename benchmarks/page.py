"""What the page costs its browser, at rest and while it records: `python -m benchmarks.page [--seconds 60]`.

A real Chromium plays a clip as camera and microphone to the app with the starter weights on the same machine. Told are
the share of one core that the page's main thread is busy for, its long tasks, its heap, and the answers: how many a
second, and the longest time between two of them.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.browser import chromium, open_live
from benchmarks.support.machine import in_words, machine, say
from demo.app import App
from mmadfer import cli
from tests.support.pages import part

SLOW = 120_000
"""Longest that the page may take, ms."""
LONG_TASK = 50
"""ms, as browsers define it."""
WATCH = """() => {
    window.longest = 0;
    new PerformanceObserver(list => {
        for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
    }).observe({ type: 'longtask' });
}"""


@dataclass(frozen=True)
class Figures:
    """One stretch of time."""

    main_thread: float
    """Share of one core."""
    longest_task: float
    """ms; 0 where none was long."""
    heap: tuple[float, float]
    """MB at its beginning and end, after garbage was collected."""
    answers: float
    """A second."""
    longest_wait: float
    """Between two answers, s."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the figures; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.page", "What the page costs its browser, at rest and while it records.")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each stretch, at least 5")
    return cli.run(parser, _measure, argv)


def _measure(arguments: argparse.Namespace) -> int:
    if not arguments.seconds >= 5:
        raise ValueError(f"--seconds must be 5 or more, got {arguments.seconds}")
    say(in_words(machine()))
    app = App()
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder)) as browser:
        try:
            url = app.launch()
            app.load()
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            open_live(page, url)
            page.wait_for_selector(".mm-top", timeout=SLOW)
            page.wait_for_timeout(5000)
            page.evaluate(WATCH)
            tell("not recording", watch(page, arguments.seconds))
            page.keyboard.press("r")
            part(page, "sheet-told").check()
            part(page, "sheet").get_by_role("button", name="Record").click()
            page.wait_for_selector(".mm-record.mm-running", timeout=SLOW)
            tell("recording", watch(page, arguments.seconds))
        finally:
            app.close()
    return 0


def tell(name: str, figures: Figures) -> None:
    """Print the figures of a stretch."""
    task = f"{figures.longest_task:.0f} ms" if figures.longest_task else f"none over {LONG_TASK} ms"
    say(
        f"{name}: main thread {figures.main_thread:.1%} of a core, longest task {task}, heap {figures.heap[0]:.1f} -> "
        f"{figures.heap[1]:.1f} MB, {figures.answers:.2f} answers/s, longest wait {figures.longest_wait:.2f} s"
    )


def watch(page: Any, seconds: float) -> Figures:
    """Return what the page does in the next ``seconds``."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")

    def metrics() -> dict[str, float]:
        return {entry["name"]: entry["value"] for entry in devtools.send("Performance.getMetrics")["metrics"]}

    devtools.send("HeapProfiler.collectGarbage")
    page.evaluate("window.longest = 0")
    page.evaluate("""() => {
        window.times = [];
        window.watched ??= new MutationObserver(() => window.times.push(performance.now()));
        const told = { attributes: true, attributeFilter: ['data-results'] };
        window.watched.observe(document.querySelector('.mm-live'), told);
    }""")
    before = metrics()
    page.wait_for_timeout(1000 * seconds)
    after = metrics()
    times = page.evaluate("window.times")
    longest = page.evaluate("window.longest")
    devtools.send("HeapProfiler.collectGarbage")
    heap = (before["JSHeapUsedSize"] / 1e6, metrics()["JSHeapUsedSize"] / 1e6)
    devtools.detach()
    span = after["Timestamp"] - before["Timestamp"]
    waits = [(b - a) / 1000 for a, b in itertools.pairwise(times)]
    busy = (after["TaskDuration"] - before["TaskDuration"]) / span
    return Figures(busy, longest, heap, len(times) / span, max(waits, default=seconds))


if __name__ == "__main__":
    raise SystemExit(main())
