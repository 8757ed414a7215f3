"""`/live/files`: a file comes by pieces, is scored, and its answers are fetched as they come; then it is gone.

POST tells name and size and gives a number; PUT NUMBER?from=BYTE brings a piece; GET NUMBER?after=ROW tells how it
stands; DELETE NUMBER ends it at any time. Who may, `Admission` decides, as for the WebSocket.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mmadfer.stream.worker import Worker

from .file_scoring import FileScorer
from .uploads import MOST_BYTES, PIECE, UploadError, Uploads

if TYPE_CHECKING:
    from starlette.requests import Request

    from .admission import Refusal

PATH = "/live/files"
MOST_ROWS = 500
"""In one reply."""
_LONGEST_BEGIN = 10_000
"""Of the words that announce a file, bytes."""
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
Answer = Callable[["Request"], Awaitable[Response]]


class FileRoutes:
    """The routes, and what they need."""

    def __init__(
        self, worker: Worker, refusal: Callable[[Request], Refusal | None], voice_activity: bool = True
    ) -> None:
        """Args: refusal: why a request is not answered, or None. voice_activity: as of `EmotionRecognizer.stream`."""
        self.uploads = Uploads()
        self.scorer = FileScorer(worker, voice_activity)
        self._worker = worker
        self._refusal = refusal

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(PATH, self._told(self.begin), methods=["POST"]),
            Route(PATH + "/{number}", self._told(self.append), methods=["PUT"]),
            Route(PATH + "/{number}", self._told(self.status), methods=["GET"]),
            Route(PATH + "/{number}", self._told(self.cancel), methods=["DELETE"]),
        ]

    def close(self) -> None:
        """Delete all files and end the thread."""
        self.uploads.close()
        self.scorer.close()

    async def begin(self, request: Request) -> Response:
        """Take on a file."""
        if self._worker.recognizer is None:
            kind = "failed" if self._worker.error else "loading"
            raise UploadError(503, kind, str(self._worker.error or "The model is still loading."))
        try:
            told = json.loads(await _body(request, _LONGEST_BEGIN))
            name, size = told["name"], told["size"]
        except (ValueError, TypeError, KeyError) as error:
            raise _bad() from error
        if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool):
            raise _bad()
        upload = await run_in_threadpool(self.uploads.begin, name, size)
        return _json({"number": upload.id, "name": upload.name, "received": 0, "piece": PIECE}, 201)

    async def append(self, request: Request) -> Response:
        """Take a piece; the last one sends the file to be scored."""
        upload = self.uploads.find(request.path_params["number"])
        start = _number(request, "from")
        data = await _body(request, PIECE)
        received = await run_in_threadpool(self.uploads.append, upload, start, data)
        with upload.lock:
            whole = received == upload.size and upload.state == "receiving" and not upload.cancelled.is_set()
            if whole:
                self.scorer.add(upload)
        return _json({"received": received})

    async def status(self, request: Request) -> Response:
        """Tell how a file stands, with its answers from ``after`` on."""
        upload = self.uploads.find(request.path_params["number"])
        return _json({**upload.report(_number(request, "after"), MOST_ROWS), "ahead": self.scorer.ahead(upload)})

    async def cancel(self, request: Request) -> Response:
        """Remove a file, whatever its state."""
        await run_in_threadpool(self.uploads.remove, self.uploads.find(request.path_params["number"]))
        return _json({"deleted": True})

    def _told(self, answer: Answer) -> Answer:
        """Return ``answer`` for those who may ask, and with what went wrong in words."""

        async def told(request: Request) -> Response:
            refusal = self._refusal(request)
            try:
                if refusal is not None:
                    raise UploadError(403, "refused", refusal.words)
                return await answer(request)
            except UploadError as error:
                return _json({"reason": error.reason, "message": error.words}, error.status)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody reads it; half a piece counts as none

        return told


def limits() -> dict[str, int]:
    """Return what a page has to know before it sends a file."""
    return {"mostBytes": MOST_BYTES}


async def _body(request: Request, most: int) -> bytes:
    """Return the body of a request. Raises UploadError as soon as it is longer than ``most`` bytes."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > most:
            raise UploadError(413, "bad", f"a piece may have {most} bytes at most")
    return bytes(data)


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise UploadError(400, "bad", f"{name} must be a whole number from 0 on")
    return int(text)


def _bad() -> UploadError:
    return UploadError(400, "bad", 'a file is announced as {"name": "clip.mp4", "size": BYTES}')


def _json(values: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(values, status, _HEADERS)
