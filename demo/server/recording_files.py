"""`/live/recordings/files`: a page's tables in, the further files of its recording out; nothing of them is kept."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from mmadfer import cli
from mmadfer.recordings import further
from mmadfer.recordings.holder import read, read_zipped
from mmadfer.recordings.recording import Recording

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request

    from .admission import Refusal

log = logging.getLogger(__name__)

PATH = "/live/recordings/files"
MOST_BYTES = 64 << 20
"""Largest zip of tables that is taken; an hour of five answers a second has about 6 MB."""
MOST_AT_ONCE = 2
"""Recordings worked on at the same time: the live streams come first."""


class RecordingFiles:
    """The route; it holds a recording no longer than its answer takes."""

    def __init__(self, refusal: Callable[[Headers], Refusal | None]) -> None:
        """Args: refusal: says of a request's headers why it is not answered."""
        self._refusal = refusal
        self._running = 0

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route(PATH, self.make, methods=["POST"])]

    async def make(self, request: Request) -> JSONResponse:
        """Answer a zip of answers.csv, markers.csv and metadata.json by `ALWAYS`, and what ``formats`` names besides.

        ``files``: name -> base64; ``missing``: why others are not among them.
        """
        if (refusal := self._refusal(request.headers)) is not None:
            return _told(403, refusal.words)
        if self._running >= MOST_AT_ONCE:
            return _told(503, f"This server already makes the files of {MOST_AT_ONCE} recordings; try later.")
        self._running += 1
        try:
            asked = [name for name in request.query_params.get("formats", "").split(",") if name]
            formats = further.known([*further.ALWAYS, *asked])
            body = await _body(request)
            if body is None:
                return _told(413, f"The tables of a recording may have {MOST_BYTES >> 20} MB here.")
            return JSONResponse(await asyncio.to_thread(_files, body, formats), headers={"Cache-Control": "no-store"})
        except ValueError as error:
            return _told(400, cli.sentence(error))
        finally:
            self._running -= 1


async def _body(request: Request) -> bytes | None:
    """Return the request's body; None where it is too large."""
    taken = bytearray()
    async for piece in request.stream():
        taken += piece
        if len(taken) > MOST_BYTES:
            return None
    return bytes(taken)


def _files(body: bytes, formats: Sequence[str]) -> dict[str, object]:
    recording = read(_Posted(body))
    files: dict[str, str] = {}
    missing: list[str] = []
    for name in formats:
        try:
            files |= _encoded(recording, name)
        except ImportError as error:
            missing.append(f"{further.FORMATS[name].file}: {cli.sentence(error)}")
    return {"files": files, "missing": missing}


def _encoded(recording: Recording, name: str) -> dict[str, str]:
    made = further.make(recording, [name])
    return {file: base64.b64encode(data).decode("ascii") for file, data in made.items()}


class _Posted:
    """A zip in memory."""

    def __init__(self, body: bytes) -> None:
        self._file = io.BytesIO(body)

    def read(self, name: str, most: int) -> bytes | None:
        """Return a file; as of `Readable`."""
        return read_zipped(self._file, name, min(most, MOST_BYTES))


def _told(status: int, words: str) -> JSONResponse:
    log.info("no files of a recording: %s", words)
    return JSONResponse({"error": words}, status)
