"""`POST /live/markers`: into the server's recording, and to the pages; from whom, how many, and of what form."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from demo.recording import marker
from demo.recording.recording import Asked
from tests.support.live import running_app
from tests.support.waiting import until

TOKEN = "a-token-of-sixteen-and-more"


@pytest.fixture(scope="module")
def app(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("recordings")
    clip = str(clips / "derived_asl_sorry_jfk_2s_48k.mp4")
    with running_app(source=clip, recordings=folder, results_token=TOKEN) as made:
        yield made


@pytest.fixture(autouse=True)
def _rested(app: Any) -> None:
    app.server.markers.limit = marker.RateLimit()


def post(app: Any, body: Any, **headers: str) -> tuple[int, str]:
    """Return status and words of a request; ``x_y`` stands for the header x-y."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(f"{app.url}live/markers", data=data, headers=named, method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_marker_reaches_the_recording_and_the_pages(app: Any) -> None:
    with connect(f"{app.url.replace('http', 'ws')}live/ws", additional_headers={"Origin": app.url[:-1]}) as page:
        page.send(json.dumps({"type": "hello", "version": 1}))
        while (first := page.recv(timeout=20)) and "recording" not in str(first):
            pass
        app.server.recordings.begin(Asked("x", True, True))
        assert until(lambda: app.server.recordings.state()["running"]["seconds"] > 1.5)
        early = datetime.now(timezone.utc) - timedelta(seconds=0.5)
        assert json.loads(post(app, {"text": "now"})[1]).items() >= {"recorded": True, "pages": 1}.items()
        assert post(app, {"key": 3, "time_utc": early.isoformat()})[0] == 200
        told = []
        while len(told) < 2:
            message = page.recv(timeout=20)
            if isinstance(message, str) and (said := json.loads(message))["type"] == "marker":
                told.append(said)
    assert [(said["key"], said["text"]) for said in told] == [("", "now"), ("3", "")]
    assert told[0]["age"] < 0.3 and 0.4 < told[1]["age"] < 1.5
    kept = app.server.recordings.finish()
    lines = (kept.folder / "markers.csv").read_text(encoding="utf-8").splitlines()[1:]
    times = [float(line.split(",")[0]) for line in lines]
    assert [line.split(",")[2:] for line in lines] == [["", "now"], ["3", ""]]
    assert times[0] - times[1] == pytest.approx(0.5, abs=0.3)
    zero = datetime.fromisoformat(kept.about["startedUtc"].replace("Z", "+00:00"))
    assert times[1] == pytest.approx((early - zero).total_seconds(), abs=0.02)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"text", 400, "must be JSON"),
        (b"\xff\xfe", 400, "must be JSON"),
        (b"[" * 5000, 400, "must be JSON"),
        ([1], 400, "must be an object"),
        ({}, 400, 'needs a "text" or a "key"'),
        ({"text": "\x00\n"}, 400, 'needs a "text" or a "key"'),
        ({"text": "a" * 501}, 400, "500 characters"),
        ({"key": "0"}, 400, '"1" to "9"'),
        ({"key": True}, 400, '"1" to "9"'),
        ({"text": "x", "time_utc": "yesterday"}, 400, "with its zone"),
        ({"text": "x", "time_utc": "2026-11-27T10:00:00"}, 400, "with its zone"),
        ({"text": "x", "time_utc": 5}, 400, "with its zone"),
        ({"text": "x", "time_utc": "9999-01-01T00:00:00Z"}, 400, "ahead of the clock"),
        ({"text": "x", "colour": 1}, 400, "'colour'"),
        ({"text": "x" * 9000}, 413, "8192 bytes"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_marker_is_told_in_words(app: Any, body: Any, status: int, words: str) -> None:
    found = post(app, body)
    assert found[0] == status and words in found[1] and found[1].count("\n") == 1, found


def test_who_may_set_one(app: Any) -> None:
    foreign = {"Origin": "https://hostile.example"}
    status, words = post(app, {"text": "x"}, **foreign)
    assert status == 401 and "may not set markers" in words
    assert post(app, {"text": "x"}, x_forwarded_for="1.2.3.4")[0] == 401
    assert post(app, {"text": "x"}, x_forwarded_for="1.2.3.4", authorization=f"Bearer {TOKEN}")[0] == 200
    assert post(app, {"text": "x"}, authorization="Bearer wrong")[0] == 401


def test_too_many_are_refused_and_the_server_goes_on(app: Any) -> None:
    statuses = [post(app, {"text": str(number)})[0] for number in range(marker.AT_ONCE + 60)]
    assert set(statuses) == {200, 429} and statuses.count(200) >= marker.AT_ONCE
    time.sleep(2 / marker.PER_SECOND)
    assert until(lambda: post(app, {"text": "later"})[0] == 200, 5)
