"""Who may read `/live/results`: programs of this machine, the server's own pages, and whoever has the token."""

from __future__ import annotations

import json
import socket as tcp
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from demo.app import App
from demo.server.results_access import ResultsAccess, check_token
from tests.support.live import running_app
from tests.support.nginx import UPGRADE, free_port, nginx
from tests.support.places import ROOT
from tests.support.programs import events, refused, request, said, socket

TOKEN = "a-token-of-sixteen-and-more"
FOREIGN = "https://hostile.example"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_app(results_token=TOKEN) as app:
        yield app.url


LOCAL = {"host": "127.0.0.1:7860"}
WITHOUT_TOKEN = {
    "a program": (LOCAL, "127.0.0.1"),
    "by name": ({"host": "localhost:7860"}, "127.0.0.1"),
    "IPv6": ({"host": "[::1]:7860"}, "::1"),
    "IPv4 in IPv6": (LOCAL, "::ffff:127.0.0.1"),
    "the server's own page": ({**LOCAL, "origin": "http://127.0.0.1:7860"}, "127.0.0.1"),
    "its own page by fetch": ({**LOCAL, "sec-fetch-site": "same-origin"}, "127.0.0.1"),
    "typed into the address bar": ({**LOCAL, "sec-fetch-site": "none"}, "127.0.0.1"),
}
WITH_TOKEN_ONLY = {
    "another machine": ({"host": "192.168.1.5:7860"}, "192.168.1.9"),
    "another machine that lies about the host": (LOCAL, "192.168.1.9"),
    "nobody knows who": (LOCAL, None),
    "a share link": ({"host": "abc.gradio.live"}, "127.0.0.1"),
    "DNS rebinding": ({"host": "hostile.example:7860", "origin": "http://hostile.example:7860"}, "127.0.0.1"),
    "a proxy that keeps the host": ({"host": "emotions.example"}, "127.0.0.1"),
    "a proxy at an address": ({"host": "203.0.113.5"}, "127.0.0.1"),
    "a proxy that tells for whom": ({**LOCAL, "x-forwarded-for": "127.0.0.1"}, "127.0.0.1"),
    "a proxy that tells the host": ({**LOCAL, "x-forwarded-host": "localhost"}, "127.0.0.1"),
    "a proxy by the standard": ({**LOCAL, "forwarded": "for=127.0.0.1"}, "127.0.0.1"),
    "a proxy that tells of itself": ({**LOCAL, "via": "1.1 cache"}, "127.0.0.1"),
    "nginx's own header": ({**LOCAL, "x-real-ip": "127.0.0.1"}, "127.0.0.1"),
    "a hostile page": ({**LOCAL, "origin": FOREIGN}, "127.0.0.1"),
    "a hostile page that asks without CORS": ({**LOCAL, "sec-fetch-site": "cross-site"}, "127.0.0.1"),
    "another port of this machine": ({**LOCAL, "origin": "http://127.0.0.1:3000"}, "127.0.0.1"),
    "another port, without CORS": ({**LOCAL, "sec-fetch-site": "same-site"}, "127.0.0.1"),
    "a local file": ({**LOCAL, "origin": "null"}, "127.0.0.1"),
    "its own page behind a proxy that says nothing": (
        {**LOCAL, "origin": "https://emotions.example", "sec-fetch-site": "same-origin"},
        "127.0.0.1",
    ),
}


def asked(headers: dict[str, str], client: str | None, query: str = "", version: str = "1.1") -> HTTPConnection:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    who = None if client is None else (client, 50_000)
    scope = {"type": "http", "headers": raw, "client": who, "query_string": query.encode(), "http_version": version}
    return HTTPConnection(scope)


@pytest.mark.parametrize(("headers", "client"), WITHOUT_TOKEN.values(), ids=WITHOUT_TOKEN.keys())
def test_programs_of_this_machine_and_the_servers_own_pages_need_no_token(headers: Any, client: str) -> None:
    assert ResultsAccess().denial(asked(headers, client)) is None
    assert ResultsAccess(TOKEN).denial(asked(headers, client)) is None


