"""Makes the pictures of the live page in this folder: `python -m docs.screenshots`.

Chromium plays a clip as camera and microphone, and the starter weights answer. `live.webp` is a run of some seconds;
`live-untrained.png` shows the page over untrained weights, for which a stand-in answers from brightness and loudness.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from demo.app import App
from tests.support.live import FollowingRecognizer, chromium_arguments, fake_devices

ROOT = Path(__file__).parent.parent
SIZES = {"desktop": (1280, 900), "narrow": (390, 844)}
SECONDS = 40
MOVING = {"seconds": 14, "every": 0.25, "width": 960}
"""The animation: its length (s), time between two pictures (s), width (px)."""


def main() -> None:
    """Write the pictures."""
    clip = ROOT / "tests" / "data" / "clips" / "derived_face_jfk_6s_44k.mp4"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        arguments = chromium_arguments(*fake_devices(clip, Path(folder)))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        for size in SIZES:
            for scheme in ("light", "dark"):
                take(browser, App(smoothing=0.5), size, scheme, f"live-{size}-{scheme}.png")
        animate(browser, App(smoothing=0.5), Path(__file__).parent / "live.webp")
        untrained = FollowingRecognizer(delay=0.6, trained=False)
        take(browser, App(load=lambda: untrained, smoothing=0.5), "desktop", "light", "live-untrained.png")
        browser.close()


def take(browser: Any, app: App, size: str, scheme: str, name: str) -> None:
    """Run the page for a while and write its picture."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    try:
        url = app.launch()
        app.load()
        page = context.new_page()
        page.goto(url)
        page.get_by_role("button", name="Start").click(timeout=60_000)
        page.wait_for_timeout(1000 * SECONDS)
        page.screenshot(path=Path(__file__).parent / name, full_page=True)
    finally:
        context.close()
        app.close()


def animate(browser: Any, app: App, file: Path) -> None:
    """Write an animation of a run, from the moment at which Start is pressed."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme="light")
    pictures, shown = [], []
    try:
        url = app.launch()
        app.load()
        page = context.new_page()
        page.goto(url)
        page.get_by_role("button", name="Start").wait_for(timeout=60_000)
        page.wait_for_timeout(1000)  # until the page knows what the server runs
        began = time.monotonic()
        while (at := time.monotonic() - began) < MOVING["seconds"]:
            pictures.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
            shown.append(at)
            if len(pictures) == 3:
                page.get_by_role("button", name="Start").click()
            page.wait_for_timeout(max(0.0, 1000 * (at + MOVING["every"] - (time.monotonic() - began))))
    finally:
        context.close()
        app.close()
    size = (int(MOVING["width"]), int(MOVING["width"] * 720 / 1280))
    small = [picture.resize(size, Image.Resampling.LANCZOS) for picture in pictures]
    lengths = [round(1000 * (after - at)) for at, after in zip(shown, [*shown[1:], shown[-1] + 1], strict=True)]
    small[0].save(file, save_all=True, append_images=small[1:], duration=lengths, loop=0, quality=72, method=6)


if __name__ == "__main__":
    main()
