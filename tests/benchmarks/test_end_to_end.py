"""The benchmark of the whole app: what it sums up and writes, and that page and client measure a running app."""

from __future__ import annotations

import contextlib
import itertools
import json
import time

import numpy as np
import pytest

from benchmarks import end_to_end
from benchmarks.support import app_process, client, watchers
from benchmarks.support.app_process import Answer, Setting, Snapshot
from benchmarks.support.engine_process import NotAvailable
from benchmarks.support.rows import WholeRow
from demo.app import App
from demo.session.protocol import SoundMessage, parse_binary
from tests.support.live import FollowingRecognizer
from tests.support.small_models import small_model, window
from tests.support.whole_rows import SETTING, FakeApp, whole


def test_summary_is_of_the_time_between_the_snapshots():
    row = whole(112)
    assert (row.answers_per_s, row.asked_per_s, row.frames_per_s) == (2.0, 5.0, 15.0)
    assert (row.p50_ms, row.p95_ms, row.drawn_p50_ms) == pytest.approx((400, 500, 310))
    assert (row.new_frames, row.new_sound, row.new_frames_counts) == (1.5, 0.5, {1: 10, 2: 10})
    assert (row.model_p50_ms, row.model_p95_ms) == (100.5, 101)
    assert (row.server_cpu, row.watcher_cpu) == pytest.approx((0.5, 0.1))
    line = "| bf16 | 112 | browser | page here | 2.00 (5.00) | 400 / 500 | 100 / 101 | 1.50, 50% | 15.0 | 50 / 10 |"
    assert end_to_end.line(row) == line
    assert line.count("|") == end_to_end.HEADER.splitlines()[1].count("|")


def test_an_app_that_never_answers_has_a_row_too():
    nothing = Snapshot(10.0, 1.0, 0, [])
    app, blank = FakeApp(), WholeRow("fp32", 224, "clip", "client")
    row = end_to_end.summary(blank, app, Snapshot(0.0, 0.0, 0, []), nothing, watchers.Seen([], [], 0.0))
    assert (row.answers_per_s, row.p50_ms, row.new_frames) == (0, None, None)
    assert "| 0.00 (5.00) | - / - | - / - | - |" in end_to_end.line(row)


def test_the_page_notes_are_on_the_clock_of_the_answers():
    shown = [{"time": 50.0, "written": 3.4, "drawn": 3.5}, {"time": 50.2, "written": 3.7, "drawn": None}]
    seen = watchers.seen_on_page(shown, 47.0, 1.5)
    assert seen.written == pytest.approx([0.4, 0.5])
    assert seen.drawn == pytest.approx([0.5])
    assert seen.cpu_s == 1.5


def test_the_client_sends_in_real_time_what_a_page_would():
    files, samples = [b"\xff\xd8" + bytes([k]) for k in range(3)], np.arange(1000, dtype="<i2")
    sent = list(itertools.islice(client.blocks(20.0, samples, 16_000), 3))
    parsed = [parse_binary(message) for _, message in sent]
    assert all(isinstance(block, SoundMessage) for block in parsed)
    assert [block.index for block in parsed] == [0, 512, 1024]
    assert [due for due, _ in sent] == pytest.approx([20.032, 20.064, 20.096])
    np.testing.assert_array_equal(np.concatenate([b.samples for b in parsed]), np.resize(samples, 1536))
    dues = [due for due, _ in itertools.islice(client.frames(20.0, files), 16)]
    assert dues[15] - dues[0] == pytest.approx(1.0)


