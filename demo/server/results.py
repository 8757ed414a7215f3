"""`/live/results`: the answers for other programs, as server-sent events or, where one is asked for, by a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from mmadfer.outputs.schema import weights_name
from mmadfer.stream.worker import Worker
from mmadfer.types import Prediction

from ..outputs.answer import Answer, hello, window_end
from ..outputs.fanout import Fanout, Sink
from ..outputs.reader import Reader
from ..session.protocol import Close
from .results_access import Denial, ResultsAccess, came_by_silent_proxy, shown_token

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send
    from starlette.websockets import WebSocket

    from ..session.session import Session

PATH = "/live/results"
MOST_READERS = 16
STILL_HERE = 15.0
"""Time without an answer after which an event stream sends a comment, s: proxies cut connections that say nothing."""
_LOADING = 0.2
"""Time between two looks at whether the model has loaded, s."""
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would gather events
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Results:
    """The routes, and the way of the answers from the sessions to them."""

    def __init__(
        self, worker: Worker, access: ResultsAccess, sinks: Sequence[Sink], smoothing: float, own_clock: bool
    ) -> None:
        """Args: smoothing: time constant, s. own_clock: sessions run by this machine's monotonic clock."""
        self.access = access
        self.fanout = Fanout(sinks)
        self._worker = worker
        self._smoothing = smoothing
        self._own_clock = own_clock
        self._readers = 0
        self._without_token: set[Reader] = set()

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [WebSocketRoute(PATH, self.socket), Route(PATH, self.events)]

    def follow(self, session: Session) -> None:
        """Hand out a session's answers until its end."""
        number = session.stream.number
        self.fanout.begin(number)
        session.on_answer = partial(self._publish, session)
        session.on_further_answer = partial(self._publish, session, further=True)
        session.stream.when_closed(partial(self.fanout.end, number))
        if session.stream.closed:  # the model had failed already
            self.fanout.end(number)

    def saw_page(self, websocket: WebSocket) -> None:
        """Learn from a page that was let in whether it came by a proxy of which no header tells.

        Who asks that proxy for 127.0.0.1 looks like a program of this machine. From then on nobody reads without the
        token, and who does already has to leave.
        """
        if came_by_silent_proxy(websocket):
            self.access.behind_proxy = True
            for reader in self._without_token:
                reader.finish()

    async def events(self, request: Request) -> Response:
        """Answer an ordinary request by a stream of events, or by the reason why not."""
        denial, wanted = self._look_at(request)
        if denial is not None:
            bearer = {"WWW-Authenticate": "Bearer"} if denial.status == 401 else {}
            return PlainTextResponse(f"{denial.words}\n", denial.status, {**_HEADERS, **bearer})
        # Whoever is here and no page of this server had the token, so that its browser may hand the answers over.
        foreign = {"Access-Control-Allow-Origin": request.headers["origin"]} if "origin" in request.headers else {}
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers={**_HEADERS, **foreign})
        reader = self._enter(wanted, request)
        return EventStream(_events(self._messages(reader)), {**_HEADERS, **foreign}, partial(self._leave, reader))

    async def socket(self, websocket: WebSocket) -> None:
        """Serve one WebSocket to its end; one that may not read is told why before it opens."""
        denial, wanted = self._look_at(websocket)
        if denial is not None:
            await _refuse(websocket, denial)
            return
        reader = self._enter(wanted, websocket)
        try:
            await websocket.accept()
            sender = asyncio.create_task(self._send(websocket, reader))
            leaver = asyncio.create_task(until_gone(websocket))
            _, others = await asyncio.wait({sender, leaver}, return_when=asyncio.FIRST_COMPLETED)
            for task in others:
                task.cancel()
            await asyncio.gather(sender, leaver, return_exceptions=True)
        finally:
            self._leave(reader)

    async def _send(self, websocket: WebSocket, reader: Reader) -> None:
        with contextlib.suppress(WebSocketDisconnect, ConnectionError, RuntimeError):
            async for message in self._messages(reader):
                if message is not None:
                    await websocket.send_text(_json(message))
            await websocket.close(reason="ended")

    async def _messages(self, reader: Reader) -> AsyncIterator[dict[str, Any] | None]:
        """Yield what a reader is told, the hello first; None where there was nothing to tell for a while."""
        yield None  # the stream begins at once, while the model may take its time
        while not self._worker.loaded.is_set():
            await asyncio.sleep(_LOADING)
        recognizer = self._worker.recognizer
        if recognizer is None:
            yield {"type": "failed", "message": str(self._worker.error or "The server ends.")}
            return
        yield hello(recognizer.spec, recognizer.info, recognizer.describe(), self._smoothing)
        while True:
            try:
                message = await asyncio.wait_for(reader.next(), STILL_HERE)
            except asyncio.TimeoutError:
                yield None
                continue
            if message is None:
                return
            yield message

    def _publish(
        self, session: Session, prediction: Prediction, smoothed: dict[str, float], further: bool = False
    ) -> None:
        recognizer = self._worker.recognizer
        assert recognizer is not None
        origin = time.time() - time.monotonic() if self._own_clock else session.time_origin
        end = window_end(prediction.time, origin)
        about = (weights_name(recognizer.info), recognizer.describe(), session.smoothing)
        alone = None if further else session.alone
        self.fanout.publish(Answer(session.stream.number, prediction, smoothed, end, *about, further, alone))

    def _look_at(self, asked: HTTPConnection) -> tuple[Denial | None, int | None]:
        """Return why a request is not answered, and the session that it names."""
        denial = self.access.denial(asked)
        named = asked.query_params.get("session")
        if denial is None and named is not None and not (named.isdecimal() and named.isascii() and len(named) < 10):
            words = "session must be the number of a session, such as ?session=1; leave it out for whichever runs."
            denial = Denial(400, words)
        if denial is None and self._readers >= MOST_READERS:
            denial = Denial(503, f"This server already serves {MOST_READERS} readers, as many as it may; try later.")
        return denial, int(named) if denial is None and named is not None else None

    def _enter(self, wanted: int | None, asked: HTTPConnection) -> Reader:
        reader = Reader(wanted)
        if shown_token(asked) is None:
            self._without_token.add(reader)
        self._readers += 1
        self.fanout.add(reader)
        return reader

    def _leave(self, reader: Reader) -> None:
        self._without_token.discard(reader)
        self.fanout.remove(reader)
        self._readers -= 1


class EventStream(StreamingResponse):
    """A stream of events that says when it is over, whoever ended it."""

    def __init__(self, content: AsyncIterator[str], headers: dict[str, str], when_over: Callable[[], object]) -> None:
        super().__init__(content, headers=headers, media_type="text/event-stream")
        self._when_over = when_over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they or the connection end."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._when_over()


async def until_gone(websocket: WebSocket) -> None:
    """Read and forget, so that the end of the connection is noticed."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        await asyncio.sleep(0)


async def _events(messages: AsyncIterator[dict[str, Any] | None]) -> AsyncIterator[str]:
    async for message in messages:
        yield ": still here\n\n" if message is None else f"data: {_json(message)}\n\n"


async def _refuse(websocket: WebSocket, denial: Denial) -> None:
    """Answer a handshake by words, or close the connection with them where there is no place or no such session."""
    if denial.status in (401, 403):
        await websocket.send_denial_response(PlainTextResponse(f"{denial.words}\n", denial.status))
        return
    with contextlib.suppress(WebSocketDisconnect, ConnectionError, RuntimeError):
        await websocket.accept()
        await websocket.close(Close.TRY_LATER if denial.status == 503 else Close.POLICY, denial.words[:120])


def _json(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, allow_nan=False)
