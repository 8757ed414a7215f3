"""Which pages may open the socket: own addresses however spelt, what proxies say, the browser's word, no others."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import demo.server.admission
from demo import live
from demo.app import App
from demo.server.admission import Admission, Place, is_this_machine, shown
from demo.session.protocol import Close
from tests.support.live import running_app

UPSTREAM = "127.0.0.1:7860"


def headers(**values: str) -> Headers:
    """Return a handshake's headers; "x_forwarded_host" stands for X-Forwarded-Host."""
    return Headers(raw=[(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in values.items()])


OWN = {
    "no browser": {"host": UPSTREAM},
    "direct": {"host": UPSTREAM, "origin": "http://127.0.0.1:7860"},
    "direct by name": {"host": "localhost:7860", "origin": "http://localhost:7860"},
    "capitals": {"host": "Emotions.Example", "origin": "https://emotions.example"},
    "default port written": {"host": "emotions.example:443", "origin": "https://emotions.example"},
    "default port of http written": {"host": "emotions.example:80", "origin": "http://emotions.example"},
    "default port in the origin": {"host": "emotions.example", "origin": "https://emotions.example:443"},
    "IPv6": {"host": "[::1]:7860", "origin": "http://[::1]:7860"},
    "IPv6 spelt out": {"host": "[0:0:0:0:0:0:0:1]:7860", "origin": "http://[::1]:7860"},
    "IPv6 in capitals": {"host": "[2001:DB8::1]", "origin": "https://[2001:db8::1]"},
    "forwarded": {"host": UPSTREAM, "x_forwarded_host": "emotions.example", "origin": "https://emotions.example"},
    "forwarded with a port": {
        "host": UPSTREAM,
        "x_forwarded_host": "emotions.example:8443",
        "origin": "https://emotions.example:8443",
    },
    "forwarded with the default port": {
        "host": UPSTREAM,
        "x_forwarded_host": "emotions.example:443",
        "origin": "https://emotions.example",
    },
    "forwarded as a list": {
        "host": UPSTREAM,
        "x_forwarded_host": "emotions.example, inner.example:8080",
        "origin": "https://emotions.example",
    },
    "forwarded as a list, outermost last": {
        "host": UPSTREAM,
        "x_forwarded_host": "inner.example,emotions.example",
        "origin": "https://emotions.example",
    },
    "forwarded in capitals": {
        "host": UPSTREAM,
        "x_forwarded_host": "EMOTIONS.example:443",
        "origin": "https://emotions.example",
    },
    "forwarded IPv6": {"host": UPSTREAM, "x_forwarded_host": "[2001:db8::1]:443", "origin": "https://[2001:db8::1]"},
    "forwarded IPv6 without brackets": {"host": UPSTREAM, "x_forwarded_host": "::1", "origin": "http://[::1]"},
    "port in a header of its own": {
        "host": "emotions.example",
        "x_forwarded_port": "8443",
        "origin": "https://emotions.example:8443",
    },
    "RFC 7239": {
        "host": UPSTREAM,
        "forwarded": 'for=192.0.2.1;proto=https;host="emotions.example:8443", for=10.0.0.1',
        "origin": "https://emotions.example:8443",
    },
    "the browser's word": {
        "host": UPSTREAM,
        "origin": "https://emotions.example",
        "sec_fetch_site": "same-origin",
    },
}


@pytest.mark.parametrize("given", OWN.values(), ids=OWN.keys())
def test_an_own_page_is_taken_however_its_address_is_spelt(given: dict[str, str]) -> None:
    assert Admission("browser").refusal(headers(**given)) is None


FOREIGN = {
    "another host": {"host": UPSTREAM, "origin": "https://evil.example"},
    "another port": {"host": UPSTREAM, "origin": "http://127.0.0.1:1"},
    "another port than the default": {"host": "emotions.example", "origin": "https://emotions.example:8443"},
    "the other scheme's port": {"host": "emotions.example:443", "origin": "http://emotions.example"},
    "null": {"host": UPSTREAM, "origin": "null"},
    "empty": {"host": UPSTREAM, "origin": ""},
    "malformed": {"host": UPSTREAM, "origin": "http://["},
    "malformed twice": {"host": "[", "origin": "http://["},
    "malformed and empty": {"host": UPSTREAM, "origin": "http://[", "x_forwarded_host": ""},
    "no host": {"origin": "https://evil.example"},
    "a longer name": {"host": "emotions.example", "origin": "https://emotions.example.evil.example"},
    "a user in front": {"host": UPSTREAM, "origin": f"http://evil@{UPSTREAM}"},
    "another scheme": {"host": UPSTREAM, "origin": f"ftp://{UPSTREAM}"},
    "an extension": {"host": UPSTREAM, "origin": "chrome-extension://abcdefgh"},
    "forwarded for another": {
        "host": UPSTREAM,
        "x_forwarded_host": "emotions.example",
        "origin": "https://evil.example",
    },
    "another site, as the browser says": {
        "host": UPSTREAM,
        "origin": "https://evil.example",
        "sec_fetch_site": "cross-site",
    },
    "the same site, as the browser says": {
        "host": UPSTREAM,
        "origin": "http://127.0.0.1:1",
        "sec_fetch_site": "same-site",
    },
    "typed in": {"host": UPSTREAM, "origin": "https://evil.example", "sec_fetch_site": "none"},
}


@pytest.mark.parametrize("given", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_page_is_refused_in_words(given: dict[str, str]) -> None:
    refusal = Admission("browser").refusal(headers(**given))
    assert refusal is not None and refusal.reason == "origin"
    assert len(refusal.words.split()) > 6 and refusal.words.isascii() and refusal.words.isprintable()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"host": UPSTREAM, "origin": "https://emotions.example"},
            ["https://emotions.example", UPSTREAM, "proxy_set_header Host $http_host;", "X-Forwarded-Host"],
        ),
        (
            {"host": "emotions.example", "origin": "https://emotions.example:8443"},
            ["another port", "proxy_set_header Host $http_host;", "--allow-origin emotions.example:8443"],
        ),
        ({"origin": "http://emotions.example"}, ["no host at all"]),
        ({"host": UPSTREAM, "origin": "null"}, ["null"]),
    ],
)
def test_the_words_say_what_a_proxy_must_send(given: dict[str, str], words: list[str]) -> None:
    refusal = Admission("browser").refusal(headers(**given))
    assert refusal is not None
    assert [word for word in words if word not in refusal.words] == []