@pytest.mark.parametrize(("headers", "client"), WITH_TOKEN_ONLY.values(), ids=WITH_TOKEN_ONLY.keys())
def test_all_others_need_the_token(headers: Any, client: str | None) -> None:
    none = ResultsAccess().denial(asked(headers, client))
    assert none is not None and none.status == 403 and "--results-token" in none.words
    missing = ResultsAccess(TOKEN).denial(asked(headers, client))
    assert missing is not None and missing.status == 401 and "Bearer" in missing.words
    for right in ({**headers, "authorization": f"Bearer {TOKEN}"}, {**headers, "authorization": f"bearer  {TOKEN}"}):
        assert ResultsAccess(TOKEN).denial(asked(right, client)) is None
    assert ResultsAccess(TOKEN).denial(asked(headers, client, f"token={TOKEN}")) is None


@pytest.mark.parametrize("wrong", ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ü" * 20])
def test_a_wrong_token_is_refused_even_at_home(wrong: str) -> None:
    for access in (ResultsAccess(TOKEN), ResultsAccess(None)):
        denial = access.denial(asked({**LOCAL, "authorization": f"Bearer {wrong}"}, "127.0.0.1"))
        assert denial is not None and denial.status == 401
        assert wrong == "" or wrong == "x" or wrong not in denial.words


def test_who_names_a_proxy_lets_nobody_in_without_a_token() -> None:
    assert ResultsAccess(behind_proxy=True).denial(asked(LOCAL, "127.0.0.1")) is not None
    assert ResultsAccess().denial(asked(LOCAL, "127.0.0.1", version="1.0")) is not None, "nginx asks so"
    with running_app(allow_origins=["emotions.example"]) as app:
        assert app.server.results.access.behind_proxy
        assert "machine" in refused(app.url, status=403)


@pytest.mark.parametrize("token", ["", "short", "x" * 15])
def test_a_short_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match=f"16 characters or more, got {len(token)}"):
        check_token(token)


def test_a_token_that_cannot_be_sent_is_refused() -> None:
    for token in ("sixteen chars and blanks", "ünicode" * 4, "x" * 20 + "\n"):
        with pytest.raises(ValueError, match="ASCII"):
            check_token(token)
    check_token(None)
    check_token("x" * 16)


def test_a_hostile_page_is_refused_by_the_server_and_reads_with_the_token(url: str) -> None:
    assert "token" in refused(url, status=401, origin=FOREIGN)
    assert "token" in refused(url, status=401, host="hostile.example")
    with pytest.raises(InvalidStatus) as status, socket(url, origin=FOREIGN):
        pass
    assert status.value.response.status_code == 401
    assert b"token" in (status.value.response.body or b"")
    with socket(url, f"?token={TOKEN}", origin=FOREIGN) as program:
        assert said(program)["type"] == "hello"
    with urllib.request.urlopen(request(url, authorization=f"Bearer {TOKEN}", origin=FOREIGN), timeout=10) as response:
        assert response.headers["Access-Control-Allow-Origin"] == FOREIGN
        assert next(events(response))["type"] == "hello"


# --- behind a real nginx


def proxy(app: App, port: int, *settings: str) -> str:
    """Return nginx's block for a proxy in front of ``app``."""
    upstream = app.url.rstrip("/")  # type: ignore[attr-defined]
    return f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {upstream}; {' '.join(settings)} }} }}"


