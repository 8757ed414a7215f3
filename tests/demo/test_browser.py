"""The page in a real Chromium with a real clip as its camera and microphone; frames and sound are counted in Python."""

from __future__ import annotations

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from demo.app import App
from demo.session.session import Session
from mmadfer.outputs.schema import Output, columns
from tests.support.live import FollowingRecognizer, chromium_arguments, fake_devices, running_app
from tests.support.pages import SLOW, part, reading, start
from tests.support.places import ROOT
from tests.support.waiting import until

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
Page = Any

pytestmark = pytest.mark.browser
FASTEST = 5  # frames/s that must come through even on a busy machine; benchmarks/live.py measures the real figure


@pytest.fixture(scope="module")
def devices(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return fake_devices(clips / "derived_face_jfk_6s_44k.mp4", tmp_path_factory.mktemp("devices"))


@pytest.fixture(scope="module")
def launch(chromium: str | None) -> Iterator[Callable[..., Any]]:
    """Start a Chromium with further arguments."""
    with sync_api.sync_playwright() as playwright:
        yield lambda arguments: playwright.chromium.launch(executable_path=chromium, args=arguments)


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any], devices: tuple[Path, Path]) -> Iterator[Any]:
    made = launch(chromium_arguments(*devices))
    yield made
    made.close()


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with running_app(max_sessions=2) as made:
        yield made


@pytest.fixture
def open_page(app: App, browser: Any) -> Iterator[Callable[..., Page]]:
    """Open the app in a tab of its own; an error in the page's code fails the test."""
    contexts, errors = [], []

    def make(url: str | None = None, browser: Any = browser, script: str = "", **options: Any) -> Page:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if script:
            page.add_init_script(script)
        page.goto(url or app.url)  # type: ignore[attr-defined]
        page.wait_for_selector(".mm-live:not([hidden]):not([data-phase=opening])", timeout=SLOW)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not errors, errors
    assert until(lambda: not app.server.sessions, 2.0), "a session outlived its tab by 2 s"


def phase(page: Page, name: str) -> None:
    page.wait_for_selector(f".mm-live[data-phase={name}]", timeout=SLOW)


def results(page: Page, more: int = 1) -> None:
    """Wait until the page has shown ``more`` further answers."""
    script = "wanted => Number(document.querySelector('.mm-live').dataset.results ?? 0) >= wanted"
    before = int(page.locator(".mm-live").get_attribute("data-results") or 0)
    page.wait_for_function(script, arg=before + more, timeout=SLOW)


def what_is_drawn(page: Page, seconds: float = 3.0) -> tuple[int, int]:
    """Return how many different sets of bars and pictures of the spectrogram the page shows over a time."""
    bars, pictures = set(), set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        bars.add(part(page, "bars").inner_text())
        pictures.add(page.evaluate("document.querySelector('[data-part=spectrogram]').toDataURL()"))
        page.wait_for_timeout(150)
    return len(bars), len(pictures)


def test_face_and_voice_reach_the_model_and_its_answers_the_page(app: App, open_page: Callable[..., Page]) -> None:
    page = open_page()
    start(page)
    results(page, 3)
    session = app.server.sessions[0]
    before, begun = session.counters, time.monotonic()
    bars, pictures = what_is_drawn(page, 5.0)
    after, taken = session.counters, time.monotonic() - begun
    assert (after.frames - before.frames) / taken > FASTEST
    assert (after.sound_seconds - before.sound_seconds) / taken == pytest.approx(1.0, abs=0.1)
    assert after.index_gaps == 0
    assert bars > 3 and pictures > 3, (bars, pictures)
    assert part(page, "overlay").get_attribute("data-face") == "yes"
    reading(page)
    assert re.fullmatch(r"\d+ / s", part(page, "fps").inner_text())
    assert re.fullmatch(r"[\d.]+ m?s", part(page, "latency").inner_text())
    assert part(page, "device").inner_text() == "Weights: brightness and loudness"
    assert "test weights" in part(page, "details").text_content()
    assert not part(page, "untrained").is_visible()
    window = app.worker.recognizer.windows[-1]  # type: ignore[union-attr]
    assert len(window.crops) == 16 and window.sample_rate == 44_100
    assert abs(window.waveform.shape[1] / 44_100 - 3.0) < 0.3


def test_without_answers_the_check_above_would_fail(
    app: App, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "on_result", lambda *_: None)
    monkeypatch.setattr(Session, "on_sound", lambda *_: None)
    page = open_page()
    start(page)
    page.wait_for_timeout(1000)
    assert what_is_drawn(page) == (1, 1)


