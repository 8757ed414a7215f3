"""The live page behind a real nginx, in a real Chromium: it works, or says in words what the proxy must send."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import live
from demo.app import App
from demo.server.proxied import check_root_path
from tests.support.live import FollowingRecognizer, chromium_arguments, fake_devices
from tests.support.nginx import UPGRADE, certificate, free_port, nginx
from tests.support.places import ROOT
from tests.support.waiting import until

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
Page = Any

pytestmark = pytest.mark.browser
SLOW = 30_000  # ms
NAME = "emotions.example"
SETTINGS = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Case:
    """One way to set a proxy up, and how the page ends behind it."""

    location: str
    """nginx's block; UPSTREAM stands for the app's address."""
    ends: str = "live"
    path: str = "/"
    tls: bool = False
    listen: str = ""
    """Further words of nginx's `listen`."""
    words: str = ""
    """What the page has to say, where it cannot work."""


def location(*settings: str, path: str = "/", target: str = "http://UPSTREAM") -> str:
    return f"location {path} {{ proxy_pass {target}; {' '.join(settings)} }}"


HOST, FULL_HOST = "proxy_set_header Host $host;", "proxy_set_header Host $http_host;"
OFF = "http://UPSTREAM/"  # with the slash: the proxy takes its path off
NO_UPGRADE = "proxy_set_header Upgrade $http_upgrade;"
BUFFERED = "proxy_buffering on; proxy_buffers 8 4k; proxy_request_buffering on; gzip on; gzip_types *;"

CASES = {
    "nothing but proxy_pass": Case(location(), "blocked", words=NO_UPGRADE),
    "only the upgrade": Case(location(UPGRADE)),
    "the host without its port": Case(location(UPGRADE, HOST)),
    "the host": Case(location(UPGRADE, FULL_HOST)),
    "the host, forwarded": Case(location(UPGRADE, "proxy_set_header X-Forwarded-Host $http_host;")),
    "everything buffered": Case(location(UPGRADE, FULL_HOST, BUFFERED)),
    "a path": Case(location(UPGRADE, FULL_HOST, path="/mm/", target=OFF), path="/mm/"),
    "a path, and only the upgrade": Case(location(UPGRADE, path="/mm/", target=OFF), path="/mm/"),
    "a path, and nothing else": Case(location(path="/mm/", target=OFF), "blocked", path="/mm/", words=NO_UPGRADE),
    "TLS": Case(location(UPGRADE, FULL_HOST), tls=True),
    "TLS, told": Case(location(UPGRADE, FULL_HOST, "proxy_set_header X-Forwarded-Proto $scheme;"), tls=True),
    "TLS, and only the upgrade": Case(location(UPGRADE), tls=True),
    "TLS, and nothing else": Case(location(), "blocked", tls=True, words=NO_UPGRADE),
    "TLS and a path": Case(location(UPGRADE, FULL_HOST, path="/a/b/", target=OFF), path="/a/b/", tls=True),
    "HTTP/2": Case(location(UPGRADE, FULL_HOST), tls=True, listen="http2"),
    "a name without TLS": Case(location(UPGRADE, FULL_HOST), "insecure", words="https"),
}


@dataclass(frozen=True)
class Stand:
    """What the tests of this file share."""

    upstream: str
    addresses: dict[str, str]
    """The page's public address for each case."""
    log: Path


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("proxies")
    app = App(load=FollowingRecognizer)
    upstream = app.launch().split("//")[1].strip("/")
    app.load()
    tls, servers, addresses = certificate(folder, NAME), [], {}
    for name, case in CASES.items():
        port = free_port()
        listen = f"listen 127.0.0.1:{port} ssl {case.listen}; {tls}" if case.tls else f"listen 127.0.0.1:{port};"
        servers.append(f"server {{ {listen} {case.location.replace('UPSTREAM', upstream)} }}")
        host = NAME if case.tls or case.ends == "insecure" else "127.0.0.1"
        addresses[name] = f"http{'s' if case.tls else ''}://{host}:{port}{case.path}"
    with nginx(folder / "nginx", *servers) as log:
        yield Stand(upstream, addresses, log)
    app.close()


