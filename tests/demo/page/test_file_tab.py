"""The File tab: dropped files are sent, scored as by `predict`, looked at, and saved; what goes wrong is in words."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.app import App
from mmadfer.outputs.schema import Output, answer_row, columns
from mmadfer.stream.recorded import RecordedStream
from tests.support.live import FollowingRecognizer
from tests.support.pages import SLOW, pages_at, part, start
from tests.support.waiting import until

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

pytestmark = pytest.mark.browser
TALKING = "derived_asl_sorry_jfk_2s_48k.mp4"
DROP = """([place, files]) => {
    const data = new DataTransfer();
    for (const [name, type, text] of files) {
        data.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name, { type }));
    }
    const event = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
    document.querySelector(place).dispatchEvent(event);
}"""


@pytest.fixture
def open_page(app: App, browser: Any) -> Iterator[Callable[..., Any]]:
    with pages_at(app, browser, "#file") as make:
        yield make
    assert len(app.server.files.uploads) == 0, "a file outlived its page's interest"


def row(page: Any, name: str) -> Any:
    return page.locator(".mm-file", has_text=name)


def words(page: Any, name: str, state: str = "done") -> str:
    """Return what is said of a file at its end."""
    page.locator(f".mm-file[data-state={state}]", has_text=name).wait_for(timeout=SLOW)
    return str(row(page, name).locator(".mm-file-words").inner_text())


def choose(page: Any, *files: Any) -> None:
    part(page, "file-input").set_input_files(list(files))


def saved(page: Any, button: str = "file-save") -> list[dict[str, str]]:
    with page.expect_download(timeout=SLOW) as download:
        part(page, button).click()
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))


def test_a_dropped_clip_has_the_rows_of_predict(open_page: Callable[..., Any], clips: Path) -> None:
    page = open_page("")
    data = base64.b64encode((clips / TALKING).read_bytes()).decode()
    page.evaluate(DROP, ["[data-part=stage]", [[TALKING, "video/mp4", data]]])
    assert page.url.endswith("#file") and part(page, "panel-file").is_visible()
    assert words(page, TALKING) == "13 answers. The server has deleted the file."
    rows = saved(page)
    recognizer = FollowingRecognizer()
    expected = [answer_row(TALKING, p, recognizer.info) for p in RecordedStream(recognizer, [str(clips / TALKING)])]
    assert list(rows[0]) == [column.name for column in columns(Output.CSV, recognizer.spec.labels)]
    assert len(rows) == len(expected)
    for got, wanted in zip(rows, expected, strict=True):
        assert got["file"] == TALKING and got["label"] == (wanted["label"] or "")
        assert float(got["time_s"]) == pytest.approx(wanted["time_s"], abs=6e-4)
        for label in recognizer.spec.labels:
            assert float(got[label]) == pytest.approx(wanted[label], abs=6e-5)


def test_the_river_and_the_player_have_one_clock(open_page: Callable[..., Any], clips: Path) -> None:
    page = open_page()
    choose(page, clips / "derived_face_jfk_6s_44k.mp4")
    words(page, "derived_face")
    river = part(page, "panel-file").locator("[data-clip=canvas]")
    video = part(page, "panel-file").locator("video")
    width = river.bounding_box()["width"]
    length = float(river.get_attribute("aria-valuemax"))
    river.click(position={"x": 0.7 * width, "y": 40})
    near = "([v, t]) => Math.abs(v.currentTime - t) < 0.15"
    page.wait_for_function(near, arg=[video.element_handle(), 0.7 * length], timeout=SLOW)
    there = float(river.get_attribute("aria-valuenow"))
    assert there == pytest.approx(0.7 * length, abs=0.15)
    text = part(page, "panel-file").locator("[data-clip=label]").inner_text()
    top = river.get_attribute("aria-valuetext").split(": ")[1].split()[0]
    assert text.lower() == top and page.locator(".mm-clip-box").first.get_attribute("data-face") == "yes"

    river.press("ArrowLeft")
    page.wait_for_function(
        "([v, t]) => Math.abs(v.currentTime - t) < 0.2", arg=[video.element_handle(), there - 1], timeout=SLOW
    )
    river.press("Home")
    page.wait_for_function("v => v.currentTime === 0", arg=video.element_handle(), timeout=SLOW)
    page.locator("body").press(" ")
    page.wait_for_function("v => v.currentTime > 0.5", arg=video.element_handle(), timeout=SLOW)
    page.locator("body").press(" ")
    page.wait_for_function(
        "([v, r]) => v.paused && Math.abs(v.currentTime - r.getAttribute('aria-valuenow')) < 0.1",
        arg=[video.element_handle(), river.element_handle()],
        timeout=SLOW,
    )


def test_a_queue_of_all_kinds(open_page: Callable[..., Any], clips: Path, tmp_path: Path) -> None:
    page = open_page()
    (tmp_path / "nothing.mp4").write_bytes(b"")
    (tmp_path / "<b>story.mp4").write_text("once upon a time")
    names = ["pyfeat_no_face.mp4", "intel_asl_sorry.mkv", "calm_espeak.flac", "pyfeat_single_face.jpg"]
    choose(page, *(clips / name for name in names), tmp_path / "nothing.mp4", tmp_path / "<b>story.mp4")
    assert "0 bytes" in words(page, "nothing", "failed")
    assert "story.mp4" in words(page, "story", "failed") and row(page, "story").locator("b").count() == 0
    assert "No face in 95 frames: read from the voice alone." in words(page, names[0])
    assert "No sound track: read from the face alone." in words(page, names[1])
    assert words(page, names[2]).endswith("deleted the file.")
    words(page, names[3])
    panel = part(page, "panel-file")
    row(page, names[3]).locator("button").first.click()
    picture = panel.locator("img")
    assert picture.is_visible() and picture.get_attribute("alt") == names[3]
    page.wait_for_function("document.querySelector('[data-part=panel-file] .mm-clip-box').dataset.face === 'yes'")
    assert not panel.locator("[data-clip=canvas]").is_visible(), "a picture has one moment"
    assert panel.locator("[data-clip=label]").inner_text() in ("Happiness", "Surprise", "Mixed")
    row(page, names[2]).locator("button").first.click()
    page.wait_for_function("document.querySelector('[data-part=panel-file] video').duration > 1", timeout=SLOW)
    rows = saved(page, "file-save-all")
    assert list(dict.fromkeys(one["file"] for one in rows)) == names
    row(page, "nothing").get_by_role("button", name="Remove").click()
    assert page.locator(".mm-file").count() == 5


def test_too_large_names_the_command(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.evaluate(
        """() => {
            const data = new DataTransfer(), file = new File(['x'], 'film.mp4', { type: 'video/mp4' });
            Object.defineProperty(file, 'size', { value: 500000001 });
            Object.defineProperty(data, 'files', { value: [file] });
            data.items.add(file);
            const event = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
            Object.defineProperty(event, 'dataTransfer', { value: data });
            document.body.dispatchEvent(event);
        }"""
    )
    said = words(page, "film", "failed")
    assert "501 MB" in said and "500 MB" in said
    assert row(page, "film").locator("code").inner_text() == "mmadfer predict FILE --csv OUT.csv"


def test_a_lost_line_is_gone_on_with_where_it_was(open_page: Callable[..., Any], clips: Path) -> None:
    page = open_page()
    sent: list[str] = []
    lost = [0]

    def piece(route: Any) -> None:
        if route.request.method == "PUT":
            sent.append(route.request.url.split("from=")[1])
            if sent[-1] != "0" and lost[0] < 2:  # the second piece does not come through, twice
                lost[0] += 1
                return route.abort()
        return route.fallback()

    page.route("**/live/files/**", piece)
    choose(page, clips / "jfk.flac")  # of 1.15 MB: two pieces
    page.wait_for_function("/does not answer/.test(document.querySelector('.mm-file-words').textContent)", timeout=SLOW)
    assert words(page, "jfk.flac").startswith("59 answers.")
    assert sent == ["0", "1000000", "1000000", "1000000"]


def test_a_server_that_has_lost_the_file_gets_it_again(app: App, open_page: Callable[..., Any], clips: Path) -> None:
    page = open_page()
    begun: list[str] = []
    page.on("request", lambda request: begun.append(request.url) if request.method == "POST" else None)
    held = app.server.files.uploads
    recognizer: Any = app.worker.recognizer
    recognizer.delay = 0.2
    try:
        choose(page, clips / TALKING)
        page.wait_for_function("document.querySelector('.mm-river').dataset.answers > 1", timeout=SLOW)
        for upload in [*held._held.values()]:
            held.remove(upload)
        page.wait_for_function(
            "/was it started anew/.test(document.querySelector('.mm-file-words').textContent)", timeout=SLOW
        )
    finally:
        recognizer.delay = 0.0
    assert words(page, TALKING).startswith("13 answers.")
    assert len(saved(page)) == 13
    assert sum(url.endswith("/live/files") for url in begun) == 2


def test_it_is_cancelled_at_any_time(app: App, open_page: Callable[..., Any], clips: Path) -> None:
    page = open_page()
    recognizer: Any = app.worker.recognizer
    recognizer.delay = 0.3
    try:
        choose(page, clips / "jfk.flac", clips / TALKING)
        page.wait_for_function(
            "/Being scored: 0:0[1-9]/.test(document.querySelector('.mm-file-words').textContent)", timeout=SLOW
        )
        row(page, TALKING).get_by_role("button", name="Cancel").click()
        assert words(page, TALKING, "cancelled") == "Cancelled; nothing was sent."
        row(page, "jfk").get_by_role("button", name="Cancel").click()
        page.wait_for_function(
            "/^Cancelled. The server has deleted/.test(document.querySelector('.mm-file-words').textContent)"
        )
        assert len(app.server.files.uploads) == 0
    finally:
        recognizer.delay = 0.0
    choose(page, clips / "pyfeat_single_face.jpg")
    words(page, "pyfeat_single_face.jpg")


def test_a_page_that_goes_takes_its_file_along(app: App, open_page: Callable[..., Any], clips: Path) -> None:
    page = open_page()
    recognizer: Any = app.worker.recognizer
    recognizer.delay = 0.3
    try:
        choose(page, clips / "jfk.flac")
        page.wait_for_function("document.querySelector('.mm-river').dataset.answers > 1", timeout=SLOW)
        assert len(app.server.files.uploads) == 1
        page.close()
        assert until(lambda: len(app.server.files.uploads) == 0, 10)
    finally:
        recognizer.delay = 0.0


def test_the_live_run_goes_on_behind_the_other_tabs(open_page: Callable[..., Any], clips: Path) -> None:
    page = open_page("")
    start(page)
    page.keyboard.press("r")
    part(page, "sheet-told").check()
    part(page, "sheet").get_by_role("button", name="Record").click()
    page.wait_for_selector(".mm-record.mm-running", timeout=SLOW)
    page.get_by_role("tab", name="Live").press("ArrowRight")
    assert page.url.endswith("#file") and page.get_by_role("tab", name="File").get_attribute("aria-selected") == "true"
    assert "is recorded" in part(page, "goes-on").inner_text()
    before = int(page.locator(".mm-live").get_attribute("data-results"))
    frames = page.evaluate("document.querySelector('[data-part=video]').getVideoPlaybackQuality().totalVideoFrames")
    page.keyboard.press("r")  # is the live tab's, and would end the recording
    choose(page, clips / TALKING)
    words(page, TALKING)
    page.wait_for_function("n => document.querySelector('.mm-live').dataset.results > n", arg=before + 5, timeout=SLOW)
    assert (
        page.evaluate("document.querySelector('[data-part=video]').getVideoPlaybackQuality().totalVideoFrames") > frames
    )
    part(page, "goes-on-show").click()
    assert page.locator(".mm-record.mm-running").is_visible() and page.locator(".mm-live[data-phase=live]").count() == 1
    page.go_back()
    assert part(page, "panel-file").is_visible()
    page.go_back()
    with page.expect_download(timeout=SLOW):
        page.get_by_role("button", name="Stop").click()
    assert not page.locator(".mm-tabs .mm-running").count()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_objects_to_nothing(open_page: Callable[..., Any], clips: Path, theme: str) -> None:
    page = open_page(theme=theme)

    def findings() -> list[str]:
        found = axe.Axe().run(page, context=".mm-live").response["violations"]
        return [f"{v['id']} ({v['impact']}): {v['nodes'][0]['html'][:120]}" for v in found]

    assert findings() == []
    choose(page, clips / TALKING, clips / "pyfeat_single_face.jpg")
    words(page, "pyfeat_single_face.jpg")
    page.wait_for_timeout(400)  # bars that are growing have no contrast of their own
    assert findings() == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, "it scrolls sideways"