def test_stop_start_again_and_reload(app: App, open_page: Callable[..., Page]) -> None:
    page = open_page()
    for leave in ("stop", "reload"):
        start(page)
        results(page, 2)
        if leave == "stop":
            page.get_by_role("button", name="Stop").click()
            phase(page, "stopped")
            assert page.evaluate("document.querySelector('[data-part=video]').srcObject") is None
        else:
            page.once("dialog", lambda dialog: dialog.accept())
            with page.expect_event("dialog", timeout=SLOW) as asked:
                page.reload()
            assert asked.value.type == "beforeunload", "what was not saved would have been lost without a word"
            phase(page, "idle")
        assert until(lambda: not app.server.sessions, 2.0), f"the session outlived the {leave} by 2 s"
    start(page)
    results(page, 2)


def test_two_tabs_are_apart_and_a_third_waits_for_its_place(app: App, open_page: Callable[..., Page]) -> None:
    first, second = open_page(), open_page()
    start(first)
    start(second)
    results(second, 3)
    before = [session.counters for session in app.server.sessions]
    first.wait_for_timeout(3000)
    after = [session.counters for session in app.server.sessions]
    assert len(after) == 2
    for old, new in zip(before, after, strict=True):
        assert new.frames - old.frames > 3
        assert new.sound_seconds - old.sound_seconds == pytest.approx(3.0, abs=0.6)
        assert new.index_gaps == 0
    third = open_page()
    third.get_by_role("button", name="Start").click()
    phase(third, "full")
    for _ in range(12):  # longer than the pause after which it asks again
        third.wait_for_timeout(500)
        assert third.locator(".mm-live").get_attribute("data-phase") == "full"
    assert part(third, "phase-title").inner_text() == "Server full"
    first.context.close()
    phase(third, "live")
    results(third, 2)


def test_refused_permission_is_told_in_words(
    app: App, launch: Callable[..., Any], devices: tuple[Path, Path], open_page: Callable[..., Page]
) -> None:
    strict = launch(chromium_arguments(*devices, allow=False))
    page = open_page(browser=strict)
    page.get_by_role("button", name="Start").click()
    phase(page, "refused")
    assert "refused" in part(page, "phase-title").inner_text()
    assert page.get_by_role("button", name="Start").is_visible()
    assert until(lambda: not app.server.sessions, 2.0)
    strict.close()


WITHOUT = """
const list = MediaDevices.prototype.enumerateDevices;
window.without = %s;
MediaDevices.prototype.enumerateDevices = async function () {
  return (await list.call(this)).filter((device) => !window.without.includes(device.kind));
};
"""