@pytest.fixture(scope="module")
def browser(chromium: str | None, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    devices = fake_devices(clips / "derived_face_jfk_6s_44k.mp4", tmp_path_factory.mktemp("devices"))
    arguments = [*chromium_arguments(*devices), f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield made
        made.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[[str], Page]]:
    contexts, errors, strays = [], [], []

    def make(url: str) -> Page:
        contexts.append(browser.new_context(ignore_https_errors=True))
        page = contexts[-1].new_page()
        public = url.split("/")[2]
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: strays.append(request.url) if public not in request.url else None)
        page.goto(url)
        page.wait_for_selector(".mm-live:not([hidden]):not([data-phase=opening])", timeout=SLOW)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not errors, errors
    strays = [url for url in strays if not url.startswith(("data:", "blob:"))]
    assert not strays, f"the page asked for what only the proxy can reach: {strays[:3]}"


def phase(page: Page, name: str) -> None:
    page.wait_for_selector(f".mm-live[data-phase={name}]", timeout=SLOW)


def said(page: Page) -> str:
    return " ".join(page.locator("[data-part=curtain]").inner_text().split())


def button(page: Page) -> Any:
    return page.locator("[data-part=start]")


def answers(page: Page, count: int = 2) -> None:
    shown = f"() => Number(document.querySelector('.mm-live').dataset.results ?? 0) >= {count}"
    page.wait_for_function(shown, timeout=SLOW)


def handshakes(log: Path) -> int:
    """Return how often a browser has tried to open the socket by way of nginx."""
    return log.read_text().count("GET /live/ws")


@pytest.mark.parametrize("name", CASES)
def test_behind_nginx_the_page_works_or_says_what_the_proxy_must_send(
    stand: Stand, open_page: Callable[[str], Page], name: str
) -> None:
    case, page = CASES[name], open_page(stand.addresses[name])
    if case.ends != "insecure":
        button(page).click()
    phase(page, case.ends)
    if case.ends == "live":
        return answers(page)
    assert case.words in said(page), said(page)


def test_where_no_websocket_comes_through_the_page_stops_and_starts_again_when_asked(
    stand: Stand, open_page: Callable[[str], Page]
) -> None:
    page = open_page(stand.addresses["nothing but proxy_pass"])
    for _ in range(2):
        before = handshakes(stand.log)
        button(page).click()
        phase(page, "blocked")
        assert until(lambda before=before: handshakes(stand.log) == before + 3, 10)  # type: ignore[misc]
        page.wait_for_timeout(2500)  # longer than the pause after which it would have tried again
        assert handshakes(stand.log) == before + 3
        assert button(page).inner_text() == "Start again" and button(page).is_enabled()
        assert "WebSockets" in said(page)


REFUSING = {  # without https no browser vouches for a page, so that here the words have to come
    "only the upgrade": (location(UPGRADE), "X-Forwarded-Host"),
    "the host without its port": (location(UPGRADE, HOST), "another port"),
    "a wrong host": (location(UPGRADE, "proxy_set_header Host inner.example;"), "inner.example"),
    "a path": (location(UPGRADE, path="/mm/", target=OFF), "proxy_set_header Host $http_host;"),
}


@dataclass(frozen=True)
class Watched:
    """A clip that is shown behind proxies without TLS."""

    app: App
    addresses: dict[str, str]
    log: Path


