"""The live app in a real browser: `python -m benchmarks.live [PART ...] [--minutes 10]`.

Chromium plays a clip as camera and microphone. Frames and sound are counted where they reach Python; a frame's way is
from the browser's capture time to its face box being known, both on this machine's clock. The model is a stand-in that
takes a set time, so that the figures are about everything else; "ready" starts the real app.
"""

from __future__ import annotations

import argparse
import gc
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil

from benchmarks.support.browser import chromium, open_live
from benchmarks.support.machine import in_words, machine
from demo.app import App
from demo.session.session import Session
from mmadfer.weights.catalogue import STARTER, UNTRAINED
from tests.support.live import FollowingRecognizer

ROOT = pathlib.Path(__file__).parent.parent
PARTS = ("fast", "slow", "tabs", "memory", "ready")
SETTLE = 4.0


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all where none is given")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each measurement, s (default 30)")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the memory run, minutes (default 10)")
    arguments = parser.parse_args()
    parts = arguments.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    print(f"machine: {in_words(machine())}\n\n| measurement | figure | wanted |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder, chromium(pathlib.Path(folder)) as browser:
        if "fast" in parts:
            run_input(browser, "model at full speed", 0.0, 1, arguments.seconds)
        if "slow" in parts:
            run_input(browser, "one answer in 2 s", 2.0, 1, arguments.seconds)
        if "tabs" in parts:
            run_input(browser, "two tabs", 0.0, 2, arguments.seconds)
        if "memory" in parts:
            run_memory(browser, arguments.minutes)
    if "ready" in parts:
        run_ready()
    return 0


def row(measurement: str, figure: str, wanted: str) -> None:
    """Print one line of the table."""
    print(f"| {measurement} | {figure} | {wanted} |", flush=True)


@contextmanager
def live(browser: Any, delay: float, tabs: int) -> Iterator[tuple[App, list[Any]]]:
    """Run the app with ``tabs`` live pages and a model that takes ``delay`` s."""
    app = App(load=lambda: FollowingRecognizer(delay))
    url = app.launch()
    app.load()
    pages = [browser.new_context().new_page() for _ in range(tabs)]
    try:
        for page in pages:
            open_live(page, url)
        pages[0].wait_for_timeout(1000 * SETTLE)
        yield app, pages
    finally:
        for page in pages:
            page.context.close()
        app.close()


def run_input(browser: Any, name: str, delay: float, tabs: int, seconds: float) -> None:
    """Measure frames, their way to Python, sound and answers."""
    with live(browser, delay, tabs) as (app, pages):
        sessions = list(app.server.sessions)
        for session in sessions:
            session.arrivals = []
        cpu, before, start = psutil.Process().cpu_times(), [s.counters for s in sessions], time.monotonic()
        shown = watch_delay(pages[0], seconds)
        taken, after = time.monotonic() - start, [s.counters for s in sessions]
        busy = sum(psutil.Process().cpu_times()[:2]) - sum(cpu[:2])
        asked = "at least 13" if tabs > 1 else "at least 14"
        for number, (session, old, new) in enumerate(zip(sessions, before, after, strict=True), 1):
            who = f"{name}, tab {number}" if tabs > 1 else name
            ways = way(session)
            sound = (new.sound_seconds - old.sound_seconds) / taken
            row(f"{who}: frames/s reaching Python (15 asked)", f"{(new.frames - old.frames) / taken:.2f}", asked)
            row(f"{who}: capture to Python p50 / p95", f"{ways[0]:.0f} / {ways[1]:.0f} ms", "p95 under 80 ms")
            row(f"{who}: sound, share of real time", f"{sound:.4f}", "0.999 to 1.001")
            row(f"{who}: jumps of the sample index", f"{new.index_gaps}", "0")
            row(f"{who}: answers/s", f"{(new.results - old.results) / taken:.2f}", "")
        row(f"{name}: capture to answer on the page, median", f"{1000 * float(np.median(shown)):.0f} ms", "")
        row(f"{name}: server CPU", f"{100 * busy / taken:.0f} % of a core", "")


def way(session: Session) -> tuple[float, float]:
    """Return median and 95th percentile of a frame's way from camera to Python, ms."""
    assert session.arrivals is not None
    ways = [1000 * (arrived - session.time_origin - captured) for captured, arrived in session.arrivals]
    return float(np.percentile(ways, 50)), float(np.percentile(ways, 95))


def watch_delay(page: Any, seconds: float) -> list[float]:
    """Wait ``seconds``, and return the delays (s) that the page has shown meanwhile."""
    delays, end = [], time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        page.wait_for_timeout(1000 * min(1.0, left))
        number, _, unit = page.locator("[data-part=latency]").inner_text().partition(" ")
        if unit:
            delays.append(float(number) / (1000 if unit == "ms" else 1))
    return delays or [float("nan")]


def run_memory(browser: Any, minutes: float) -> None:
    """Measure the growth of resident memory while live, and what is left after the tab has closed."""
    process = psutil.Process()
    with live(browser, 0.0, 1) as (app, pages):
        pages[0].wait_for_timeout(20_000)  # caches fill
        gc.collect()
        first, highest = process.memory_info().rss, 0
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            pages[0].wait_for_timeout(5000)
            highest = max(highest, process.memory_info().rss)
        gc.collect()
        grown, peak = (process.memory_info().rss - first) / 1e6, (highest - first) / 1e6
        row(f"{minutes:g} minutes live: resident memory", f"{grown:+.1f} MB (peak {peak:+.1f} MB)", "less than +50 MB")
        pages[0].context.close()
        time.sleep(2)
        threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("intake")]
        row("2 s after the tab closed: sessions, their threads", f"{len(app.server.sessions)}, {len(threads)}", "0, 0")


def run_ready() -> None:
    """Measure the time from the command to the page, and to the model behind it: the starter weights, a full model."""
    for name, what in ((STARTER, "starter weights"), (UNTRAINED, "untrained, 224 px")):
        _ready(name, what)


def _ready(name: str, what: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = time.monotonic()
    command = [sys.executable, "-m", "demo.live", "--port", str(port), "--weights", name]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ask(f"http://127.0.0.1:{port}/live/page/main.js")
        row(f"command to page ({what})", f"{time.monotonic() - start:.1f} s", "under 20 s")
        while json.loads(ask(f"http://127.0.0.1:{port}/live/info"))["model"] == "loading":
            time.sleep(0.1)
        row(f"command to model ready ({what})", f"{time.monotonic() - start:.1f} s", "under 20 s")
    finally:
        process.terminate()
        process.wait()


def ask(url: str) -> bytes:
    """Return what is served at ``url``, as soon as it is."""
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bytes(answer.read())
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
