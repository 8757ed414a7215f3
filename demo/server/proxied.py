"""The page behind a proxy: under any path, and without a word of the addresses that only this machine knows.

Gradio writes the address at which it was asked into its page and fetches its theme from there. Behind a proxy that
keeps its own address to itself that is one which the viewer's browser cannot reach. The page always knows its own
address, so it gets a relative one instead.
"""

from __future__ import annotations

import html
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ROOT = re.compile(rb'"root":\s*("https?://[^"]*")')
NOTHING_HERE = """<!doctype html><meta charset="utf-8"><title>Nothing here</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 44em; margin: 4em auto; padding: 0 1em">
<h1>Nothing here</h1>
<p>The live page is at the root of this server, and there is nothing at <code>{path}</code>.</p>
<p>If a proxy serves it under such a path, let the proxy take the path off. For nginx, mind the slash at the end:</p>
<pre>location {first}/ {{ proxy_pass http://{host}/; ... }}</pre>
<p>Or start the server with <code>--root-path {first}</code></p>
"""


def check_root_path(text: str) -> str:
    """Return a root path without the slash at its end. Raises ValueError for one that is none."""
    path = text.rstrip("/")
    if (path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path)) or "/../" in f"{path}/" or "/./" in f"{path}/":
        raise ValueError(f"--root-path must be a path such as /emotions, got {ascii(text)[:100]}")
    return path


class Proxied:
    """Takes the proxy's path off where it is still there, and makes Gradio's page address itself relatively."""

    def __init__(self, app: ASGIApp, root_path: str = "") -> None:
        """Args: root_path: the path under which a proxy serves the page, such as "/emotions"."""
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and self._root_path and scope["path"] == self._root_path:
            # Relative, for what stands before this server has another address.
            answer = RedirectResponse(f"{self._root_path.rsplit('/', 1)[1]}/")
            await answer(scope, receive, send)
            return
        scope = self._without_root(scope)
        if scope["type"] == "http" and scope["method"] == "GET":
            send = _PageSend(scope, receive, send)
        await self._app(scope, receive, send)

    def _without_root(self, scope: Scope) -> Scope:
        if not self._root_path or not scope["path"].startswith(f"{self._root_path}/"):
            return scope
        path = scope["path"][len(self._root_path) :]
        raw = scope.get("raw_path") or b""
        root = self._root_path.encode()
        return {**scope, "path": path, "raw_path": raw[len(root) :] if raw.startswith(root) else path.encode()}


class _PageSend:
    """Sends an answer on, but for two: Gradio's page, and the missing page that a browser went to."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._is_page = scope["path"] == "/"
        self._start: Message | None = None
        self._body = b""
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._concerns(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        elif message["type"] == "http.response.body" and not self._replaced:
            await self._take(message)

    def _concerns(self, start: Message) -> bool:
        kind = Headers(raw=start["headers"]).get("content-type", "")
        if self._is_page:
            return bool(start["status"] == 200 and kind.startswith("text/html"))
        return start["status"] == 404 and "text/html" in Headers(scope=self._scope).get("accept", "")

    async def _take(self, message: Message) -> None:
        assert self._start is not None
        self._body += message.get("body", b"")
        if not self._is_page:
            self._replaced = True
            await HTMLResponse(_nothing_here(self._scope), 404)(self._scope, self._receive, self._send)
        elif not message.get("more_body"):
            found = _ROOT.search(self._body)
            body = self._body.replace(found.group(1), b'"."') if found else self._body
            MutableHeaders(raw=self._start["headers"])["content-length"] = str(len(body))
            await self._send(self._start)
            await self._send({"type": "http.response.body", "body": body})


def _nothing_here(scope: Scope) -> str:
    path = html.escape(scope["path"][:200])
    first = "/" + re.sub(r"[^A-Za-z0-9._~-]", "", scope["path"].split("/")[1])[:60]
    host, port = (scope.get("server") or ("127.0.0.1", 7860))[:2]
    return NOTHING_HERE.format(path=path, first=first, host=html.escape(f"{host}:{port}"))
