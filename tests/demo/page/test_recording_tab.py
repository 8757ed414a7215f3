"""The Recording tab: a recording is opened, sought in, marked, saved and compared; what is none is told in words."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.app import App
from tests.support.made_recordings import write
from tests.support.pages import SLOW, pages_at, part, start

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

pytestmark = pytest.mark.browser
HOSTILE = '=1+1, "quoted"\t<img src=x onerror=window.harmed=1>'
MARKERS = [(1.0, "1", ""), (2.5, "", HOSTILE), (4.2, "3", "smile\nsmile")]


@pytest.fixture(scope="module")
def clip(clips: Path) -> Path:
    return clips / "derived_face_jfk_6s_44k.mp4"


@pytest.fixture
def open_page(app: App, browser: Any) -> Iterator[Callable[..., Any]]:
    with pages_at(app, browser, "#recording") as make:
        yield make


def opened(page: Any, *files: Path) -> Any:
    """Open recordings; return the tab."""
    part(page, "opened-input").set_input_files([str(file) for file in files])
    part(page, "marks").wait_for(timeout=SLOW)
    return part(page, "panel-recording")


def marked(page: Any) -> list[str]:
    return list(part(page, "marks-list").locator("li .mm-mark-text").all_inner_texts())


def saved(page: Any, path: Path) -> zipfile.ZipFile:
    with page.expect_download(timeout=SLOW) as download:
        part(page, "opened-save").click()
    made = path / download.value.suggested_filename
    download.value.save_as(made)
    held = zipfile.ZipFile(made)
    assert held.testzip() is None
    return held


def markers(held: zipfile.ZipFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(held.read("markers.csv").decode(), newline="")))


def test_what_the_page_has_recorded_is_opened_again(open_page: Callable[..., Any], tmp_path: Path) -> None:
    page = open_page("")
    start(page)
    page.wait_for_selector(".mm-top", timeout=SLOW)
    page.keyboard.press("r")
    part(page, "sheet-told").check()
    part(page, "sheet").get_by_role("button", name="Record").click()
    page.wait_for_selector(".mm-record.mm-running", timeout=SLOW)
    page.wait_for_timeout(4000)
    page.keyboard.press("7")
    with page.expect_download(timeout=SLOW) as download:
        page.get_by_role("button", name="Stop").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    about = json.loads(zipfile.ZipFile(path).read("metadata.json"))

    page.get_by_role("tab", name="Recording").click()
    tab = opened(page, path)
    river, video = tab.locator("[data-clip=canvas]"), tab.locator("video")
    assert int(river.get_attribute("data-answers")) == about["answers"] and marked(page) == ["7"]
    page.wait_for_function("v => Number.isFinite(v.duration)", arg=video.element_handle(), timeout=SLOW)
    river.click(position={"x": river.bounding_box()["width"] / 2, "y": 40})
    middle = about["seconds"] / 2
    page.wait_for_function(
        "([v, t]) => Math.abs(v.currentTime - t) < 0.3 && v.readyState > 1", arg=[video.element_handle(), middle]
    )
    assert tab.locator("[data-clip=label]").inner_text() in ("Happiness", "Surprise", "Mixed", "First guess")


def test_markers_are_added_changed_and_saved(open_page: Callable[..., Any], clip: Path, tmp_path: Path) -> None:
    page = open_page()
    original = write(
        tmp_path / "session-a.zip", clip, markers=MARKERS, further={"notes.txt": "kept", "report.html": "old"}
    )
    tab = opened(page, original)
    assert marked(page) == ["1", HOSTILE.replace("\t", " "), "3 smile smile"] and page.evaluate("window.harmed") is None
    river = tab.locator("[data-clip=canvas]")
    assert river.get_attribute("data-flags") == "3" and part(page, "opened-save").is_disabled()

    page.get_by_role("button", name="0:04.2: 3 smile").click()
    page.wait_for_function(
        "river => Math.abs(river.ariaValueNow - 4.2) < 0.05", arg=river.element_handle(), timeout=SLOW
    )
    page.keyboard.press("5")
    part(page, "marks-text").fill("by hand")
    page.keyboard.press("Enter")
    assert marked(page)[-3:] == ["3 smile smile", "5", "by hand"] and river.get_attribute("data-flags") == "5"
    page.get_by_role("button", name="Remove: 0:01.0 1").click()
    page.get_by_role("button", name="Remove: 0:02.5").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Edit: 0:04.2 5").click()
    form = part(page, "marks-list").locator("form")
    form.get_by_label("Seconds").fill("0.5")
    form.get_by_label("Text").fill("moved")
    page.keyboard.press("Enter")
    wanted = ["5 moved", HOSTILE.replace("\t", " "), "3 smile smile", "by hand"]
    assert marked(page) == wanted

    held = saved(page, tmp_path)
    assert held.filename.endswith("session-a-marked-1.zip")
    assert "report.html" in part(page, "opened-words").inner_text() and "report.html" not in held.namelist()
    old = zipfile.ZipFile(original)
    for name in ("video.mp4", "answers.csv", "notes.txt"):
        assert held.read(name) == old.read(name)
    rows = markers(held)
    assert [(row["key"], row["text"]) for row in rows] == [
        ("5", "moved"),
        ("", HOSTILE),
        ("3", MARKERS[2][2]),
        ("", "by hand"),
    ]
    assert (rows[0]["time_s"], rows[0]["time_utc"]) == ("0.500", "2026-11-27T10:00:00.500Z")
    assert rows[1] == markers(old)[1] and float(rows[3]["time_s"]) == pytest.approx(4.2, abs=0.05)
    about = json.loads(held.read("metadata.json"))
    assert about["markers"] == 4 and about["edits"][0]["markersBefore"] == 3 and about["edits"][0]["atUtc"]
    assert {**about, "edits": None, "markers": 3} == {**json.loads(old.read("metadata.json")), "edits": None}

    again = open_page()
    opened(again, Path(str(held.filename)))
    assert marked(again) == wanted


def test_changed_markers_are_not_lost(open_page: Callable[..., Any], clip: Path, tmp_path: Path) -> None:
    page = open_page()
    opened(page, write(tmp_path / "a.zip", clip, markers=MARKERS))
    page.locator("body").press("4")
    part(page, "opened-input").set_input_files(str(write(tmp_path / "b.zip", None)))
    page.wait_for_function("/not saved/.test(document.querySelector('[data-part=opened-words]').textContent)")
    assert len(marked(page)) == 4
    part(page, "opened-discard").click()
    assert len(marked(page)) == 3
    part(page, "opened-input").set_input_files(str(tmp_path / "b.zip"))
    page.wait_for_function("/alone/.test(document.querySelector('[data-part=opened-words]').textContent)")
    assert marked(page) == []


def bad_files(folder: Path, clip: Path) -> dict[str, tuple[Path, str]]:
    """Return files that are no recordings, and what is said of each."""
    good = write(folder / "good.zip", clip, markers=MARKERS).read_bytes()
    made = {
        "text": (b"once upon a time", "is no recording"),
        "nothing": (b"", "is no recording"),
        "cut short": (good[: len(good) // 2], "is damaged"),
        "a byte of the video": (good[:9000] + bytes([good[9000] ^ 255]) + good[9001:], "check sum of video.mp4"),
        "a byte of the list": (good[:-60] + b"\0\0\0\0" + good[-56:], "is damaged"),
    }
    files = {name: (folder / f"{name.replace(' ', '-')}.zip", words) for name, (_, words) in made.items()}
    for name, (path, _) in files.items():
        path.write_bytes(made[name][0])
    for name, changes, words in [
        ("newer", {"version": 3}, "version 3 of the form"),
        ("another form", {"format": "other"}, "no recording"),
        ("without classes", {"labels": None}, "metadata.json lacks"),
        ("a file that is a number", {"media": {"file": 5, "type": "video/mp4"}}, "metadata.json lacks"),
        ("other classes", {"labels": ["joy", "grief"]}, "answers.csv lacks columns"),
    ]:
        files[name] = write(folder / f"{name.replace(' ', '-')}.zip", None, **changes), words
    for name, tables, words in [
        ("any zip", {"a.txt": "a"}, "no recording"),
        (
            "no answers",
            {"metadata.json": zipfile.ZipFile(folder / "good.zip").read("metadata.json")},
            "answers.csv is missing",
        ),
        ("no JSON", {"metadata.json": "{"}, "metadata.json cannot be read"),
    ]:
        path = folder / f"{name.replace(' ', '-')}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as held:
            for title, text in tables.items():
                held.writestr(title, text)
        files[name] = path, words
    bomb = folder / "bomb.zip"
    write(bomb, None, packed=zipfile.ZIP_DEFLATED, further={"more": "x"})
    data = bytearray(bomb.read_bytes())
    at = data.index(b"answers.csv", data.index(b"PK\x01\x02")) - 46
    data[at + 24 : at + 28] = (1000).to_bytes(4, "little")  # it says that it is short, and is not
    bomb.write_bytes(data)
    files["longer than it says"] = bomb, "longer than it says"
    return files


def test_what_is_no_recording_is_told(open_page: Callable[..., Any], clip: Path, tmp_path: Path) -> None:
    page = open_page()
    for name, (path, words) in bad_files(tmp_path, clip).items():
        part(page, "opened-input").set_input_files(str(path))
        said = f"document.querySelector('[data-part=opened-words]').textContent.startsWith({json.dumps(path.name)})"
        page.wait_for_function(said, timeout=SLOW)
        told = part(page, "opened-words").inner_text()
        assert words in told, (name, told)
        assert part(page, "opened-curtain").is_visible()
    opened(page, tmp_path / "good.zip")


def test_two_are_compared(open_page: Callable[..., Any], clip: Path, tmp_path: Path) -> None:
    page = open_page()
    first = write(tmp_path / "a.zip", clip, seconds=6)
    other: dict[str, Any] = {"seconds": 12, "top": "sadness", "packed": zipfile.ZIP_DEFLATED, "streamed": True}
    second = write(tmp_path / "b.zip", None, markers=MARKERS, **other)
    tab = opened(page, first, second)
    part(page, "compare").wait_for(timeout=SLOW)
    table = [row.split() for row in part(page, "compare-rows").inner_text().splitlines()]
    shares = {row[0]: " ".join(row[1:]) for row in table}
    assert (
        shares["Happiness"] == "73 % 0 % −73"
        and shares["Sadness"] == "0 % 75 % +75"
        and shares["Anger"] == "27 % 25 % −2"
    )
    rivers = tab.locator("[data-clip=canvas]"), part(page, "compare-canvas")
    assert [river.get_attribute("aria-valuemax") for river in rivers] == ["12.0", "12.0"]
    rivers[1].click(position={"x": rivers[1].bounding_box()["width"] / 4, "y": 40})
    page.wait_for_function(
        "v => Math.abs(v.currentTime - 3) < 0.1", arg=tab.locator("video").element_handle(), timeout=SLOW
    )
    page.wait_for_function(
        "rivers => rivers.every(river => Math.abs(river.getAttribute('aria-valuenow') - 3) < 0.15)",
        arg=[river.element_handle() for river in rivers],
    )
    assert "sadness 82 %" in part(page, "compare-moment").inner_text()
    part(page, "compare-close").click()
    page.wait_for_function("r => r.getAttribute('aria-valuemax') === '6.0'", arg=rivers[0].element_handle())


def test_ten_thousand_markers_are_quick(open_page: Callable[..., Any], clip: Path, tmp_path: Path) -> None:
    page = open_page()
    many = [(i * 6 / 10_000, "", f"{i} {HOSTILE}") for i in range(10_000)]
    path = write(tmp_path / "many.zip", clip, markers=many)
    begun = time.monotonic()
    tab = opened(page, path)
    page.wait_for_function(
        "r => r.dataset.flags === '10000'", arg=tab.locator("[data-clip=canvas]").element_handle(), timeout=SLOW
    )
    assert time.monotonic() - begun < 5
    assert len(marked(page)) == 50 and part(page, "marks-count").inner_text() == "Markers 1 to 50 of 10,000"
    part(page, "marks-after").click()
    assert marked(page)[0].startswith("50 ")
    # A key that sets a marker, and a frame of a river that follows the player, take the time of one repaint or two.
    script = """async () => {
        const times = [];
        for (let i = 0; i < 5; i += 1) {
            const begun = performance.now();
            document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '4', bubbles: true }));
            times.push(performance.now() - begun);
            await new Promise(requestAnimationFrame);
        }
        return times.sort((a, b) => a - b)[2];
    }"""
    assert page.evaluate(script) < 150
    assert page.evaluate("window.harmed") is None
    held = saved(page, tmp_path)
    assert len(markers(held)) == 10_005


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_objects_to_nothing(open_page: Callable[..., Any], clip: Path, tmp_path: Path, theme: str) -> None:
    page = open_page(theme=theme)

    def findings() -> list[str]:
        found = axe.Axe().run(page, context=".mm-live").response["violations"]
        return [f"{v['id']} ({v['impact']}): {v['nodes'][0]['html'][:120]}" for v in found]

    assert findings() == []
    opened(page, write(tmp_path / "a.zip", clip, markers=MARKERS), write(tmp_path / "b.zip", None))
    part(page, "compare").wait_for(timeout=SLOW)
    page.get_by_role("button", name="Edit: 0:01.0").click()
    page.wait_for_timeout(400)  # bars that are growing have no contrast of their own
    assert findings() == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, "it scrolls sideways"
