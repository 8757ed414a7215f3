"""Settings hold at once, are kept, and stand in a recording; a chosen device that goes is waited for, then replaced."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.app import App
from tests.support.live import chromium_arguments, fake_devices
from tests.support.pages import SLOW, part, start

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = pytest.mark.browser
FAKE = "--use-fake-device-for-media-stream"
LABELS = "[window.tracks.video?.label, window.tracks.audio?.label]"
WATCHED = """
window.tracks = {};
window.sizes = [];
window.wishes = [];
const ask = MediaDevices.prototype.getUserMedia;
MediaDevices.prototype.getUserMedia = async function (constraints) {
  const stream = await ask.call(this, constraints);
  for (const track of stream.getTracks()) window.tracks[track.kind] = track;
  return stream;
};
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (typeof data === "string" && JSON.parse(data).type === "settings") window.wishes.push(JSON.parse(data));
  if (typeof data !== "string" && new Uint8Array(data.buffer ?? data)[0] === 1) {
    const jpeg = new Blob([new Uint8Array(data.buffer ?? data).slice(24)]);
    createImageBitmap(jpeg).then(({ width }) => window.sizes.push(width));
  }
  return send.call(this, data);
};
// The track ends as when its device is unplugged, and the device leaves the list until `back` is called.
const list = MediaDevices.prototype.enumerateDevices;
const away = new Set();
const told = () => navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
MediaDevices.prototype.enumerateDevices = async function () {
  return (await list.call(this)).filter(({ deviceId }) => !away.has(deviceId));
};
window.unplug = (kind) => {
  const track = window.tracks[kind];
  away.add(track.getSettings().deviceId);
  track.stop();
  track.onended();
  told();
};
window.back = () => {
  away.clear();
  told();
};
"""


@pytest.fixture(scope="module")
def browser(chromium: str | None, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a Chromium with two cameras and two microphones."""
    # A camera that plays a file would be the only one: these show Chromium's own picture.
    _, microphone = fake_devices(clips / "derived_face_jfk_6s_44k.mp4", tmp_path_factory.mktemp("devices"))
    arguments = [f"{FAKE}=device-count=2" if one == FAKE else one for one in chromium_arguments(None, microphone)]
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield made
        made.close()


@pytest.fixture
def open_page(app: App, context: Any) -> Iterator[Callable[..., Any]]:
    errors: list[str] = []

    def make(script: str = "") -> Any:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        page.add_init_script(WATCHED + script)
        page.goto(app.url)  # type: ignore[attr-defined]
        page.wait_for_selector(".mm-live[data-phase=idle]", timeout=SLOW)
        return page

    yield make
    assert not errors, errors


def live(page: Any) -> Any:
    start(page)
    page.wait_for_function("document.querySelector('.mm-live').dataset.results > 1", timeout=SLOW)
    return page


def field(page: Any, name: str) -> Any:
    return page.locator(f"[data-setting={name}]")


def kept(page: Any) -> dict[str, Any]:
    return dict(page.evaluate("JSON.parse(localStorage.getItem('mmadfer.settings'))"))


def session(app: App) -> Any:
    return app.server.sessions[-1]


def test_what_a_viewer_sets_holds_at_once_and_is_kept(app: App, open_page: Callable[..., Any]) -> None:
    page = live(open_page())
    assert session(app).smoothing == 0 and session(app).stream.least_interval == 0
    page.keyboard.press("s")
    assert part(page, "settings").is_visible()
    field(page, "smoothing").fill("2")
    field(page, "rate").select_option("1")
    field(page, "upload").select_option("320")
    field(page, "mirror").uncheck()
    assert part(page, "settings-smoothing").inner_text() == "2.0 s"
    page.wait_for_function("window.sizes.at(-1) === 320", timeout=SLOW)
    assert (session(app).smoothing, session(app).stream.least_interval) == (2, 1)
    results = "Number(document.querySelector('.mm-live').dataset.results)"
    page.evaluate(f"window.first = [{results}, performance.now()]")
    page.wait_for_function(f"{results} >= window.first[0] + 4", timeout=SLOW)
    seconds = page.evaluate("(performance.now() - window.first[1]) / 1000")
    assert seconds > 2.9, f"4 answers took {seconds:.1f} s, with one a second asked for"
    assert page.locator("video.mm-plain").count() == 1
    assert kept(page) == {"camera": "", "microphone": "", "smoothing": 2, "mirror": False, "upload": 320, "rate": 1}
    page.close(run_before_unload=False)

    again = live(open_page())
    assert again.evaluate("window.wishes") == [{"type": "settings", "smoothing": 2, "interval": 1}]
    again.keyboard.press("s")
    assert field(again, "smoothing").input_value() == "2" and not field(again, "mirror").is_checked()
    part(again, "settings-reset").click()
    again.wait_for_function("window.sizes.at(-1) === 480", timeout=SLOW)
    assert again.evaluate("window.wishes.at(-1)") == {"type": "settings", "smoothing": None, "interval": 0}
    assert part(again, "settings-smoothing").inner_text() == "0.0 s (as the server)"
    assert field(again, "mirror").is_checked() and again.locator("video.mm-plain").count() == 0


