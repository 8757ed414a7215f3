"""Who watches the live app while it is measured: a page in a real browser, or a client that draws nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.support import browser, client
from benchmarks.support.app_process import AppProcess, Snapshot
from benchmarks.support.engine_process import NotAvailable
from mmadfer import cli

SETTLE = 8.0
"""Time before each measurement in which windows fill and caches warm up, s."""
HOOK = """
window.shown = [];
window.newest = null;
window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => {
      if (typeof data !== "string") return;
      const message = JSON.parse(data);
      if (message.type === "result") window.newest = message.time;
    });
  }
};
"""
"""Runs before the page's own code: notes of which time the newest answer is."""
OBSERVE = """
() => new MutationObserver(() => {
  const entry = { time: window.newest, written: performance.now() / 1000, drawn: null };
  if (entry.time === null) return;
  window.newest = null;
  window.shown.push(entry);
  requestAnimationFrame(() => { entry.drawn = performance.now() / 1000; });
}).observe(document.querySelector(".mm-live"), { attributeFilter: ["data-results"] })
"""
"""Notes each answer when it has been written on the page, and when the page is drawn for the next time."""


@dataclass(frozen=True)
class Seen:
    """What a watcher has seen."""

    written: list[float]
    """From capture to the answer's being written on the page, or to its arrival at a client, s."""
    drawn: list[float]
    """From capture to the next time that the page is drawn, s; empty for a client."""
    cpu_s: float
    """CPU time of the watcher."""


def watch_page(app: AppProcess, seconds: float) -> tuple[Snapshot, Snapshot, Seen]:
    """Watch by a page in a Chromium on this machine. Raises NotAvailable where there is none."""
    try:
        from playwright.sync_api import Error
    except ModuleNotFoundError as error:
        raise NotAvailable("a browser needs the package playwright: pip install 'mmadfer[test]'") from error
    try:
        with tempfile.TemporaryDirectory() as folder, browser.chromium(Path(folder)) as chromium:
            page = chromium.new_context(viewport={"width": 1280, "height": 800}).new_page()
            page.add_init_script(HOOK)
            browser.open_live(page, app.started.url, start=app.setting.source == "browser")
            page.evaluate(OBSERVE)
            page.wait_for_timeout(1000 * SETTLE)
            cpu, before = browser.cpu_seconds(), app.snapshot()
            page.evaluate("() => { window.shown = [] }")
            page.wait_for_timeout(1000 * seconds)
            shown = page.evaluate("window.shown")
            after, cpu_after = app.snapshot(), browser.cpu_seconds()
            # A clip's times are on the server's clock, the machine's monotonic one; a camera's on the page's own.
            own = app.setting.source == "browser"
            offset = 0.0 if own else page.evaluate("performance.timeOrigin") / 1000 - time.time() + time.monotonic()
    except Error as error:
        raise NotAvailable(f"the page did not run: {error.message.splitlines()[0]}") from error
    spent = sum(value - cpu.get(pid, 0.0) for pid, value in cpu_after.items())
    return before, after, seen_on_page(shown, offset, spent)


def seen_on_page(shown: Sequence[dict[str, Any]], offset: float, cpu_s: float) -> Seen:
    """Return what the page noted as `Seen`. Args: offset: from the page's clock to the clock of the answers, s."""
    written = [entry["written"] + offset - entry["time"] for entry in shown]
    drawn = [entry["drawn"] + offset - entry["time"] for entry in shown if entry["drawn"] is not None]
    return Seen(written, drawn, cpu_s)


def watch_client(app: AppProcess, seconds: float) -> tuple[Snapshot, Snapshot, Seen]:
    """Watch by a client in this process. Raises NotAvailable where the app does not take it."""
    try:
        with client.connected(app.started.url, sends=app.setting.source == "browser") as connection:
            connection.delays(SETTLE)
            cpu, before = sum(psutil.Process().cpu_times()[:2]), app.snapshot()
            delays = connection.delays(seconds)
            after = app.snapshot()
            return before, after, Seen(delays, [], sum(psutil.Process().cpu_times()[:2]) - cpu)
    except OSError as error:
        raise NotAvailable(f"the client was not served: {cli.sentence(error)}") from error


WATCHERS: dict[str, Callable[[AppProcess, float], tuple[Snapshot, Snapshot, Seen]]] = {
    "page here": watch_page,
    "client": watch_client,
}
"""Each watches for some seconds, and returns what the app had done before and after, and what it has seen itself."""