def test_a_ticket_opens_one_connection_of_its_own_page_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(demo.server.admission.time, "monotonic", lambda: now[0])
    rule = Admission("browser")
    page = {"host": UPSTREAM, "origin": "https://emotions.example"}
    for told in ("cross-site", "same-site", "none", ""):
        assert rule.ticket(headers(**page, sec_fetch_site=told)) is None
    for origin in ({}, {"origin": "null"}):
        assert rule.ticket(headers(host=UPSTREAM, sec_fetch_site="same-origin", **origin)) is None

    def made() -> str:
        ticket = rule.ticket(headers(**page, sec_fetch_site="same-origin"))
        assert ticket is not None
        return ticket

    first = made()
    assert rule.refusal(headers(**page), first) is None
    assert rule.refusal(headers(**page), first) is not None, "a ticket was good twice"
    assert rule.refusal(headers(host=UPSTREAM, origin="https://evil.example"), made()) is not None
    late = made()
    now[0] += demo.server.admission.TICKET_SECONDS + 1
    assert rule.refusal(headers(**page), late) is not None
    assert rule.refusal(headers(**page), "guessed") is not None
    for _ in range(3 * demo.server.admission.MOST_TICKETS):
        made()
    assert len(rule._tickets) <= demo.server.admission.MOST_TICKETS


HOME = {
    "the browser's word for a foreign name": (
        {"host": UPSTREAM, "origin": "https://emotions.example", "sec_fetch_site": "same-origin"},
        False,
    ),
    "a foreign name": ({"host": "rebound.example:7860", "origin": "http://rebound.example:7860"}, False),
    "a foreign name without a browser": ({"host": "rebound.example:7860"}, False),
    "no name": ({"host": "["}, False),
    "its own address": ({"host": UPSTREAM, "origin": f"http://{UPSTREAM}"}, True),
    "its own address, by a proxy": (
        {"host": UPSTREAM, "origin": "http://127.0.0.1:8080", "sec_fetch_site": "same-origin"},
        True,
    ),
    "a foreign name that the owner allows": (
        {"host": "lab.example:8443", "origin": "https://lab.example:8443"},
        True,
    ),
}


@pytest.mark.parametrize(("given", "taken"), HOME.values(), ids=HOME.keys())
def test_this_machines_camera_is_shown_under_its_own_address_only(given: dict[str, str], taken: bool) -> None:
    refusal = Admission("local", ["lab.example:8443"]).refusal(headers(**given))
    assert (refusal is None) is taken
    assert refusal is None or (refusal.reason == "local" and "own address" in refusal.words)


@pytest.mark.parametrize(
    ("host", "taken"),
    [("localhost", True), ("192.168.1.5", True), ("[::1]", True), ("rebound.example", False), ("", False)],
)
def test_a_foreign_name_for_this_machine_is_not_its_own(host: str, taken: bool) -> None:
    assert is_this_machine(host) is taken


@pytest.mark.parametrize(
    ("allowed", "origin", "taken"),
    [
        ("emotions.example", "https://emotions.example", True),
        ("Emotions.Example:443", "https://emotions.example", True),
        ("https://emotions.example/", "https://emotions.example", True),
        ("emotions.example:8443", "https://emotions.example:8443", True),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443", True),
        ("emotions.example", "https://emotions.example:8443", False),
        ("emotions.example", "https://evil.example", False),
    ],
)
def test_the_owner_may_allow_further_hosts(allowed: str, origin: str, taken: bool) -> None:
    rule = Admission("browser", ["other.example", allowed])
    assert (rule.refusal(headers(host=UPSTREAM, origin=origin)) is None) is taken