@pytest.fixture(scope="module")
def watched(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    ports = {name: free_port() for name in (*REFUSING, "allowed")}
    clip, allowed = clips / "derived_face_jfk_6s_44k.mp4", [f"{NAME}:{ports['allowed']}"]
    app = App(str(clip), load=FollowingRecognizer, allow_origins=allowed)
    upstream = app.launch().split("//")[1].strip("/")
    app.load()
    blocks = {**{name: block for name, (block, _) in REFUSING.items()}, "allowed": location(UPGRADE)}
    servers = [
        f"server {{ listen 127.0.0.1:{ports[name]}; {block.replace('UPSTREAM', upstream)} }}"
        for name, block in blocks.items()
    ]
    paths = {name: "/mm/" if "/mm/" in block else "/" for name, block in blocks.items()}
    addresses = {name: f"http://{NAME}:{ports[name]}{paths[name]}" for name in blocks}
    with nginx(tmp_path_factory.mktemp("watched") / "nginx", *servers) as log:
        yield Watched(app, addresses, log)
    app.close()


@pytest.mark.parametrize("name", REFUSING)
def test_a_page_that_the_server_cannot_know_is_told_once_and_in_words(
    watched: Watched, open_page: Callable[[str], Page], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    shared = watched.app.server.shared
    assert shared is not None
    page = open_page(watched.addresses[name])
    for tries in (1, 2):
        phase(page, "unwelcome")
        assert REFUSING[name][1] in said(page) and page.url.rstrip("/").removesuffix("/mm") in said(page), said(page)
        page.wait_for_timeout(2500)  # longer than the pause after which it would have tried again
        own = f"refused a page of {'/'.join(page.url.split('/')[:3])}:"  # another test's page may be leaving
        assert sum(own in record.message for record in caplog.records) == tries
        assert not shared._outboxes, "a refused page was served"
        assert button(page).inner_text() == "Start again"
        button(page).click()


def test_the_owner_may_name_the_proxy_that_does_not_tell_its_own(
    watched: Watched, open_page: Callable[[str], Page]
) -> None:
    answers(open_page(watched.addresses["allowed"]))


def test_a_path_that_the_proxy_leaves_in_place_is_told_or_named(
    open_page: Callable[[str], Page], browser: Any, tmp_path: Path
) -> None:
    port = free_port()
    for root_path in ("", "/mm"):
        app = App(load=FollowingRecognizer)
        upstream = app.launch(root_path=root_path).split("//")[1].strip("/")
        app.load()
        block = location(UPGRADE, FULL_HOST, path="/mm").replace("UPSTREAM", upstream)
        try:
            with nginx(tmp_path / f"nginx{len(root_path)}", f"server {{ listen 127.0.0.1:{port}; {block} }}"):
                if root_path:
                    page = open_page(f"http://127.0.0.1:{port}/mm")
                    assert page.url.endswith("/mm/")
                    button(page).click()
                    answers(page)
                    continue
                page = browser.new_page()
                answer = page.goto(f"http://127.0.0.1:{port}/mm/")
                text = page.locator("body").inner_text()
                page.close()
                assert answer.status == 404
                assert "--root-path /mm" in text and "location /mm/ { proxy_pass http://" in text, text
        finally:
            app.close()


def test_the_settings_for_nginx_in_docs_work_as_they_stand(
    stand: Stand, open_page: Callable[[str], Page], tmp_path: Path
) -> None:
    found = re.search(r"```nginx\n(.*?)```", SETTINGS, re.DOTALL)
    assert found is not None
    block, port = found.group(1), free_port()
    assert block.count("127.0.0.1:7860") == 1
    block, path = block.replace("127.0.0.1:7860", stand.upstream), re.findall(r"location (\S+)", block)[0]
    tls = certificate(tmp_path, NAME)
    with nginx(tmp_path / "nginx", f"server {{ listen 127.0.0.1:{port} ssl; {tls} {block} }}"):
        page = open_page(f"https://{NAME}:{port}{path}")
        button(page).click()
        answers(page)


def test_a_request_that_has_lost_its_upgrade_on_the_way_is_told(stand: Stand) -> None:
    with pytest.raises(urllib.error.HTTPError, match="426") as caught:
        urllib.request.urlopen(f"http://{stand.upstream}/live/ws", timeout=10)
    assert "Upgrade" in caught.value.read().decode()


@pytest.mark.parametrize(
    "path", ["mm", "/a//b", "/a b", "/../x", "/a?b", "https://emotions.example/mm", "/ä", "/x\x1b"]
)
def test_a_root_path_that_is_none_ends_with_one_sentence(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--root-path", path]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.rstrip().isprintable()
    assert "--root-path must be a path such as /emotions" in error


def test_a_slash_at_the_end_of_a_root_path_does_not_count() -> None:
    assert [check_root_path(path) for path in ("", "/", "/a", "/a/", "/a/b-c_d.e/")] == [
        "",
        "",
        "/a",
        "/a",
        "/a/b-c_d.e",
    ]
