"""`POST /live/markers`: other programs mark moments in whatever is being recorded, here or in browsers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..recording.marker import PER_SECOND, Marker, RateLimit, marker_of
from ..recording.recordings import Recordings
from .results_access import ResultsAccess

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from ..session.session import Session

PATH = "/live/markers"
MOST_BYTES = 8192
TOO_MANY = f"Too many markers: at most {PER_SECOND:.0f} a second are taken for long."


class Markers:
    """Hands markers to the server's recording and to all pages, which flag them and record them."""

    def __init__(
        self, access: ResultsAccess, recordings: Recordings, sessions: Callable[[], Iterable[Session]]
    ) -> None:
        """Args: sessions: gives those that run."""
        self.limit = RateLimit()
        self._access = access
        self._recordings = recordings
        self._sessions = sessions

    def routes(self) -> list[BaseRoute]:
        """Return the route."""
        return [Route(PATH, self.post, methods=["POST"])]

    def put(self, marker: Marker) -> dict[str, Any]:
        """Set a marker; return whether the server records it, and how many pages were told. From any thread."""
        recorded = self._recordings.mark(marker)
        message = {"type": "marker", "key": marker.key, "text": marker.text, "age": round(time.time() - marker.utc, 3)}
        pages = sum(session.send(message) for session in self._sessions())
        return {"recorded": recorded, "pages": pages}

    def put_limited(self, marker: Marker) -> dict[str, Any]:
        """Set a marker that came from outside. Raises ValueError where there are too many."""
        if not self.limit.allows():
            raise ValueError(TOO_MANY)
        return self.put(marker)

    async def post(self, request: Request) -> Response:
        """Answer a request that sets one."""
        if (denial := self._access.denial(request, "set markers")) is not None:
            bearer = {"WWW-Authenticate": "Bearer"} if denial.status == 401 else {}
            return _words(denial.words, denial.status, bearer)
        if not self.limit.allows():
            return _words(TOO_MANY, 429, {"Retry-After": "1"})
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MOST_BYTES:
                return _words(f"A marker may have {MOST_BYTES} bytes.", 413)
        try:
            marker = marker_of(json.loads(body))
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
            return _words('The body must be JSON such as {"text": "stimulus on"}.', 400)
        except ValueError as error:
            return _words(f"{error}.", 400)
        return JSONResponse({**self.put(marker), "time_utc": marker.time_utc}, headers={"Cache-Control": "no-store"})


def _words(words: str, status: int, headers: dict[str, str] | None = None) -> PlainTextResponse:
    return PlainTextResponse(f"{words}\n", status, {"Cache-Control": "no-store", **(headers or {})})