def test_camera_and_microphone_are_chosen_while_it_runs(open_page: Callable[..., Any]) -> None:
    page = live(open_page())
    before = page.evaluate(LABELS)
    page.keyboard.press("s")
    for name, kind in (("camera", "video"), ("microphone", "audio")):
        options = field(page, name).locator("option")
        page.wait_for_function(f"document.querySelectorAll('[data-setting={name}] option').length >= 3", timeout=SLOW)
        assert options.first.inner_text() == "The browser's default"
        other = next(text for text in options.all_inner_texts()[1:] if text not in before)
        field(page, name).select_option(label=other)
        page.wait_for_function(f"window.tracks.{kind}.label === {json.dumps(other)}", timeout=SLOW)
        assert page.evaluate(f"window.tracks.{kind}.readyState") == "live"
    after = page.evaluate(LABELS)
    assert after[0] != before[0] and after[1] != before[1]
    assert page.get_attribute(".mm-live", "data-phase") == "live"
    page.wait_for_function("document.querySelector('[data-part=settings-level]').value > -60", timeout=SLOW)
    assert part(page, "settings-level-words").inner_text().startswith("−")
    page.keyboard.press("Escape")
    page.evaluate("window.sizes.length = 0")
    page.wait_for_function("window.sizes.length > 3", timeout=SLOW)

    page.get_by_role("button", name="Stop").click()
    start(page)
    assert page.evaluate(LABELS) == after, "another device after Stop and Start"


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_chosen_camera_that_goes_is_waited_for_then_replaced(open_page: Callable[..., Any], comes_back: bool) -> None:
    page = live(open_page())
    page.keyboard.press("s")
    page.wait_for_function("document.querySelectorAll('[data-setting=camera] option').length >= 3", timeout=SLOW)
    standard = page.evaluate(LABELS)[0]
    chosen = next(t for t in field(page, "camera").locator("option").all_inner_texts()[1:] if t != standard)
    field(page, "camera").select_option(label=chosen)
    page.wait_for_function(f"window.tracks.video.label === {json.dumps(chosen)}", timeout=SLOW)
    page.evaluate("window.gone = performance.now(); window.unplug('video')")
    part(page, "notices").get_by_text("The chosen camera has gone: in 5 s another one is used").wait_for(timeout=SLOW)
    assert page.evaluate("window.tracks.video.readyState") == "ended", "another one was taken at once"
    if comes_back:
        page.evaluate("window.back()")
        page.wait_for_function("window.tracks.video.readyState === 'live'", timeout=SLOW)
        assert page.evaluate(LABELS)[0] == chosen
        assert page.evaluate("performance.now() - window.gone") < 5000
        return
    page.wait_for_function("window.tracks.video.readyState === 'live'", timeout=SLOW)
    assert page.evaluate("performance.now() - window.gone") >= 5000
    assert page.evaluate(LABELS)[0] == standard
    words = "The chosen camera is not there: the browser's default is used"
    part(page, "notices").get_by_text(words).wait_for(timeout=SLOW)
    assert page.get_attribute(".mm-live", "data-phase") == "live"
    assert field(page, "camera").locator("option:checked").inner_text() == "The chosen one (not there)"


BLOCKED = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"
DAMAGED = [
    "not json",
    "null",
    "[1, 2]",
    '"text"',
    '{"smoothing": 99, "upload": "640", "rate": null, "mirror": 1, "camera": 7, "microphone": {}}',
    '{"__proto__": {"upload": 320}, "constructor": 1, "smoothing": -1}',
    '{"smoothing": "2", "upload": -1, "extra": true}',
]


@pytest.mark.parametrize("held", [None, *DAMAGED])
def test_what_cannot_be_meant_or_kept_is_as_if_it_had_not_been_set(
    open_page: Callable[..., Any], held: str | None
) -> None:
    script = BLOCKED if held is None else f"localStorage.setItem('mmadfer.settings', {json.dumps(held)});"
    page = open_page(script)
    page.keyboard.press("s")
    shown = [field(page, name).input_value() for name in ("camera", "smoothing", "upload", "rate")]
    assert shown == ["", "0", "480", "0"] and field(page, "mirror").is_checked()
    field(page, "upload").select_option("640")
    assert field(page, "upload").input_value() == "640"


