"""Two people before one camera: one is read, and another only where somebody chooses it or it is told."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.app import App
from tests.support.live import chromium_arguments, fake_devices, running_app
from tests.support.pages import SLOW, part, start
from tests.support.two_faces import FPS, Scene, walk, write_clip

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
pytestmark = pytest.mark.browser
READING = "2 faces: reading the framed one"
NOTICED = "words => document.querySelector('[data-part=notices]').textContent.includes(words)"


@pytest.fixture(scope="module")
def browser(chromium: str | None, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a Chromium in front of which two people sit; the larger, on the left, leaves for 40 of 64 seconds."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    folder = tmp_path_factory.mktemp("devices")
    frames = 64 * FPS  # Chromium plays them at up to 30 a second, so that 40 s away may be 20
    scene = Scene(clips).frames(walk(160, 170, frames), walk(490, 480, frames), gone={0: range(24 * FPS, frames)})
    _, microphone = fake_devices(clips / "derived_face_jfk_6s_44k.mp4", folder)
    camera = write_clip(scene, folder / "two.mjpeg")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=chromium_arguments(camera, microphone))
        yield made
        made.close()


@pytest.fixture
def page(app: App, browser: Any) -> Iterator[Any]:
    """Return a page that shows both, with every message about frames and faces kept."""
    errors: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    made = context.new_page()
    made.frames_told, made.news = [], []
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.on("websocket", lambda socket: socket.on("framereceived", lambda data: keep(made, data)))
    made.goto(app.url)  # type: ignore[attr-defined]
    start(made)
    made.wait_for_function(NOTICED, arg=READING, timeout=SLOW)
    yield made
    context.close()
    assert not errors, errors


def keep(page: Any, data: Any) -> None:
    """Keep what the server told of a frame, and of the face that is read."""
    if isinstance(data, str):
        message = json.loads(data)
        if message["type"] == "frame":
            page.frames_told.append(message)
        elif message["type"] == "face":
            page.news.append(message)


def read_now(page: Any) -> tuple[int, float]:
    """Return number and place of the face that is read, as soon as a frame shows it."""
    page.frames_told.clear()
    while not any(message["box"] for message in page.frames_told):
        page.wait_for_timeout(50)
    message = next(message for message in page.frames_told if message["box"])
    return message["number"], message["box"][0] + message["box"][2] / 2


def test_a_click_a_key_and_enter_choose_the_other(page: Any) -> None:
    number, place = read_now(page)
    assert place < 0.5, "the larger face is not the one that is read"
    button = part(page, "faces").get_by_role("button")
    button.wait_for(timeout=SLOW)
    box, stage = button.bounding_box(), part(page, "stage").bounding_box()
    middle = (box["x"] + box["width"] / 2 - stage["x"]) / stage["width"]
    assert middle < 0.5, "the picture is a mirror: the face on its right is on the left of the page"
    assert axe.Axe().run(page, context="[data-part=stage]").response["violations"] == []
    button.click()
    other, place = wait_for_number(page, number)
    assert place > 0.5
    part(page, "notices").get_by_text(f"Face {other} is read from now on").wait_for(timeout=SLOW)
    page.wait_for_function("document.querySelector('[data-part=label]').textContent === 'First guess'", timeout=SLOW)
    assert [news["news"] for news in page.news] == ["chosen"]

    page.keyboard.press("f")
    assert wait_for_number(page, other)[0] == number
    part(page, "faces").get_by_role("button", name=f"Read face {other} instead").focus()
    page.keyboard.press("Enter")
    assert wait_for_number(page, number)[0] == other
    assert page.evaluate("document.activeElement !== document.body"), "the focus was lost with its button"
    assert [news["news"] for news in page.news] == ["chosen"] * 3


def wait_for_number(page: Any, before: int) -> tuple[int, float]:
    """Return number and place of the face that is read, once it is another than ``before``."""
    while (now := read_now(page))[0] == before:
        page.wait_for_timeout(50)
    return now


def test_who_stays_is_read_after_words_and_the_table_says_who_was(page: Any, tmp_path: Path) -> None:
    number, _ = read_now(page)
    page.wait_for_function(NOTICED, arg="Face lost: the other one is not read", timeout=2 * SLOW)
    page.wait_for_function(NOTICED, arg="The face that was read has gone: click the other to read it", timeout=SLOW)
    assert {message["number"] for message in page.frames_told} == {number} and not page.news
    page.wait_for_function(NOTICED, arg="The face that was read has gone: the one in view", timeout=SLOW)
    other, place = wait_for_number(page, number)
    assert place > 0.5 and [news["news"] for news in page.news] == ["taken"]
    page.wait_for_function("document.querySelector('[data-part=label]').textContent === 'First guess'", timeout=SLOW)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save results").click()
    lines = Path(download.value.path()).read_text().splitlines()
    head = lines[0].split(",")
    seen = [(row[head.index("face_number")], row[head.index("face_count")]) for row in csv_rows(lines[1:])]
    numbers = [name for name, _ in seen if name]
    assert list(dict.fromkeys(numbers)) == [str(number), str(other)]
    assert {"1", "2"} <= {count for _, count in seen}


def csv_rows(lines: list[str]) -> list[list[str]]:
    return list(csv.reader(lines))


@pytest.fixture
def page_of_two(browser: Any) -> Iterator[Any]:
    """Return a page whose server reads two faces."""
    errors: list[str] = []
    with running_app(faces=2) as app:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        made = context.new_page()
        made.on("pageerror", lambda error: errors.append(str(error)))
        made.goto(app.url)
        start(made)
        yield made
        context.close()
    assert not errors, errors


def test_two_faces_are_read_at_once_each_with_its_row_and_its_lines(page_of_two: Any) -> None:
    page = page_of_two
    rows = part(page, "read-faces").locator("div")
    rows.first.wait_for(timeout=SLOW)
    assert rows.count() == 1 and rows.first.locator("dt").inner_text().startswith("Face ")
    wait = "() => /%/.test(document.querySelector('[data-part=read-faces] dd:last-child').textContent)"
    page.wait_for_function(wait, timeout=SLOW)
    number = rows.first.get_attribute("data-number")
    assert axe.Axe().run(page, context=".mm-live").response["violations"] == []
    painted = """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"""
    assert rows.first.locator("canvas").evaluate(painted)
    page.locator(".mm-details summary").click()
    page.locator(".mm-details").get_by_text("Time for another face").wait_for(timeout=SLOW)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save results").click()
    lines = csv_rows(Path(download.value.path()).read_text().splitlines())
    column = lines[0].index("face_number")
    assert {line[column] for line in lines[1:]} >= {"1", "2"}
    part(page, "faces").get_by_role("button").click()  # the two change places
    other = {"1": "2", "2": "1"}[number]
    part(page, "read-faces").locator(f"div[data-number='{other}']").wait_for(timeout=SLOW)
    page.wait_for_function("document.querySelectorAll('[data-part=read-faces] div').length === 1", timeout=SLOW)


def test_one_face_has_no_rows(page: Any) -> None:
    page.wait_for_timeout(1000)
    assert part(page, "read-faces").is_hidden()
    assert page.locator(".mm-details").get_by_text("Time for another face").is_hidden()
