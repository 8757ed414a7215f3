"""Of Gradio's routes those are open that page and client API need; viewers of a share link have the page alone."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.routing import Route

from demo.server.gate import CLIENT, CLIENT_FOLDERS, CLIENT_MORE, OURS, PAGE, PAGE_FOLDERS
from tests.support.live import running_app

SHARED = {"Host": "abc.gradio.live", "X-Forwarded-Host": "abc.gradio.live"}


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    with running_app(max_sessions=2) as made:
        yield made


def ask(app: Any, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    place = urlsplit(app.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(2000)
    finally:
        connection.close()


HIDDEN = (
    ("GET", "/gradio_api/openapi.json"), ("GET", "/gradio_api/vibe-code"), ("POST", "/gradio_api/vibe-edit"),
    ("GET", "/gradio_api/file=/etc/passwd"), ("GET", "/gradio_api/proxy=http://example.com"),
    ("GET", "/gradio_api/runs"),
    ("POST", "/gradio_api/run/predict"), ("POST", "/gradio_api/api/predict"), ("POST", "/gradio_api/process_recording"),
    ("GET", "/gradio_api/upload_progress"), ("GET", "/gradio_api/token"), ("GET", "/gradio_api/user"),
    ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/redoc"), ("GET", "/gradio_api/deep_link"),
)  # fmt: skip
"""Routes that Gradio has brought, and that the app's own list does not show, for they lie in a router of its own."""


def paths(routes: Any) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route, with something in the place of its parameters."""
    for route in routes:
        if isinstance(route, Route) or hasattr(route, "methods"):
            path = route.path
            while "{" in path:
                path = path[: path.index("{")] + "x" + path[path.index("}") + 1 :]
            yield from ((method, path) for method in sorted(route.methods or ()) if method != "HEAD")


def test_every_route_of_the_running_app_is_closed_to_viewers_but_those_of_the_page(app: Any) -> None:
    routes = sorted({*paths(app._page.app.routes), *HIDDEN})
    client = {("POST", "/gradio_api/upload"), ("GET", "/config"), ("GET", "/gradio_api/queue/data")}
    open_to_viewers = {
        (method, path)
        for method, path in {*routes, *client}
        if not path.startswith(OURS) and ask(app, method, path, **SHARED)[0] not in (403, 404)
    }
    listed = {(m, p) for m, p in routes if m == "GET" and (p in PAGE or p.startswith(PAGE_FOLDERS))}
    assert ("GET", "/") in open_to_viewers and open_to_viewers <= listed, open_to_viewers - listed
    for method, path in client:
        status, words = ask(app, method, path, **SHARED)
        assert status == 403 and b"only programs of the server's machine" in words


def test_what_nobody_needs_is_closed_to_this_machine_too(app: Any) -> None:
    needed = (*PAGE, *CLIENT, *CLIENT_MORE)
    closed = [
        (method, path)
        for method, path in sorted({*paths(app._page.app.routes), *HIDDEN})
        if path.rstrip("/") not in needed and path not in needed
        and not path.startswith((OURS, *PAGE_FOLDERS, *CLIENT_FOLDERS))
    ]  # fmt: skip
    assert {path for _, path in closed} >= {"/monitoring", *(path for _, path in HIDDEN)}
    assert {ask(app, method, path)[0] for method, path in closed} == {404}


@pytest.mark.parametrize(
    "path", ["/live/../gradio_api/upload", "//gradio_api/upload", "/gradio_api/upload/", "/%67radio_api/upload"]
)
def test_no_other_spelling_leads_there(app: Any, path: str) -> None:
    assert ask(app, "POST", path, **SHARED)[0] in (403, 404, 405)