def test_behind_the_proxy_of_our_pages_programs_need_the_token_and_read_at_once(tmp_path: Path) -> None:
    block = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").split("```nginx")[1].split("```")[0]
    with running_app(results_token=TOKEN) as app:
        port = free_port()
        location = block.replace("http://127.0.0.1:7860/", app.url)
        with nginx(tmp_path / "nginx", f"server {{ listen 127.0.0.1:{port}; server_name _; {location} }}"):
            for host in ("emotions.example", "203.0.113.5"):
                assert "Bearer" in refused(f"http://127.0.0.1:{port}/emotions/", status=401, host=host)
            address = f"http://127.0.0.1:{port}/emotions/"
            with urllib.request.urlopen(request(address, f"?token={TOKEN}"), timeout=10) as response:
                assert [message["type"] for _, message in zip(range(2), events(response), strict=False)] == [
                    "hello",
                    "waiting",
                ]
            with socket(address, authorization=f"Bearer {TOKEN}") as program:
                assert said(program)["type"] == "hello"


@pytest.mark.parametrize(
    ("settings", "host"),
    [(UPGRADE, "emotions.example"), (f"{UPGRADE} proxy_set_header Host $http_host;", "emotions.example")],
    ids=["its own name for the server", "the name that it was asked for"],
)
def test_a_proxy_that_says_nothing_is_known_once_a_page_has_come_through_it(
    settings: str, host: str, tmp_path: Path
) -> None:
    with running_app() as app:
        port = free_port()
        with nginx(tmp_path / "nginx", proxy(app, port, settings)):
            address = f"http://127.0.0.1:{port}/"
            with socket(address) as stranger:  # asks the proxy for 127.0.0.1, wherever it is
                assert [said(stranger)["type"] for _ in range(2)] == ["hello", "waiting"]
                own = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
                with connect_page(port, own) as page:
                    page.send(json.dumps({"type": "hello", "version": 1}))
                    assert json.loads(page.recv(timeout=10))["type"] == "welcome"
                    with pytest.raises(ConnectionClosed):
                        stranger.recv(timeout=10)
            assert "machine" in refused(address, status=403)


def connect_page(port: int, headers: dict[str, str]) -> ClientConnection:
    """Return a page's socket, with the headers that its browser would send."""
    host, others = headers["Host"], {name: value for name, value in headers.items() if name != "Host"}
    tunnel = tcp.create_connection(("127.0.0.1", port))
    return connect(f"ws://{host}/live/ws", sock=tunnel, additional_headers=others)


def test_pages_of_this_machine_take_the_programs_nothing_away(url: str) -> None:
    for name in ("127.0.0.1", "localhost"):
        place = url.split("//")[1].rstrip("/").replace("127.0.0.1", name)
        with connect(f"ws://{place}/live/ws", additional_headers={"Origin": f"http://{place}"}) as page:
            page.send(json.dumps({"type": "hello", "version": 1}))
            assert json.loads(page.recv(timeout=10))["type"] == "welcome"
        with socket(url) as program:
            assert said(program)["type"] == "hello"


# --- in a real browser


@pytest.mark.browser
def test_a_page_of_another_port_reads_nothing_without_the_token(url: str, chromium: str | None) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    from playwright.sync_api import sync_playwright

    class Hostile(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Hostile)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    read = """address => new Promise(resolve => {
        const source = address.startsWith("ws") ? new WebSocket(address) : new EventSource(address);
        source.onmessage = event => resolve(JSON.parse(event.data).type);
        source.onerror = () => resolve("refused");
    })"""
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            addresses = [f"{kind}live/results" for kind in (url, url.replace("http", "ws"))]
            for host in ("127.0.0.1", "localhost"):
                page.goto(f"http://{host}:{server.server_port}/")
                assert [page.evaluate(read, address) for address in addresses] == ["refused", "refused"]
                with_token = [f"{address}?token={TOKEN}" for address in addresses]
                assert [page.evaluate(read, address) for address in with_token] == ["hello", "hello"]
            page.goto(f"{url}live/info")  # the server's own page
            assert [page.evaluate(read, address) for address in addresses] == ["hello", "hello"]
            browser.close()
    finally:
        server.shutdown()
        server.server_close()