def test_a_recording_holds_the_settings_and_their_changes(open_page: Callable[..., Any]) -> None:
    page = live(open_page())
    page.keyboard.press("r")
    part(page, "sheet-told").check()
    part(page, "sheet").get_by_role("button", name="Record").click()
    page.wait_for_selector(".mm-record.mm-running", timeout=SLOW)
    part(page, "settings-open").click()
    page.wait_for_function("document.querySelector('[data-setting=camera]').disabled", timeout=SLOW)
    assert "While a recording runs" in part(page, "settings-devices").inner_text()
    field(page, "smoothing").fill("1.5")
    page.keyboard.press("r")  # no key of the page, while the sheet is open
    page.keyboard.press("Escape")
    page.wait_for_timeout(1500)
    with page.expect_download(timeout=SLOW) as download:
        part(page, "record").click()
    held = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    about = json.loads(held.read("metadata.json"))
    first, second = about["settings"]
    camera, microphone = page.evaluate(LABELS)
    assert first == {
        "from": 0,
        "camera": camera,
        "microphone": microphone,
        "smoothing": 0,
        "mirror": True,
        "upload": 480,
        "rate": 0,
    }
    assert second == {"from": second["from"], "smoothing": 1.5} and 0 < second["from"] < about["seconds"]
    assert about["toldBeforeStart"] is None
    rows = held.read("answers.csv").decode().splitlines()
    column = rows[0].split(",").index("smoothing_s")
    assert rows[-1].split(",")[column] == "1.50"


def test_with_a_public_link_nothing_starts_before_the_people_in_view_know(
    app: App, open_page: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert part(open_page(), "told-row").is_hidden()
    monkeypatch.setattr(app.server, "shared_publicly", True)
    page = open_page()
    button = page.get_by_role("button", name="Start")
    assert part(page, "told").is_visible() and button.is_disabled()
    page.get_by_text("The people in view have been told").click()
    assert button.is_enabled()
    part(page, "told").uncheck()
    assert button.is_disabled()
    part(page, "told").check()
    live(page)
    page.keyboard.press("r")
    part(page, "sheet-told").check()
    part(page, "sheet").get_by_role("button", name="Record").click()
    page.wait_for_selector(".mm-record.mm-running", timeout=SLOW)
    with page.expect_download(timeout=SLOW) as download:
        part(page, "record").click()
    held = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert json.loads(held.read("metadata.json"))["toldBeforeStart"] is True
    page.get_by_role("button", name="Stop").click()
    assert button.is_enabled()


@pytest.mark.parametrize(("source", "words"), [("local", "--camera"), ("clip", "--source")])
def test_of_a_source_of_the_server_only_what_applies_is_shown(
    app: App, open_page: Callable[..., Any], source: str, words: str
) -> None:
    page = open_page()
    info = {"source": source, "smoothing": 0.5}
    script = """async (info) => {
        const { SettingsSheet } = await import(new URL('live/page/settings_sheet.js', location));
        const { Settings } = await import(new URL('live/page/settings.js', location));
        const parts = Object.fromEntries([...document.querySelectorAll('[data-part]')].map(p => [p.dataset.part, p]));
        const live = { model: () => null, locked: () => false, meter() {} };
        const sheet = new SettingsSheet(parts, new Settings(() => {}), live);
        sheet.setServer(info);
        sheet.open();
    }"""
    page.evaluate(script, info)
    assert not field(page, "camera").is_visible() and not field(page, "smoothing").is_visible()
    assert field(page, "mirror").is_visible() and not field(page, "mirror").is_checked()
    assert words in part(page, "settings-source").inner_text()
    assert "python -m demo.live --weights" in part(page, "settings").inner_text()


BROKEN_ONCE = """
const Made = window.VideoFrame;
window.broken = 0;
window.VideoFrame = function (...given) {
  if (window.broken++ < 5) throw new DOMException('Invalid source state', 'InvalidStateError');
  return new Made(...given);
};
"""


def test_frames_go_on_where_some_could_not_be_taken(open_page: Callable[..., Any]) -> None:
    page = open_page(BROKEN_ONCE)
    start(page)
    page.wait_for_function("window.broken > 8 && window.sizes.length > 3", timeout=SLOW)
