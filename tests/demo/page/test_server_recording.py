"""The page records a clip that the server plays: in step, with the answers that `predict` gives, once for all pages."""

from __future__ import annotations

import io
import json
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from demo.app import App
from mmadfer.stream.recorded import RecordedStream
from tests.support.live import CHROMIUM_ARGUMENTS
from tests.support.pages import SLOW, part
from tests.support.recordings import best_shift, decoded_sound, table

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = pytest.mark.browser
CLIP = "derived_face_jfk_6s_44k.mp4"
RATE = 16_000
FURTHER = ["answers.parquet", "report.html"]
TIERS = ["recording.eaf", "recording.TextGrid"]
IN_STEP = 0.02
"""s"""
WINDOW = 3.2
"""Seconds after the beginning in which windows still hold what was before it."""


@pytest.fixture(scope="module")
def app(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with the starter weights and exact answers, which `predict` gives as well."""
    made = App(str(clips / CLIP), exact=True, recordings=tmp_path_factory.mktemp("recordings"))
    made.url = made.launch()  # type: ignore[attr-defined]
    made.load()
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser(chromium: str | None) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield made
        made.close()


@pytest.fixture
def open_page(app: App, browser: Any) -> Iterator[Callable[[], Any]]:
    context, errors = browser.new_context(), []

    def make() -> Any:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(app.url)  # type: ignore[attr-defined]
        page.wait_for_selector(".mm-live[data-phase=live]", timeout=SLOW)
        page.wait_for_selector(".mm-top", timeout=SLOW)
        return page

    yield make
    context.close()
    assert not errors, errors


def record(page: Any, name: str = "", formats: Sequence[str] = ()) -> None:
    page.keyboard.press("r")
    for each in formats:
        part(page, f"sheet-{each}").check()
    part(page, "sheet-name").fill(name)
    part(page, "sheet").get_by_role("button", name="Record").click()
    assert part(page, "sheet").is_visible(), "it began without the tick"
    part(page, "sheet-told").check()
    part(page, "sheet").get_by_role("button", name="Record").click()
    page.wait_for_selector(".mm-record.mm-running", timeout=SLOW)


def saved(page: Any, press: Callable[[], object]) -> zipfile.ZipFile:
    with page.expect_download(timeout=SLOW) as download:
        press()
    held = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    held.filename = download.value.suggested_filename
    assert held.testzip() is None
    return held


def lasts(app: App, seconds: float) -> bool:
    running = app.server.recordings.state()["running"]
    assert running is not None, app.server.recordings.state()
    return bool(running["seconds"] > seconds)


def test_a_recording_is_the_clip_in_step_and_its_answers_are_those_of_predict(
    app: App, open_page: Callable[[], Any], clips: Path, tmp_path: Path
) -> None:
    page, other = open_page(), open_page()
    page.bring_to_front()
    record(page, "A b/ç", ["elan", "textgrid"])
    other.wait_for_selector(".mm-record.mm-running", timeout=SLOW)  # one recording, told to both
    page.wait_for_timeout(1000)
    page.keyboard.press("3")
    body = json.dumps({"text": "by a program"}).encode()
    asked = urllib.request.Request(f"{app.url}live/markers", data=body, method="POST")  # type: ignore[attr-defined]
    assert json.load(urllib.request.urlopen(asked))["pages"] == 2
    for each in (page, other):
        each.wait_for_selector("[data-part=timeline][data-flags='2']", timeout=SLOW)
    while not lasts(app, 9.5):
        page.wait_for_timeout(100)
    held = saved(page, lambda: page.keyboard.press("r"))
    other.wait_for_selector(".mm-record:not(.mm-running)", timeout=SLOW)

    assert held.filename.startswith("session-A-b-ç-"), held.filename
    assert held.namelist() == ["video.webm", "answers.csv", "markers.csv", "metadata.json", *FURTHER, *TIERS]
    about = json.loads(held.read("metadata.json"))
    assert about["told"] is True and about["source"] == {"kind": "clip", "clip": CLIP}
    assert about["weightsSha256"] == app.worker.recognizer.weights_sha256 != ""  # type: ignore[union-attr]
    assert about["input"]["image_size"] == 48 and "mmadfer" in about["versions"]
    assert [(row["key"], row["text"]) for row in table(held, "markers.csv")] == [("3", ""), ("", "by a program")]
    path = tmp_path / "video.webm"
    path.write_bytes(held.read("video.webm"))
    begin = next(moment for moment in about["clipBegins"] if moment > 0)  # when the clip began anew
    sound_off, picture_off = offsets(path, clips / CLIP, begin)
    told = f"the recording is off by {1000 * sound_off:+.1f} ms (sound) and {1000 * picture_off:+.1f} ms (picture)"
    sys.stdout.write(f"{told}\n")
    assert abs(sound_off) <= IN_STEP and abs(picture_off) <= IN_STEP, told
    fits_predict(app, path, table(held, "answers.csv"))
    page.wait_for_timeout(500)
    assert not list(app.server.recordings.store.folder.iterdir()), "it stays on the server though it was downloaded"


def offsets(recorded: Path, clip: Path, begin: float) -> tuple[float, float]:
    """Return by how much sound and picture are later than the clip that began at ``begin`` (s) in the recording."""
    heard, played = decoded_sound(recorded, RATE), decoded_sound(clip, RATE)
    heard = heard[round(begin * RATE) :]
    sound_off = best_shift(heard, played[: len(heard)], RATE)
    shown, original = pictures(recorded), pictures(clip)
    seen = [(time - begin, picture) for time, picture in shown if begin <= time]
    differences = [np.array([np.abs(picture - one).mean() for _, one in original]) for _, picture in seen]
    pairs = zip(seen, differences, strict=True)
    off = [
        time - original[int(np.argmin(found))][0] for (time, _), found in pairs if found.min() < 0.8 * np.median(found)
    ]
    assert len(off) > 10, "too few pictures to compare"
    return sound_off, float(np.median(off))


def pictures(path: Path) -> list[tuple[float, np.ndarray]]:
    """Return time and small grey picture of each frame."""
    with av.open(str(path)) as file:
        return [(float(f.time), f.to_ndarray(format="gray")[::8, ::8].astype(float)) for f in file.decode(video=0)]


def fits_predict(app: App, path: Path, rows: list[dict[str, str]]) -> None:
    """The answers are those that the recorded file gets, at the same moments."""
    assert app.worker.recognizer is not None
    labels = app.worker.recognizer.spec.labels
    with RecordedStream(app.worker.recognizer, [str(path)], hop=0.1) as stream:
        again = [(found.time, [found.probabilities[name] for name in labels]) for found in stream]
    times, values = np.array([time for time, _ in again]), np.array([value for _, value in again])
    late = [row for row in rows if WINDOW < float(row["time_s"]) < times[-1]]
    assert len(late) >= 10, f"only {len(late)} answers in the recording"
    told = np.array([[float(row[name]) for name in labels] for row in late])
    at = np.array([float(row["time_s"]) for row in late])
    expected = np.stack([np.interp(at, times, column) for column in values.T], axis=1)
    differences = np.abs(told - expected).max(axis=1)
    same = float(np.mean(told.argmax(1) == expected.argmax(1)))
    words = f"answers differ by {np.median(differences):.3f} (median), {differences.max():.3f} (most)"
    words = f"{words}, same class {same:.0%}"
    sys.stdout.write(f"{words}\n")
    assert np.median(differences) < 0.05 and same >= 0.9, words


def test_what_another_page_ended_is_offered_and_a_lost_page_ends_nothing(
    app: App, open_page: Callable[[], Any]
) -> None:
    page = open_page()
    record(page)
    page.close()
    assert lasts(app, 0.0)
    page = open_page()
    page.wait_for_selector(".mm-record.mm-running", timeout=SLOW)
    while not lasts(app, 3):
        page.wait_for_timeout(100)
    app.server.recordings.finish()
    part(page, "kept").wait_for(timeout=SLOW)
    assert "was not saved. The server deletes it after 24 hours." in part(page, "kept-words").inner_text()
    kept = app.server.recordings.store.kept()[0]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{app.url}live/recordings/{kept.id}?formats=xls")
    assert refused.value.code == 400 and b"choose from" in refused.value.read()
    held = saved(page, lambda: part(page, "kept-save").click())
    assert table(held, "answers.csv") and not set(TIERS) & set(held.namelist())
    part(page, "kept").wait_for(state="hidden", timeout=SLOW)


def test_what_cannot_be_done_is_told(app: App, open_page: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page()
    monkeypatch.setattr(app.server.recordings.store, "folder", Path(__file__) / "no folder")
    page.keyboard.press("r")
    part(page, "sheet-told").check()
    part(page, "sheet").get_by_role("button", name="Record").click()
    part(page, "notices").get_by_text("Nothing can be recorded").wait_for(timeout=SLOW)
    assert part(page, "record").inner_text() == "Record"
    app.server.tell_markers("The marker stream X has gone")
    part(page, "notices").get_by_text("The marker stream X has gone").wait_for(timeout=SLOW)
    app.server.tell_markers("")
    part(page, "notices").get_by_text("The marker stream X has gone").wait_for(state="hidden", timeout=SLOW)
