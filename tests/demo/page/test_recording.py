"""A recording holds what was seen, heard and answered, in step with each other; nothing of it is lost by a crash."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mmadfer
from demo.app import App
from mmadfer.outputs.schema import Output, columns
from mmadfer.recordings.further import add
from tests.support.in_step import RATE, Media, offsets
from tests.support.live import chromium_arguments, fake_devices
from tests.support.made_media import write_flicker
from tests.support.pages import SLOW, part, start
from tests.support.waiting import until

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = pytest.mark.browser
TABLES = ["answers.csv", "markers.csv", "metadata.json"]
FURTHER = ["answers.parquet", "report.html"]
IN_STEP = 0.05
"""Largest difference between the recording's clock and the answers', s; one frame takes 0.033 s."""


@pytest.fixture(scope="module")
def browser(chromium: str | None, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("devices")
    rgb = np.asarray(Image.open(clips / "obama.jpg").convert("RGB"))
    devices = fake_devices(write_flicker(folder / "flicker.mp4", rgb), folder)
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=chromium_arguments(*devices))
        yield made
        made.close()


@pytest.fixture
def open_page(app: App, context: Any) -> Iterator[Callable[..., Any]]:
    errors: list[str] = []

    def make(script: str = "") -> Any:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        if script:
            page.add_init_script(script)
        page.goto(app.url)  # type: ignore[attr-defined]
        start(page)
        page.wait_for_selector(".mm-top", timeout=SLOW)
        return page

    yield make
    assert not errors, errors


def record(page: Any, name: str = "", formats: tuple[str, ...] = ()) -> None:
    page.keyboard.press("r")
    for each in formats:
        part(page, f"sheet-{each}").check()
    part(page, "sheet-name").fill(name)
    part(page, "sheet-told").check()
    part(page, "sheet").get_by_role("button", name="Record").click()
    page.wait_for_selector(".mm-record.mm-running", timeout=SLOW)


def ended(page: Any, button: str = "record") -> zipfile.ZipFile:
    with page.expect_download(timeout=SLOW) as download:
        part(page, button).click()
    held = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    held.filename = download.value.suggested_filename
    assert held.testzip() is None
    return held


def table(held: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(held.read(name).decode(), newline="")))


def test_a_recording_holds_picture_sound_answers_and_markers(
    app: App, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    page = open_page()
    record(page, "A b/ç", ("elan", "textgrid"))
    page.wait_for_timeout(2000)
    page.keyboard.press("3")
    page.keyboard.press("m")
    hostile = '=1+1, "quoted"\t<b>'
    page.keyboard.type(hostile)
    page.keyboard.press("Enter")
    assert part(page, "timeline").get_attribute("data-flags") == "2"
    page.wait_for_timeout(4000)
    held = ended(page)
    assert held.filename.startswith("session-A-b-ç-") and held.filename.endswith(".zip")
    asked = ["recording.eaf", "recording.TextGrid"]
    assert held.namelist() == ["video.webm", *TABLES, *FURTHER, *asked]
    page.keyboard.press("r")
    assert part(page, "sheet-elan").is_checked() and not part(page, "sheet-boris").is_checked(), "what is remembered"
    page.keyboard.press("Escape")

    about = json.loads(held.read("metadata.json"))
    assert (about["format"], about["version"], about["told"]) == ("mmadfer-recording", 1, True)
    assert about["weights"] == "brightness and loudness" and about["media"]["settings"]["video"]["width"] == 640
    assert about["seconds"] > 6
    assert about["segments"] == [{"from": 0, "to": about["seconds"]}]
    assert about["versions"]["mmadfer"] == mmadfer.__version__ and about["input"]["sample_rate"] == 44_100
    assert abs(about["clock"]["wallMinusPageMs"]["end"] - about["clock"]["wallMinusPageMs"]["start"]) < 500
    assert about["losses"]["linesLost"] == 0 and about["losses"]["framesReplaced"] >= 0

    rows = table(held, "answers.csv")
    labels = app.worker.recognizer.spec.labels  # type: ignore[union-attr]
    assert list(rows[0]) == [column.name for column in columns(Output.PAGE, labels)]
    assert len(rows) == about["answers"] > 10
    times = [float(row["time_s"]) for row in rows]
    assert min(np.diff(times)) > -1.05, (
        "more than a window that ends early: for its sound, or after 1 s without a picture"
    )
    assert min(times) >= 0 and max(times) <= about["seconds"]
    assert {row["file"] for row in rows} == {"video.webm"} and {row["segment"] for row in rows} == {"1"}
    frames = [int(row["frame"]) for row in rows]
    assert frames == sorted(frames) and frames[-1] > frames[0] + len(rows) / 2

    marks = table(held, "markers.csv")
    assert [(mark["key"], mark["text"]) for mark in marks] == [("3", ""), ("", hostile)]
    assert 1.9 < float(marks[0]["time_s"]) <= float(marks[1]["time_s"]) < about["seconds"] - 3.5
    assert datetime.fromisoformat(marks[0]["time_utc"].replace("Z", "+00:00"))

    report_plays(page, held, tmp_path, about["seconds"])
    held_media = media(held)
    # A machine that cannot keep up records less, in step all the same.
    for length in (held_media.pictures[-1][0], len(held_media.sound) / RATE):
        assert 5 < length < about["seconds"] + 1
    in_step(app, rows, held_media)


def report_plays(page: Any, held: zipfile.ZipFile, folder: Path, seconds: float) -> None:
    """The report that came with the recording plays its video, which a browser wrote, and goes to its markers."""
    held.extractall(folder)
    report = page.context.new_page()
    report.goto((folder / "report.html").as_uri())
    ready = "document.getElementById('media').readyState >= 2 && document.getElementById('media').currentTime === 0"
    assert until(lambda: report.evaluate(ready)), "the report does not play the video"
    assert abs(report.evaluate("document.getElementById('media').duration") - seconds) < 1.5
    assert report.locator("#markers button").count() == 2
    report.locator("#markers button").first.click()
    there = "document.getElementById('media').currentTime - document.documentElement.dataset.at"
    assert until(lambda: report.evaluate("document.documentElement.dataset.at > 1.9"))
    assert until(lambda: abs(report.evaluate(there)) < 0.06)
    report.close()


def in_step(app: App, rows: list[dict[str, str]], media: Media) -> None:
    """The windows that were answered, which have the page's clock, fit to the recording at the answers' times."""
    picture, sound, fit = offsets(app.worker.recognizer.windows, rows, media)  # type: ignore[union-attr]
    assert fit > 0.8, f"the pictures do not fit: {fit:.2f}"
    off = f"the recording is off by {1000 * picture:+.0f} ms (picture) and {1000 * sound:+.0f} ms (sound)"
    assert abs(picture) <= IN_STEP and abs(sound) <= IN_STEP, off


def media(held: zipfile.ZipFile) -> Media:
    return Media.of(held.read("video.webm"))


def test_nobody_records_before_people_are_told(open_page: Callable[..., Any]) -> None:
    page = open_page()
    part(page, "record").click()
    part(page, "sheet").get_by_role("button", name="Record").click()
    assert part(page, "sheet").is_visible() and part(page, "record").inner_text() == "Record"
    part(page, "sheet").get_by_role("button", name="Cancel").click()
    assert not part(page, "sheet").is_visible()
    page.keyboard.press("3")
    assert part(page, "timeline").get_attribute("data-flags") is None


def test_a_page_that_is_gone_loses_a_second_at_most(context: Any, open_page: Callable[..., Any]) -> None:
    page = open_page()
    record(page)
    page.wait_for_timeout(3500)
    page.keyboard.press("1")
    page.wait_for_timeout(1500)
    page.close()  # without a word, as a crash does
    page = open_page()
    kept = part(page, "kept")
    kept.wait_for(timeout=SLOW)
    assert "was not saved" in kept.inner_text()
    held = ended(page, "kept-save")
    about = json.loads(held.read("metadata.json"))
    assert about["seconds"] >= 3.5 and len(table(held, "answers.csv")) > 5
    assert [mark["key"] for mark in table(held, "markers.csv")] == ["1"]
    assert media(held).pictures[-1][0] >= 3.0
    kept.wait_for(state="hidden", timeout=SLOW)


AWAY = """() => {
    const real = window.fetch;
    window.fetch = (at, how) => (how?.method ? Promise.reject(new TypeError('away')) : real(at, how));
}"""


def test_without_the_server_a_recording_is_saved_as_it_is(open_page: Callable[..., Any], tmp_path: Path) -> None:
    page = open_page()
    record(page, formats=("boris",))
    page.wait_for_timeout(1500)
    page.evaluate(AWAY)
    held = ended(page)
    assert held.namelist() == ["video.webm", *TABLES]
    said = part(page, "notices").get_by_text("the server cannot be reached")
    said.wait_for(timeout=SLOW)
    assert f"mmadfer recording {held.filename} --boris" in said.inner_text()
    path = tmp_path / "session.zip"
    path.write_bytes(held.fp.getvalue())  # type: ignore[union-attr]
    assert add(path, ["report", "boris"]) == ["report.html", "recording.boris"]


def test_stop_ends_and_saves_a_recording(open_page: Callable[..., Any]) -> None:
    page = open_page()
    record(page)
    page.wait_for_timeout(2000)
    held = ended(page, "stop")
    assert media(held).pictures, "the picture is missing"
    part(page, "notices").get_by_text("Saved as session-").wait_for(timeout=SLOW)
    assert not part(page, "record").is_visible()


@pytest.mark.parametrize(
    ("script", "words", "names"),
    [
        ("delete window.MediaRecorder;", "records no picture or sound", TABLES),
        (
            "IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError'); };",
            "This browser keeps nothing",
            None,
        ),
    ],
    ids=["no MediaRecorder", "no database"],
)
def test_what_a_browser_cannot_do_is_told(
    open_page: Callable[..., Any], script: str, words: str, names: list[str] | None
) -> None:
    page = open_page(script)
    page.keyboard.press("r")
    part(page, "sheet-told").check()
    part(page, "sheet").get_by_role("button", name="Record").click()
    part(page, "notices").get_by_text(words).wait_for(timeout=SLOW)
    if names is None:
        assert part(page, "record").inner_text() == "Record"
        return
    time.sleep(2)
    assert ended(page).namelist() == [*names, *FURTHER]


ANOTHER_MODEL = """async () => {
    const { RecorderControls } = await import(new URL('live/page/recorder_controls.js', location));
    const parts = new Proxy({}, { get: (made, name) => (made[name] ??= document.createElement('button')) });
    const controls = new RecorderControls(parts, {});
    const ends = [];
    controls.end = () => ends.push(controls.modelName);
    const model = { weights: 'A', labels: ['anger', 'fear'] };
    controls.setModel(model);
    controls.recording = {};
    controls.setModel({ ...model });
    const same = ends.length;
    controls.setModel({ ...model, labels: ['fear', 'anger'] });
    controls.setModel({ weights: 'B', labels: ['fear', 'anger'] });
    return [same, ends.length];
}"""


def test_a_server_with_other_weights_ends_the_recording(open_page: Callable[..., Any]) -> None:
    assert open_page().evaluate(ANOTHER_MODEL) == [0, 2]


FULL = """
const add = IDBObjectStore.prototype.add;
let left = 12;
IDBObjectStore.prototype.add = function (value) {
  if (value.kind && (left -= 1) < 0) throw new DOMException('no room', 'QuotaExceededError');
  return add.call(this, value);
};
"""


def test_a_full_disk_ends_the_recording_and_saves_what_came_before(open_page: Callable[..., Any]) -> None:
    page = open_page(FULL)
    with page.expect_download(timeout=SLOW) as download:
        record(page)
    held = zipfile.ZipFile(Path(download.value.path()))
    assert held.testzip() is None and table(held, "answers.csv")
