"""The starter weights on the page: smiling and neutral faces of the test part before a real browser's camera.

Each face moves a little in a clip with silence, which Chromium plays as its camera and microphone; what counts is the
class that stands highest on the page, answer by answer, once the window is full.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.browser import open_live
from benchmarks.support.machine import in_words, machine, say, write_json
from demo.app import App
from mmadfer import cli
from mmadfer.config import DFEW_LABELS
from mmadfer.data.adapters.starter import read_faces
from mmadfer.weights import store
from mmadfer.weights.catalogue import STARTER
from tests.support.live import chromium_arguments, fake_devices, tops
from tests.support.made_media import write_portrait

SHOWN = ("happiness", "neutral")
ANSWERS = 12
"""Looked at for each face."""
_HEIGHT = 220
"""Of a face in the picture of 640 x 360 px."""


@dataclass(frozen=True)
class Row:
    """One face."""

    face: int
    """Its place in the test part."""
    expression: str
    tops: dict[str, int]
    """Class -> answers in which it stood highest."""


def main(argv: Sequence[str] | None = None) -> int:
    """Show the faces, print a line for each and the shares; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.starter_page", "Smiling and neutral faces before a browser's camera.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with faces.npz and voices/")
    parser.add_argument("--weights", default=STARTER, metavar="FILE", help="file that train.starter wrote")
    parser.add_argument("--faces", type=int, default=10, metavar="N", help="faces of each expression")
    parser.add_argument("--json", metavar="FILE", help="file to write the figures to")
    return cli.run(parser, _measure, argv)


def _measure(arguments: argparse.Namespace) -> int:
    from playwright.sync_api import sync_playwright

    faces, about = read_faces(arguments.data, "test"), machine()
    app = App(weights=store.resolve(arguments.weights))
    rows = []
    try:
        url = app.launch()
        say(f"{app.load().describe()}; {in_words(about)}\n")
        with sync_playwright() as playwright:
            for expression in SHOWN:
                own = np.flatnonzero(faces.labels == DFEW_LABELS.index(expression))
                for face in own[np.linspace(0, len(own) - 1, arguments.faces).astype(int)]:
                    found = Counter(_seen(playwright, url, faces.images[face]))
                    rows.append(Row(int(face), expression, dict(found)))
                    say(f"face {face}, {expression}: {', '.join(f'{n} x {name}' for name, n in found.most_common())}")
    finally:
        app.close()
    for expression in SHOWN:
        counts = [row.tops.get("happiness", 0) for row in rows if row.expression == expression]
        mostly = sum(2 * count > ANSWERS for count in counts)
        say(f"{expression}: happiness at the top for {mostly} of {len(counts)} faces")
    if arguments.json:
        write_json(arguments.json, about, rows=rows)
    return 0


def _seen(playwright: Any, url: str, image: np.ndarray) -> list[str]:
    """Return the highest classes on the page before a camera that shows ``image`` `(S, S)`."""
    with tempfile.TemporaryDirectory() as folder:
        rgb = np.repeat(image[..., None], 3, axis=-1)
        clip = write_portrait(Path(folder) / "portrait.mp4", rgb, height=_HEIGHT)
        arguments = chromium_arguments(*fake_devices(clip, Path(folder)))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        try:
            page = browser.new_page()
            open_live(page, url)
            return tops(page, ANSWERS)
        finally:
            browser.close()


if __name__ == "__main__":
    sys.exit(main())
