"""The socket and the routes: sessions apart from each other, hostile messages, places, and their end."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import demo.server.page_messages
from demo.app import App
from demo.session.protocol import Close, Kind, pack
from mmadfer.media.media_file import open_media
from tests.support.bad_messages import BAD_BINARY, BAD_TEXT
from tests.support.live import FollowingRecognizer, running_app
from tests.support.waiting import until

RATE = 44_100
HELLO = json.dumps({"type": "hello", "version": 1})
SOUND = json.dumps({"type": "sound", "sampleRate": RATE})


class Page:
    """A page as the server sees it."""

    def __init__(self, url: str, hello: bool = True, **headers: str) -> None:
        address = url.replace("http", "ws") + "live/ws"
        self.connection = connect(address, max_size=None, additional_headers=headers, open_timeout=20)
        self.socket: ClientConnection = self.connection.__enter__()
        self.sequence = 0
        self.index = 0
        if hello:
            self.socket.send(HELLO)
            self.welcome = self.next()

    def next(self, kind: str | None = None) -> dict[str, Any]:
        """Return the next message in words, of type ``kind`` where one is given."""
        while True:
            message = self.socket.recv(timeout=10)
            if isinstance(message, str) and (kind is None or json.loads(message)["type"] == kind):
                return json.loads(message)

    def send_frame(self, jpeg: bytes) -> None:
        self.socket.send(pack(Kind.VIDEO, 1 + self.sequence / 15, self.sequence, jpeg))
        self.sequence += 1

    def send_sound(self, seconds: float = 0.1) -> None:
        samples = (3000 * np.sin(np.arange(int(seconds * RATE)) / 20)).astype("<i2")
        self.socket.send(pack(Kind.SOUND, 1 + self.index / RATE, self.index, samples.tobytes()))
        self.index += len(samples)

    def closed(self) -> int:
        """Read until the server closes, and return the code."""
        try:
            while True:
                self.socket.recv(timeout=10)
        except ConnectionClosed as error:
            assert error.rcvd is not None
            return error.rcvd.code


@pytest.fixture(scope="module")
def face_jpeg(clips: Path) -> bytes:
    _, rgb = next(open_media(clips / "pyfeat_single_face.mp4").frames())
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with running_app(max_sessions=3) as made:
        yield made


@pytest.fixture
def open_page(app: App) -> Iterator[Callable[..., Page]]:
    pages: list[Page] = []

    def make(**options: Any) -> Page:
        assert until(lambda: len(app.server.sessions) == len([p for p in pages if p.socket.state == 1]))
        pages.append(Page(app.url, **options))  # type: ignore[attr-defined]
        return pages[-1]

    yield make
    for page in pages:
        page.socket.close()
    assert until(lambda: not app.server.sessions, 2.0), "a session outlived its page by 2 s"


def test_a_page_gets_a_box_for_its_frames_and_an_answer(open_page: Callable[..., Page], face_jpeg: bytes) -> None:
    page = open_page()
    assert page.welcome["type"] == "welcome"
    assert page.welcome["labels"][0] == "happiness"
    page.socket.send(SOUND)
    for _ in range(3):
        page.send_sound()
        page.send_frame(face_jpeg)
        assert page.next("frame")["box"] is not None
    result = page.next("result")
    for name in ("probabilities", "rawProbabilities"):
        assert sum(result[name]) == pytest.approx(1, abs=1e-3)
    assert len(result["face"]) == 4
    assert result["label"] in page.welcome["labels"]
    assert "window filling" in result["states"]
    assert (result["restsOn"], result["temperature"], result["unsureBelow"], result["unsure"]) == ("face", 1, 0, False)
    assert page.welcome["unsureError"] == 0


@pytest.mark.parametrize("message", [m for m, _ in BAD_BINARY.values()] + [*BAD_TEXT.values()])
def test_a_hostile_page_is_told_and_sent_away_while_another_goes_on(
    open_page: Callable[..., Page], face_jpeg: bytes, message: bytes | str
) -> None:
    good, bad = open_page(), open_page()
    good.send_frame(face_jpeg)
    bad.socket.send(SOUND)
    bad.socket.send(message)
    error = bad.next("error")
    assert len(error["message"].split()) > 4, error
    assert bad.closed() == error["code"]
    good.send_frame(face_jpeg)
    while good.next("frame")["sequence"] != good.sequence - 1:
        pass


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([pack(Kind.VIDEO, 1.0, 0, b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01" + bytes(16))], "decoded"),
        ([pack(Kind.SOUND, 1.0, 0, bytes(1024))], "sample rate"),
        ([SOUND, pack(Kind.SOUND, 1.0, 0, bytes(1024)), pack(Kind.SOUND, 1.0, 10**12, bytes(1024))], "jumped"),
        ([SOUND, *[pack(Kind.SOUND, 1.0, n * 441_000, bytes(882_000)) for n in range(200)]], "ahead of real time"),
    ],
    ids=["a JPEG of rubbish", "sound without a rate", "a wild index", "a flood of sound"],
)
def test_a_page_that_breaks_the_rules_later_on_is_told_why(
    open_page: Callable[..., Page], messages: list[str | bytes], words: str
) -> None:
    page = open_page()
    try:
        for message in messages:
            page.socket.send(message)
    except ConnectionClosed:
        pass  # the server may have had enough before the last one
    assert words in page.next("error")["message"]


@pytest.mark.parametrize("first", [SOUND, pack(Kind.SOUND, 1.0, 0, b"\x00\x00"), "nonsense"])
def test_the_hello_comes_first(open_page: Callable[..., Page], first: str | bytes) -> None:
    page = open_page(hello=False)
    page.socket.send(first)
    assert page.next()["type"] == "error"
    assert page.closed() in (Close.POLICY, Close.BAD_DATA)


def test_who_says_nothing_loses_the_place(
    app: App, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo.server.page_messages, "HELLO_TIMEOUT", 0.2)
    page = open_page(hello=False)
    assert "no hello" in page.next()["message"]
    assert page.closed() == Close.POLICY


def test_a_full_server_says_so_and_a_place_is_free_again_after_one_leaves(
    app: App, open_page: Callable[..., Page]
) -> None:
    pages = [open_page() for _ in range(3)]
    late = Page(app.url)  # type: ignore[attr-defined]
    assert late.welcome["type"] == "full"
    assert late.closed() == Close.TRY_LATER
    pages[1].socket.close()
    assert open_page().welcome["type"] == "welcome"


def test_who_says_nothing_takes_no_place_and_not_too_many_may(app: App) -> None:
    url = app.url  # type: ignore[attr-defined]
    silent = [Page(url, hello=False) for _ in range(demo.server.page_messages.MOST_SILENT_OF_ONE)]
    assert until(lambda: app.server._greeting.waiting == len(silent), 10)
    one_more = Page(url, hello=False)
    assert one_more.next()["type"] == "full" and one_more.closed() == Close.TRY_LATER
    silent[0].socket.send(HELLO)
    assert silent[0].next("welcome"), "silent connections have taken the places"
    silent[1].socket.close()
    assert until(lambda: app.server._greeting.waiting == len(silent) - 2, 10)
    last = Page(url)
    assert last.welcome["type"] == "welcome"
    for page in (*silent, one_more, last):
        page.socket.close()
    assert until(lambda: not app.server._greeting.waiting and not app.server.sessions, 10)


def test_a_message_is_read_no_further_than_it_is_taken(app: App) -> None:
    page = Page(app.url, hello=False)  # type: ignore[attr-defined]
    with contextlib.suppress(ConnectionClosed):
        page.socket.send(b"\x01" + bytes(8 << 20))
    assert page.closed() == Close.TOO_BIG
    assert app._page.server.config.ws_max_size < 2 << 20  # type: ignore[union-attr]


def test_a_closed_page_frees_its_session_and_thread(app: App, open_page: Callable[..., Page]) -> None:
    page = open_page()
    name = f"intake-{app.server.sessions[0].stream.number}"
    assert name in [thread.name for thread in threading.enumerate()]
    start = time.monotonic()
    page.socket.socket.shutdown(socket.SHUT_RDWR)  # as a browser that was killed: no goodbye
    assert until(lambda: not app.server.sessions and name not in [t.name for t in threading.enumerate()], 5.0)
    assert time.monotonic() - start < 2.0


def test_while_the_model_loads_the_page_is_there_and_says_so() -> None:
    ready = threading.Event()

    def load() -> FollowingRecognizer:
        ready.wait(20)
        raise ValueError("weights.pth is cut short")

    app = App(load=load)
    url = app.launch()
    try:
        assert get(url + "live/info")["model"] == "loading"
        assert Page(url).welcome["type"] == "loading"
        ready.set()
        with pytest.raises(ValueError, match="cut short"):
            app.load()
        assert get(url + "live/info") | {"maxSessions": 0} == {
            "source": "browser",
            "share": False,
            "smoothing": 0.0,
            "maxSessions": 0,
            "model": "failed",
            "error": "weights.pth is cut short",
        }
        assert Page(url).welcome["type"] == "failed"
    finally:
        app.close()


def get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


def test_the_pages_files_are_served_and_nothing_beside_them(app: App) -> None:
    url = app.url  # type: ignore[attr-defined]
    with urllib.request.urlopen(url + "live/page/main.js", timeout=10) as answer:
        assert "javascript" in answer.headers["Content-Type"]
        assert answer.headers["Cache-Control"] == "no-cache"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(url + "live/page/..%2fserver.py", timeout=10)


def test_a_page_of_another_version_is_told_to_reload_and_not_to_try_again(open_page: Callable[..., Page]) -> None:
    page = open_page(hello=False)
    page.socket.send(json.dumps({"type": "hello", "version": 99}))
    said = page.next()
    assert said["type"] == "refused" and "reload" in said["message"]
    assert page.closed() == Close.POLICY


def test_a_page_that_watches_a_clip_chooses_a_face_or_is_told_why_not(clips: Path) -> None:
    with running_app(source=str(clips / "derived_face_jfk_6s_44k.mp4")) as app:
        page = Page(app.url)
        try:
            assert page.next("frame")["others"] == []
            page.socket.send(json.dumps({"type": "choose", "number": 99}))
            news = page.next("face")
            assert (news["news"], news["wished"]) == ("gone", 99)
            page.socket.send(json.dumps({"type": "choose", "number": "1"}))
            assert "1 or more" in page.next("recordingTrouble")["message"]
        finally:
            page.socket.close()
