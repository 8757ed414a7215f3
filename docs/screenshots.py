"""Makes the pictures of the live page in this folder: `python -m docs.screenshots`.

Chromium plays a clip as camera and microphone, and the starter weights answer. `live-untrained.png` shows the page over
untrained weights, for which a stand-in answers from brightness and loudness.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from demo.app import App
from tests.support.live import FollowingRecognizer, chromium_arguments, fake_devices

ROOT = Path(__file__).parent.parent
SIZES = {"desktop": (1280, 900), "narrow": (390, 844)}
SECONDS = 40


def main() -> None:
    """Write the pictures."""
    clip = ROOT / "tests" / "data" / "clips" / "derived_face_jfk_6s_44k.mp4"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        arguments = chromium_arguments(*fake_devices(clip, Path(folder)))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        for size in SIZES:
            for scheme in ("light", "dark"):
                take(browser, App(smoothing=0.5), size, scheme, f"live-{size}-{scheme}.png")
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


if __name__ == "__main__":
    main()