@pytest.mark.parametrize(
    ("kind", "words", "state"),
    [("videoinput", "No camera", "voice alone"), ("audioinput", "No microphone", "face alone")],
)
def test_one_device_is_enough_and_the_other_may_come_later(
    open_page: Callable[..., Page], kind: str, words: str, state: str
) -> None:
    page = open_page(script=WITHOUT % f"['{kind}']")
    start(page)
    results(page, 2)
    assert words in part(page, "notices").inner_text() and state in part(page, "notices").inner_text()
    page.evaluate("window.without = []; navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    part(page, "notices").get_by_text("Face and voice are coming in").wait_for(timeout=SLOW)


ASKED = """
const ask = MediaDevices.prototype.getUserMedia;
window.refused = "%s";
window.tracks = [];
MediaDevices.prototype.getUserMedia = async function (wanted) {
  if (wanted[window.refused]) throw new DOMException("Permission denied", "NotAllowedError");
  const stream = await ask.call(this, wanted);
  window.tracks.push(...stream.getTracks());
  return stream;
};
"""
RUNNING = "window.tracks.filter((track) => track.readyState === 'live').map((track) => track.kind).sort().join()"


@pytest.mark.parametrize(
    ("refused", "words"), [("audio", "The microphone was refused"), ("video", "The camera was refused")]
)
def test_where_one_device_is_refused_the_other_is_read(
    open_page: Callable[..., Page], refused: str, words: str
) -> None:
    page = open_page(script=ASKED % refused)
    start(page)
    results(page, 2)
    assert words in part(page, "notices").inner_text()
    assert page.evaluate(RUNNING) == {"audio": "video", "video": "audio"}[refused]


def test_no_device_stays_open_behind_the_page(open_page: Callable[..., Page]) -> None:
    page = open_page(script=ASKED % "audio")
    start(page)
    change = "navigator.mediaDevices.dispatchEvent(new Event('devicechange'));"
    page.evaluate(f"window.refused = ''; {change * 3}")
    part(page, "notices").get_by_text("Face and voice are coming in").wait_for(timeout=SLOW)
    page.wait_for_timeout(500)
    assert page.evaluate(RUNNING) == "audio,video"
    page.get_by_role("button", name="Stop").click()
    phase(page, "stopped")
    assert page.evaluate(RUNNING) == ""


def test_no_device_at_all_is_told_and_noticed_when_one_comes(open_page: Callable[..., Page]) -> None:
    page = open_page(script=WITHOUT % "['videoinput', 'audioinput']")
    page.get_by_role("button", name="Start").click()
    phase(page, "devices")
    page.evaluate("window.without = []; navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    phase(page, "live")
    results(page, 2)


def test_a_camera_that_goes_is_told_and_sound_goes_on(app: App, open_page: Callable[..., Page]) -> None:
    page = open_page()
    start(page)
    results(page, 2)
    page.evaluate(
        """() => { const track = document.querySelector('[data-part=video]').srcObject.getVideoTracks()[0];
                   track.stop(); track.dispatchEvent(new Event('ended')); }"""
    )
    part(page, "notices").get_by_text("The camera has gone").wait_for(timeout=SLOW)
    heard = app.server.sessions[0].counters.sound_seconds
    assert until(lambda: app.server.sessions[0].counters.sound_seconds > heard + 1)
    page.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    part(page, "notices").get_by_text("Face and voice are coming in").wait_for(timeout=SLOW)


def test_an_address_without_https_is_told(
    app: App, launch: Callable[..., Any], devices: tuple[Path, Path], open_page: Callable[..., Page]
) -> None:
    rule = "--host-resolver-rules=MAP emotions.example 127.0.0.1"
    foreign = launch([*chromium_arguments(*devices), rule])
    page = open_page(app.url.replace("127.0.0.1", "emotions.example"), browser=foreign)  # type: ignore[attr-defined]
    phase(page, "insecure")
    assert "https" in part(page, "phase-detail").inner_text()
    assert page.get_by_role("button", name="Start").is_disabled()
    foreign.close()


def test_a_narrow_page_fits_and_is_used_by_keyboard(open_page: Callable[..., Page]) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for _ in range(5):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.part") == "start":
            break
    page.keyboard.press("Enter")
    phase(page, "live")
    results(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.wait_for_function(
        "/^(Happiness|Surprise)$/.test(document.querySelector('[data-part=announce][role=status]').textContent)",
        timeout=SLOW,
    )


SAVE = """() => {
    const bars = [...document.querySelectorAll('.mm-bar')].map(bar => [bar.dataset.name, Number(bar.dataset.value)]);
    document.querySelector('[data-part=save]').click();
    return { bars, word: document.querySelector('[data-part=label]').textContent };
}"""  # in one turn, between two answers


def test_results_are_saved_as_csv(open_page: Callable[..., Page], tmp_path: Path) -> None:
    app = App(load=FollowingRecognizer, smoothing=1.0)
    try:
        url = app.launch()
        labels = app.load().spec.labels
        page = open_page(url)
        start(page)
        results(page, 5)
        reading(page)
        with page.expect_download() as download:
            shown = page.evaluate(SAVE)
        download.value.save_as(tmp_path / "out.csv")
    finally:
        app.close()
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        rows = list(table)
    assert table.fieldnames == [column.name for column in columns(Output.PAGE, labels)]
    assert len(rows) > 4
    for row in rows:
        smoothed = {name: float(row[f"smoothed_{name}"]) for name in labels}
        assert sum(smoothed.values()) == pytest.approx(1, abs=1e-3)
        assert sum(float(row[name]) for name in labels) == pytest.approx(1, abs=1e-3)
        assert row["label"] in ("", max(smoothed, key=smoothed.__getitem__))
    assert any(row[name] != row[f"smoothed_{name}"] for row in rows for name in labels), "nothing was smoothed"
    last = rows[-1]
    assert [[f"smoothed_{name}", f"{value:.4f}"] for name, value in shown["bars"]] == [
        [name, cell] for name, cell in last.items() if name.startswith("smoothed_")
    ]
    assert shown["word"].lower() == last["label"] != ""
    empty = [name for name, cell in last.items() if cell == "" and name != "states"]
    # These weights do not bear the absence of a half, and have no step that could drift.
    assert [name for name in empty if "alone_" not in name and name != "drift"] == []
    assert (last["file"], last["weights"], last["has_audio"]) == ("live", "brightness and loudness", "1")
    assert "test weights" in last["engine"] and float(last["face_width"]) > 30
    begun, ended = (datetime.fromisoformat(row["time_utc"].replace("Z", "+00:00")) for row in (rows[0], last))
    assert rows[0]["time_s"] == "0.000"
    assert float(last["time_s"]) == pytest.approx((ended - begun).total_seconds(), abs=0.003)
    assert abs((datetime.now(timezone.utc) - ended).total_seconds()) < 60


SAVE_TWICE = """async models => {
    const { Results } = await import(new URL('live/page/results.js', location));
    const results = new Results(document.createElement('button')), blobs = [];
    for (const model of models) {
        results.setModel(model);
        const even = model.labels.map(() => 1 / model.labels.length);
        for (const time of [100, 100.25]) results.push(time, {
            label: model.labels[0], states: ['no face', 'silence'], face: null, hasAudio: false, modelMs: 12.4,
            rawProbabilities: even, probabilities: even });
    }
    URL.createObjectURL = blob => { blobs.push(blob); return 'about:blank'; };
    HTMLAnchorElement.prototype.click = () => {};
    results.save();
    return Promise.all(blobs.map(blob => blob.text()));
}"""


def test_other_classes_get_a_file_of_their_own_and_any_name_is_kept(open_page: Callable[..., Page]) -> None:
    classes = (("anger", "joy"), ('sad, "quoted"', "=1", "__proto__"))
    models = [
        {
            "labels": labels,
            "columns": [{"name": c.name, "decimals": c.decimals} for c in columns(Output.PAGE, labels)],
            "weights": 'w "x", y',
            "description": "none",
        }
        for labels in classes
    ]
    saved = open_page().evaluate(SAVE_TWICE, models)
    for text, labels in zip(saved, classes, strict=True):
        rows = list(csv.DictReader(text.splitlines()))
        assert list(rows[0]) == [column.name for column in columns(Output.PAGE, labels)]
        for row in rows:
            assert {row[name] for name in labels} == {f"{1 / len(labels):.4f}"}
            assert (row["label"], row["states"], row["weights"]) == (labels[0], "no face; silence", 'w "x", y')
            assert (row["face_x"], row["has_audio"], row["latency_ms"]) == ("", "0", "12")
        assert float(rows[1]["time_s"]) - float(rows[0]["time_s"]) == 0.25


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def prepare_server(port: int) -> subprocess.Popen[str]:
    """Start a process that has everything imported and serves once it is told to."""
    command = [sys.executable, "-m", "tests.support.live", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)


def serve(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith("http")


def test_after_a_killed_server_the_page_goes_on_by_itself(open_page: Callable[..., Page]) -> None:
    port = free_port()
    servers = [prepare_server(port), prepare_server(port)]
    try:
        serve(servers[0])
        page = open_page(f"http://127.0.0.1:{port}/")
        start(page)
        results(page, 2)
        servers[0].send_signal(signal.SIGKILL)
        servers[0].wait()
        phase(page, "retrying")
        assert "Connection lost" in part(page, "phase-title").inner_text()
        serve(servers[1])
        page.wait_for_selector(".mm-live[data-phase=live]", timeout=3 * SLOW)
        page.evaluate("document.querySelector('.mm-live').dataset.results = 0")
        results(page, 2)
    finally:
        for server in servers:
            server.kill()


def test_a_clip_is_shown_to_all_who_watch(open_page: Callable[..., Page], clips: Path) -> None:
    app = App(str(clips / "derived_face_jfk_6s_44k.mp4"), load=FollowingRecognizer)
    try:
        url = app.launch()
        app.load()
        pages = [open_page(url), open_page(url)]
        for page in pages:
            phase(page, "live")
            results(page, 3)
            page.wait_for_selector("[data-part=overlay][data-face=yes]", timeout=SLOW)
            assert not part(page, "start").is_visible()
        assert len(app.server.sessions) == 1
        bars, pictures = what_is_drawn(pages[0])
        assert bars > 2 and pictures > 2, (bars, pictures)
        with pages[0].expect_download() as download:
            part(pages[0], "save").click()
        rows = list(csv.DictReader(Path(download.value.path()).read_text("utf-8").splitlines()))
        assert {row["file"] for row in rows} == {"derived_face_jfk_6s_44k.mp4"}
        assert min(float(row["time_s"]) for row in rows) >= 0 and max(float(row["time_s"]) for row in rows) < 6.55
        assert part(pages[0], "latency").inner_text() == "–"
    finally:
        app.close()


def test_the_real_model_end_to_end_with_untrained_weights(open_page: Callable[..., Page]) -> None:
    app = App(
        weights="untrained", backend="pytorch"
    )  # an engine that compiles the model first would take most of a minute
    try:
        page = open_page(app.launch())
        page.get_by_role("button", name="Start").click()
        page.wait_for_selector(".mm-live[data-phase=live]", timeout=7 * SLOW)
        page.wait_for_selector(".mm-live[data-results]", timeout=4 * SLOW)
        assert part(page, "untrained").is_visible()
        assert "mean nothing" in part(page, "untrained").inner_text()
        assert part(page, "label").inner_text() == "No reading"
        assert part(page, "device").inner_text() == "Untrained weights"
        results(page, 1)
    finally:
        app.close()
