"""What pages and programs ask of the server's recordings: by the page's socket, and the address of a zip."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from mmadfer import cli
from mmadfer.recordings import further

from ..recording.archive import pieces
from ..recording.marker import marker_of, plain
from ..recording.recording import Asked
from ..recording.recordings import Recordings
from ..recording.store import Kept
from ..session.outbox import Outbox
from .markers import Markers

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.websockets import WebSocket

log = logging.getLogger(__name__)

LONGEST_MESSAGE = 4096
LONGEST_NAME = 60
_NOTHING: Mapping[str, Callable[[dict[str, Any]], object]] = MappingProxyType({})
GONE = "There is no such recording here any more: it was downloaded, discarded, or its time was over.\n"


class RecordingSocket:
    """Takes what pages say that watch a source on the server's side, and hands out zips."""

    def __init__(self, recordings: Recordings, markers: Markers) -> None:
        self._recordings = recordings
        self._markers = markers

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [Route("/live/recordings/{id}", self.download)]

    def message(self) -> dict[str, Any]:
        """Return what pages are told of the recordings."""
        return {"type": "recording", **self._recordings.state()}

    async def listen(
        self, websocket: WebSocket, outbox: Outbox, further: Mapping[str, Callable[[dict[str, Any]], object]] = _NOTHING
    ) -> None:
        """Do what a page asks, until it has gone. What cannot be done is told to it in words.

        Args: further: what is done for messages of other types; it must not wait.
        """
        outbox.put(self.message(), slot="recording")
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            if text is None or len(text) > LONGEST_MESSAGE:
                continue
            try:
                values = json.loads(text)
                if isinstance(values, dict):
                    kind = values.get("type")
                    if isinstance(kind, str) and kind in further:
                        further[kind](values)
                    else:
                        await self._do(values, outbox)
            except RecursionError:
                log.debug("a page sent what is no message")
            except (ValueError, OSError) as error:
                outbox.put({"type": "recordingTrouble", "message": str(error)})

    async def download(self, request: Request) -> Response:
        """Answer with a recording, the files of ``?formats=`` in it, as a zip; it is deleted once all has been sent."""
        kept = self._recordings.store.find(request.path_params["id"])
        if kept is None:
            return PlainTextResponse(GONE, 404)
        try:
            formats = further.known(name for name in request.query_params.get("formats", "").split(",") if name)
        except ValueError as error:
            return PlainTextResponse(cli.sentence(error), 400)
        headers = {
            "Content-Disposition": f"attachment; filename*=utf-8''{quote(kept.file)}",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        if request.method == "HEAD":
            return Response(media_type="application/zip", headers=headers)
        return StreamingResponse(self._sent(kept, formats), media_type="application/zip", headers=headers)

    async def _sent(self, kept: Kept, formats: list[str]) -> AsyncIterator[bytes]:
        async for piece in iterate_in_threadpool(pieces(kept, formats)):
            yield piece
        self._recordings.remove(kept.id)  # not where the connection was lost before

    async def _do(self, values: dict[str, Any], outbox: Outbox) -> None:
        kind = values.get("type")
        if kind == "record":
            asked = asked_of(values.get("name", ""), values.get("video", True), values.get("told", False))
            await asyncio.to_thread(self._recordings.begin, asked)
        elif kind == "end":
            kept = await asyncio.to_thread(self._recordings.finish)
            outbox.put({"type": "recorded", **kept.told()})
        elif kind == "mark":
            self._markers.put(marker_of({name: values[name] for name in ("key", "text") if name in values}))
        elif kind == "discard" and isinstance(number := values.get("id"), str):
            await asyncio.to_thread(self._recordings.remove, number)


def asked_of(name: Any, video: Any, told: Any) -> Asked:
    """Return what somebody asked for. Raises ValueError for what is none, or where nobody has been told."""
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        raise ValueError(f"The name of a recording is a text of {LONGEST_NAME} characters at most.")
    return Asked(plain(name), video is not False, told)
