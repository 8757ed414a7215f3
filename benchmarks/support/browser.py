"""A real Chromium whose camera and microphone play a clip, the live page in it, and what it costs."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from benchmarks.support.clip import CLIP
from tests.support.live import chromium_arguments, fake_devices

STARTING = 60_000
"""Longest that a page may take until it is live, ms."""


@contextmanager
def chromium(folder: pathlib.Path) -> Iterator[Any]:
    """Start a Chromium, until the body of the `with` ends; ``folder`` takes the files of its fake devices.

    Raises ImportError where Playwright is not installed, and Playwright's own Error where there is no browser.
    """
    from playwright.sync_api import sync_playwright

    camera, microphone = fake_devices(CLIP, folder)
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=chromium_arguments(camera, microphone))
        yield browser
        browser.close()


def open_live(page: Any, url: str, start: bool = True) -> None:
    """Open the app at ``url`` and wait until it is live. Args: start: whether it waits for its button to be pressed."""
    page.goto(url)
    if start:
        page.get_by_role("button", name="Start").click(timeout=STARTING)
    page.wait_for_selector(".mm-live[data-phase=live]", timeout=STARTING)


def cpu_seconds() -> dict[int, float]:
    """Return process id -> CPU time so far (s) of the browser's processes; Playwright's own driver is none of them."""
    drivers = [child for child in psutil.Process().children() if pathlib.Path(child.exe()).name == "node"]
    found = {}
    for process in (child for driver in drivers for child in driver.children(recursive=True)):
        try:
            found[process.pid] = sum(process.cpu_times()[:2])
        except psutil.Error:  # it has just ended
            continue
    return found
