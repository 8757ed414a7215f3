"""Which routes under the page's address are open: those that the page needs, and, to few, those of the client API.

Gradio brings a hundred routes: uploads that stay on the disk, files by their names, other addresses fetched in our
name, views of its queue. What is not listed here is not there, for anybody.
"""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .results_access import ResultsAccess

PAGE = ("/", "/theme.css", "/gradio_api/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt")
"""What a viewer's browser fetches of Gradio's page, by GET."""
STARTING = "/gradio_api/startup-events"
"""Asked for by Gradio itself, to see that it runs."""
PAGE_FOLDERS = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/")
OURS = "/live/"
"""The app's own routes: each has its own rule."""
CLIENT = ("/config", "/gradio_api/info", "/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/queue/data")
CLIENT_MORE = ("/gradio_api/cancel", "/gradio_api/reset")
CLIENT_FOLDERS = ("/gradio_api/call/",)
"""What `gradio_client` asks for: open to whom the answers are (`ResultsAccess`)."""


class Gate:
    """Lets through what is listed, and answers 404 to the rest."""

    def __init__(self, app: ASGIApp, access: ResultsAccess) -> None:
        """Args: access: who may use the client API."""
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or say that there is nothing, or nothing for them."""
        if scope["type"] not in ("http", "websocket") or self._is_open(scope):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "nothing here"})
            return
        words, status = "There is nothing here.\n", 404
        if _is_client(scope["path"]):
            denial = self._access.denial(HTTPConnection(scope), "use the client API")
            if denial is None:
                await self._app(scope, receive, send)
                return
            words, status = f"{denial.words}\n", denial.status
        headers = {"Cache-Control": "no-store"}
        if "text/html" in HTTPConnection(scope).headers.get("accept", "") and status == 404:
            words = f"<!doctype html><title>Nothing here</title>{words}"
            headers["Content-Type"] = "text/html; charset=utf-8"
        await PlainTextResponse(words, status, headers)(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if path.startswith(OURS):
            return True
        if scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD"):
            return False
        return path in PAGE or path == STARTING or path.startswith(PAGE_FOLDERS)


def _is_client(path: str) -> bool:
    path = path.rstrip("/")
    return path in CLIENT or path in CLIENT_MORE or f"{path}/".startswith(CLIENT_FOLDERS)
