"""The report in a real Chromium, from the disk: it opens and moves fast, plays in step, and lets nothing in or out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mmadfer.recordings.further import add
from mmadfer.recordings.palette import NAMED
from tests.support import recording_tables as recordings
from tests.support import waiting
from tests.support.live import CHROMIUM_ARGUMENTS
from tests.support.pages import SLOW
from tests.support.places import ROOT

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

pytestmark = pytest.mark.browser
OPENS, FRAMES = 2.0, 30.0
"""What an hour's report must keep: s to open, frames/s while it is moved through."""
BUSY = 2.0
"""How much slower a machine may be whose cores others use at the same time."""


@pytest.fixture(scope="module")
def browser(chromium: str | None) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield made
        made.close()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folders "short", with a video that does not say how long it is, "long" and "silent", without one."""
    made = {}
    silent = recordings.short() | {"metadata.json": recordings.metadata(media=None)}
    for name, files in {"short": recordings.short(), "long": recordings.long(), "silent": silent}.items():
        folder = made[name] = tmp_path_factory.mktemp(name)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        add(folder)
    write_live_webm(made["short"] / "video.webm", 6)
    return made


def write_live_webm(path: Path, seconds: int) -> None:
    """Write a video as a browser records it: without its length, and without an index."""
    with av.open(str(path), "w", format="webm", options={"live": "1"}) as file:
        stream = file.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for i in range(10 * seconds):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((120, 160, 3), 4 * i, np.uint8))))
        file.mux(stream.encode(None))


def opened(browser: Any, folder: Path, **settings: Any) -> tuple[Any, list[str]]:
    """Return the page, and what it asked for that is no file."""
    page = browser.new_context(**settings).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(f"error: {error}"))
    page.goto((folder / "report.html").as_uri())
    until(page, "document.documentElement.dataset.drawn > 0")
    return page, asked


def at(page: Any) -> float:
    return float(page.evaluate("document.documentElement.dataset.at"))


def until(page: Any, script: str) -> None:
    """Wait for what is true of the page; its own rule lets nobody watch from inside of it (`wait_for_function`)."""
    assert waiting.until(lambda: page.evaluate(script), SLOW / 1000), script


def comes_to(page: Any, seconds: float) -> None:
    until(page, f"Math.abs(document.documentElement.dataset.at - {seconds}) < 0.06")


SCRUB = """async () => {
  const canvas = document.getElementById('whole');
  const { left, top, width } = canvas.getBoundingClientRect();
  const started = performance.now();
  const before = Number(document.documentElement.dataset.drawn);
  for (let n = 0; performance.now() - started < 2000; n += 1) {
    const clientX = left + ((n * 37) % Math.floor(width));
    canvas.dispatchEvent(new PointerEvent('pointermove', { buttons: 1, clientX, clientY: top + 5, bubbles: true }));
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  return (1000 * (document.documentElement.dataset.drawn - before)) / (performance.now() - started);
}"""


def test_an_hour_opens_and_moves_fast(browser: Any, folders: dict[str, Path]) -> None:
    page, _ = opened(browser, folders["long"])
    seconds = page.evaluate("performance.now() / 1000")  # since the page was asked for
    frames = page.evaluate(SCRUB)
    print(f"an hour of 18,000 answers and 10,000 markers: open after {seconds:.2f} s, {frames:.0f} frames/s")  # noqa: T201
    assert seconds < OPENS * BUSY and frames > FRAMES / BUSY
    assert page.locator("#markers li").count() == 200
    page.locator("#more").click()
    assert page.locator("#markers li").count() == 400
    page.locator("#filter").fill("marker 9998")
    page.locator("#markers button").click()
    comes_to(page, 3599.28)
    page.context.close()


def test_it_plays_the_file_beside_it_in_step_and_asks_for_nothing_else(browser: Any, folders: dict[str, Path]) -> None:
    page, asked = opened(browser, folders["short"])
    until(page, "document.getElementById('media').readyState >= 2")
    page.locator("#markers button").nth(1).click()
    comes_to(page, 2.0)
    until(page, "Math.abs(document.getElementById('media').currentTime - 2) < 0.11")
    assert page.locator("#label").inner_text() == "No reading"
    page.keyboard.press("n")
    comes_to(page, 5.5)
    assert page.locator("#label").inner_text() == "Happiness"
    page.keyboard.press("ArrowLeft")
    comes_to(page, 0.5)
    page.keyboard.press("Home")
    comes_to(page, 0)
    assert page.locator("#label").inner_text() == "No answer"
    box = page.locator("#whole").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 4.7 / 6, box["y"] + 40)
    comes_to(page, 4.7)
    until(page, "document.getElementById('label').textContent === 'Anger'")
    page.mouse.click(box["x"] + box["width"] * 0.5 / 6 + 3, box["y"] + 40)  # beside a flag
    comes_to(page, 0.5)
    page.keyboard.press("Escape")
    page.keyboard.press(" ")
    until(page, "document.documentElement.dataset.at > 1.2")
    apart = page.evaluate("document.getElementById('media').currentTime - document.documentElement.dataset.at")
    assert abs(apart) < 0.25, "the timeline does not follow the video"
    assert {url.rpartition("/")[2] for url in asked} == {"report.html", "video.webm"}, asked
    page.context.close()


def test_hostile_text_stays_text(browser: Any, folders: dict[str, Path]) -> None:
    page, _ = opened(browser, folders["short"])
    assert page.evaluate("[window.hacked, document.images.length, document.title]") == [None, 0, "Recording A <b>/ç"]
    assert "</script><img" in page.locator("#markers button").nth(1).inner_text()
    page.context.close()


def test_without_its_file_it_asks_for_one_and_goes_on_by_itself(browser: Any, folders: dict[str, Path]) -> None:
    page, _ = opened(browser, folders["long"])
    page.locator("#choose").wait_for(timeout=SLOW)
    assert "video.webm is not beside this page" in page.locator("#choose").inner_text()
    page.keyboard.press("End")
    comes_to(page, 3600)
    page.locator("#file").set_input_files(folders["short"] / "video.webm")
    page.locator("#choose").wait_for(state="hidden", timeout=SLOW)
    page.context.close()
    page, _ = opened(browser, folders["silent"])
    assert "neither picture nor sound" in page.locator(".stage").inner_text()
    page.keyboard.press(" ")
    until(page, "document.documentElement.dataset.at > 0.4")
    page.keyboard.press(" ")
    page.context.close()


@pytest.mark.parametrize("look", ["light", "dark", "forced colours"])
def test_axe_and_small_windows(browser: Any, folders: dict[str, Path], look: str) -> None:
    forced = "active" if look == "forced colours" else "none"
    window = {"width": 320, "height": 640}
    scheme = "dark" if look == "dark" else "light"
    page, _ = opened(browser, folders["short"], color_scheme=scheme, forced_colors=forced, viewport=window)
    found = axe.Axe().run(page).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.context.close()


def test_the_colours_are_those_of_the_live_page() -> None:
    text = (ROOT / "demo" / "page" / "colors.js").read_text(encoding="utf-8")
    found = re.findall(r'^  (\w+): \["(#[0-9a-f]{6})", "(#[0-9a-f]{6})"\],$', text, re.MULTILINE)
    assert {name: (light, dark) for name, light, dark in found} == NAMED