def test_all_that_is_measured_is_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        end_to_end, "measure", lambda setting, seconds, cache: [whole(setting.size, setting.engine.precision, seconds)]
    )
    files = [tmp_path / "whole.json", tmp_path / "whole.png"]
    arguments = ["--sizes", "160", "112", "--seconds", "9", "--json", str(files[0]), "--plot", str(files[1])]
    assert end_to_end.main(arguments) == 0
    assert capsys.readouterr().out.count("| browser | page here | 2.22") == 4
    found = json.loads(files[0].read_text())
    measured = [(row["size"], row["precision"], row["seconds"]) for row in found["rows"]]
    assert measured == [(160, "bf16", 9), (160, "int8", 9), (112, "bf16", 9), (112, "int8", 9)]
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_what_cannot_run_is_listed_with_its_reason(monkeypatch):
    def refuse(*_):
        raise NotAvailable("there is no GPU")

    monkeypatch.setattr(end_to_end, "running_app", refuse)
    rows = end_to_end.measure(SETTING, 1.0, None)
    words = "| bf16 | 112 | browser | page here, client | not available: there is no GPU | | | | | |"
    assert [end_to_end.line(row) for row in rows] == [words]


def test_without_a_browser_the_client_still_measures(monkeypatch):
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

    def missing(_):
        raise sync_api.Error("Executable doesn't exist at /nowhere\nRun playwright install")

    pause = Snapshot(0.0, 0.0, 0, []), Snapshot(2.0, 1.0, 30, [Answer(1, True, 50.0)])
    monkeypatch.setattr(end_to_end, "running_app", lambda *_: contextlib.nullcontext(FakeApp()))
    monkeypatch.setattr(watchers.browser, "chromium", missing)
    monkeypatch.setitem(watchers.WATCHERS, "client", lambda *_: (*pause, watchers.Seen([0.1], [], 0.2)))
    page, client_row = end_to_end.measure(SETTING, 2.0, None)
    assert "| page here | not available: the page did not run: Executable doesn't exist" in end_to_end.line(page)
    assert (client_row.watcher, client_row.answers_per_s, client_row.reason) == ("client", 0.5, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sizes", "100", "90"], "--sizes must be among (112, 160, 224) px, got 90, 100"),
        (["--seconds", "0.5"], "--seconds must be 1 to 3600, got 0.5"),
        (["--weights", "nowhere.pth"], "nowhere.pth"),
    ],
)
def test_arguments_that_cannot_be_meant_end_with_one_sentence(arguments, words, capsys):
    assert end_to_end.main(arguments) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_the_recorder_notes_answers_and_no_checks():
    recorder = app_process.Recorder(small_model(), "pytorch", "cpu", "fp32")
    recorder.answers, recorder.exact = [], False
    step = recorder.streaming_step()
    prediction = recorder.predict(window(), step)
    recorder.predict(window())
    assert recorder.answers == [Answer(16, True, prediction.latency_ms)]
    recorder.exact = True
    prediction = recorder.predict(window())
    assert recorder.answers[1:] == [Answer(16, True, prediction.latency_ms)], "every answer of an exact app is one"


@pytest.fixture(params=["browser", "clip"])
def app(request, clips, monkeypatch):
    """An app with a quick stand-in for the model, as `benchmarks.support.app_process` would run it, and its source."""
    monkeypatch.setattr(watchers, "SETTLE", 1.0)
    source = request.param if request.param == "browser" else str(clips / "derived_face_jfk_6s_44k.mp4")
    made = App(source, load=FollowingRecognizer)
    url = made.launch()
    made.load()

    def snapshot():
        return Snapshot(time.monotonic(), 0.0, made.server.sessions[-1].counters.frames, [])

    fake = FakeApp(url, setting=Setting(SETTING.engine, 112, request.param))
    fake.snapshot = snapshot
    yield fake
    made.close()


@pytest.mark.parametrize("name", [pytest.param("page here", marks=pytest.mark.browser), "client"])
def test_a_watcher_measures_a_running_app(app, name):
    before, after, seen = watchers.WATCHERS[name](app, 3.0)
    assert after.time - before.time >= 2.9
    assert after.frames - before.frames > 5
    assert len(seen.written) > 2
    assert all(0 < delay < 3 for delay in seen.written), seen.written
    assert 0 < seen.cpu_s < 30
    late = [drawn - written for drawn, written in zip(seen.drawn, seen.written, strict=False)]
    assert all(wait > 0 for wait in late), late
    assert bool(late) == (name == "page here")
