"""Picture, sound and answers of a long recording, in step or not: `python -m benchmarks.recording [--minutes 10]`.

A real Chromium records a face whose light flickers at random and noise that comes and goes; the windows that were
answered, each on the page's clock, are looked for in the recorded file, some of them each minute.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.support.browser import open_live
from benchmarks.support.machine import in_words, machine, say
from mmadfer import cli
from tests.support.in_step import Media, offsets
from tests.support.live import chromium_arguments, fake_devices, running_app
from tests.support.made_media import write_flicker
from tests.support.pages import part
from tests.support.places import CLIPS

KEPT = 60
"""Windows of each minute that are looked for: about 12 s of answers."""
SLOW = 120_000
"""Longest that the page may take to save, ms."""


def main(argv: Sequence[str] | None = None) -> int:
    """Record, measure and print the figures; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.recording", "Picture, sound and answers of a recording: in step or not.")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the recording, at least 1")
    return cli.run(parser, _measure, argv)


def _measure(arguments: argparse.Namespace) -> int:
    if arguments.minutes < 1:
        raise ValueError(f"--minutes must be 1 or more, got {arguments.minutes}")
    say(in_words(machine()))
    with tempfile.TemporaryDirectory() as folder:
        minutes, held = _record(Path(folder), arguments.minutes)
    media = Media.of(held.read("video.webm"))
    rows = list(csv.DictReader(io.StringIO(held.read("answers.csv").decode(), newline="")))
    zero = None
    found = []
    for windows in minutes:
        ends = [window.end for window in windows]
        if zero is None:
            zero = _zero(ends, rows)
        near = [row for row in rows if ends[0] - 0.01 < float(row["time_s"]) + zero < ends[-1] + 0.01]
        picture, sound, fit = offsets(windows, near, media)
        found.append((picture, sound))
        say(
            f"at {ends[-1] - zero:6.1f} s: picture {1000 * picture:+5.0f} ms (fit {fit:.2f}), "
            f"sound {1000 * sound:+5.0f} ms, apart {1000 * (sound - picture):+5.0f} ms"
        )
    spread = 1000 * np.ptp(np.array(found), axis=0)
    length = float(rows[-1]["time_s"])
    say(f"over {length:.0f} s the picture moved by {spread[0]:.0f} ms and the sound by {spread[1]:.0f} ms")
    return 0


def _record(folder: Path, minutes: float) -> tuple[list[list[Any]], zipfile.ZipFile]:
    """Return windows of each minute, and the zip."""
    from playwright.sync_api import sync_playwright

    rgb = np.asarray(Image.open(CLIPS / "obama.jpg").convert("RGB"))
    devices = fake_devices(write_flicker(folder / "flicker.mp4", rgb, 30.0), folder)
    kept = []
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with running_app() as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium_arguments(*devices))
        page = browser.new_page()
        open_live(page, app.url)
        page.wait_for_selector(".mm-top", timeout=SLOW)
        page.keyboard.press("r")
        part(page, "sheet-told").check()
        part(page, "sheet").get_by_role("button", name="Record").click()
        page.wait_for_selector(".mm-record.mm-running", timeout=SLOW)
        begun = time.monotonic()
        marks = [15.0, *np.arange(60.0, 60 * minutes + 1, 60.0)]
        for mark in marks:
            page.wait_for_timeout(max(0.0, 1000 * (begun + mark - time.monotonic())))
            kept.append(list(app.worker.recognizer.windows[-KEPT:]))
        page.wait_for_timeout(2000)
        with page.expect_download(timeout=SLOW) as download:
            part(page, "record").click()
        held = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
        browser.close()
    return kept, held


def _zero(ends: Sequence[float], rows: Sequence[dict[str, str]]) -> float:
    """Return the recording's zero on the page's clock, s: the first windows and rows have the same distances."""
    times = np.array([float(row["time_s"]) for row in rows if float(row["time_s"]) < 20.0])
    tried = np.array([end - at for end in ends for at in times])
    misses = [np.abs(np.array(ends)[:, None] - times - zero).min(axis=1).mean() for zero in tried]
    return float(tried[int(np.argmin(misses))])


if __name__ == "__main__":
    raise SystemExit(main())