@pytest.mark.parametrize(
    "text", ["", "*", "*.example.*", "a b", "http://", "https://a/b", "a:99999", "a\x1b[2J", "null:x"]
)
def test_an_allowed_host_that_is_none_ends_with_one_sentence(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--allow-origin", text]) == 2
    said = capsys.readouterr().err
    assert "--allow-origin must be a host" in said and said.count("\n") == 1
    assert said.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("https://a\x1b[2J\x07", "https://a\\x1b[2J\\x07"),
        ("a\x85b\x9b31m", "a\\x85b\\x9b31m"),
        ("a\r\nfake: line", "a\\x0d\\x0afake: line"),
        ("ä.example", "\\xe4.example"),
        ("x" * 5000, "x" * 100 + "..."),
    ],
)
def test_foreign_texts_are_shown_in_plain_characters(text: str, plain: str) -> None:
    assert shown(text) == plain


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with running_app() as made:
        yield made


def talk(url: str, hello: bool = True, **extra: str) -> tuple[list[dict[str, Any]], int]:
    """Return what the server says to a page with these headers until it closes or welcomes it, and the closing code."""
    said: list[dict[str, Any]] = []
    with connect(url.replace("http", "ws"), additional_headers=extra, open_timeout=20) as page:
        try:
            if hello:
                page.send(json.dumps({"type": "hello", "version": 1}))
            while not said or said[-1]["type"] != "welcome":
                said.append(json.loads(page.recv(timeout=10)))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return said, closed.rcvd.code
    return said, 1000


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://evil.example:99999"])
def test_a_refused_page_gets_the_words_and_nothing_else(
    app: App, caplog: pytest.LogCaptureFixture, origin: str
) -> None:
    with caplog.at_level(logging.WARNING, logger="demo.server.server"):
        said, code = talk(app.url + "live/ws", hello=False, Origin=origin)  # type: ignore[attr-defined]
    assert [message["type"] for message in said] == ["refused"]
    assert said[0]["reason"] == "origin" and len(said[0]["message"].split()) > 6
    assert code == said[0]["code"] == Close.POLICY
    assert app.server.sessions == []
    assert "refused a page of" in caplog.text


@pytest.mark.parametrize("control", [b"\x1b", b"\x0b", b"\x7f", b"\x85", b"\x9b"])
def test_control_characters_of_an_origin_reach_neither_log_nor_page(
    app: App, caplog: pytest.LogCaptureFixture, control: bytes
) -> None:
    host = app.url.split("//")[1].strip("/")  # type: ignore[attr-defined]
    lines = [
        b"GET /live/ws HTTP/1.1",
        b"Host: " + host.encode(),
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version: 13",
        b"Origin: https://evil.example" + control + b"[2J",
    ]
    answer = b""
    with caplog.at_level(logging.DEBUG), socket.create_connection(tuple(host.split(":")), timeout=3) as page:
        page.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        with contextlib.suppress(TimeoutError):  # some of them the HTTP server itself leaves without an answer
            while piece := page.recv(4096):
                answer += piece
    assert b'"welcome"' not in answer and app.server.sessions == []
    assert control not in answer.partition(b'"refused"')[2].partition(b"}")[0]
    assert control.decode("latin-1") not in caplog.text
    assert control < b"\x80" or b'"refused"' in answer


def test_a_shared_page_is_taken_and_another_shared_page_is_not(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.server, "share_url", "https://abc.gradio.live")
    url = app.url + "live/ws"  # type: ignore[attr-defined]
    assert talk(url, Origin="https://abc.gradio.live")[0][-1]["type"] == "welcome"
    assert talk(url, hello=False, Origin="https://other.gradio.live")[0][-1]["type"] == "refused"


def test_a_page_gets_in_by_the_ticket_that_its_browser_asked_for(app: App) -> None:
    url, origin = app.url, "https://emotions.example"  # type: ignore[attr-defined]

    def ask(site: str) -> dict[str, Any]:
        request = urllib.request.Request(
            url + "live/ticket", method="POST", headers={"Origin": origin, "Sec-Fetch-Site": site}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask("cross-site")
    ticket = ask("same-origin")["ticket"]
    assert talk(f"{url}live/ws?ticket={ticket}", Origin=origin)[0][-1]["type"] == "welcome"
    assert talk(f"{url}live/ws?ticket={ticket}", hello=False, Origin=origin)[0][-1]["type"] == "refused"


def test_places_are_compared_and_not_their_spelling() -> None:
    assert Place.of("A:443") == Place("a", 443) and str(Place.of("[::1]:80")) == "[::1]:80"
    assert [Place.of(text) for text in ("", "[", "a b", "a@b", "a:", "a:b", "a:99999", "a/b", "a\n")] == [None] * 9
