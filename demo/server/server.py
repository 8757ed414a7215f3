"""The routes beside Gradio's own: the page's files, what runs here in a few words, and the WebSocket of a session."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from mmadfer.stream.intake import StreamError
from mmadfer.stream.worker import Worker

from ..outputs.fanout import Sink
from ..recording.recordings import Recordings
from ..recording.store import RecordingStore, default_folder
from ..session.outbox import Outbox
from ..session.protocol import Close, ProtocolError, TextMessage, face_number
from ..session.session import Session, in_protocol
from .admission import Admission, shown
from .documents import document_routes
from .file_routes import FileRoutes
from .markers import Markers
from .page_messages import Greeting, receive_into, send_away
from .recording_files import RecordingFiles
from .recording_socket import RecordingSocket
from .results import Results, until_gone
from .results_access import ResultsAccess
from .what_runs import what_is_recorded, what_runs

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

log = logging.getLogger(__name__)

PAGE = Path(__file__).parents[1] / "page"


class PageFiles(StaticFiles):
    """Static files that a browser asks about each time, so that an update is never half seen."""

    def file_response(self, *args: Any, **kwargs: Any) -> Any:
        """Return the file, with the header that makes browsers ask whether it has changed."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


class LiveServer:
    """The sessions of this process, and the routes that lead to them."""

    def __init__(
        self,
        worker: Worker,
        source: str = "browser",
        max_sessions: int = 4,
        smoothing: float = 0.0,
        allow_origins: Sequence[str] = (),
        voice_activity: bool = True,
        results_token: str | None = None,
        sinks: Sequence[Sink] = (),
        recordings: Recordings | None = None,
        faces: int = 1,
    ) -> None:
        """Args: source: "browser", "local" or "clip". max_sessions: pages at once. smoothing: time constant, s.

        allow_origins: further hosts whose pages may connect. voice_activity: as of `EmotionRecognizer.stream`.
        results_token: opens the answers to programs elsewhere. sinks: what further takes every answer.
        recordings: of a source on this side; in the default folder where None. faces: read at once.
        Raises ValueError for a host that is none.
        """
        self.worker = worker
        self.source = source
        self.max_sessions = max_sessions
        self.smoothing = smoothing
        self.admission = Admission(source, allow_origins)
        access = ResultsAccess(results_token, behind_proxy=bool(allow_origins))
        self.recordings = recordings or Recordings(RecordingStore(default_folder()))
        all_sinks = [*sinks, self.recordings] if source != "browser" else sinks
        self.results = Results(worker, access, all_sinks, smoothing, own_clock=source != "browser")
        self.markers = Markers(access, self.recordings, lambda: [*self.sessions])
        self._recording = RecordingSocket(self.recordings, self.markers)
        self._voice_activity, self._faces = voice_activity, faces
        self.share_url: str | None = None
        self.shared_publicly = False
        """Whether there is, or will be, a public link: whoever is in view has to have been told."""
        self.files = FileRoutes(
            worker, lambda asked: self.admission.refusal(asked.headers, None, self.share_url), voice_activity
        )
        self.sessions: list[Session] = []
        self.shared: Session | None = None
        """The one session that all pages watch, where the source is on the server's side."""
        self._connections = 0
        self._greeting = Greeting()
        self._markers_missing = ""

    def routes(self) -> list[BaseRoute]:
        """Return the routes, to be put before Gradio's own."""
        return [
            Route("/live/info", self.info),
            Route("/live/ticket", self.ticket, methods=["POST"]),
            WebSocketRoute("/live/ws", self.connect),
            Route("/live/ws", not_upgraded),
            *self.results.routes(),
            *RecordingFiles(lambda headers: self.admission.refusal(headers, share_url=self.share_url)).routes(),
            *self.markers.routes(),
            *self._recording.routes(),
            *self.files.routes(),
            Mount("/live/page", PageFiles(directory=PAGE)),
            *document_routes(),
        ]

    async def info(self, request: Request) -> JSONResponse:
        """Say what runs here; the page shows it before it asks for a camera."""
        return JSONResponse(
            {
                "source": self.source,
                "maxSessions": self.max_sessions,
                "share": self.shared_publicly,
                "smoothing": self.smoothing,
                **what_runs(self.worker, self.smoothing),
            }
        )

    async def ticket(self, request: Request) -> JSONResponse:
        """Give a page whose browser vouches for it what opens the socket, where the proxy before it says too little."""
        ticket = self.admission.ticket(request.headers)
        return JSONResponse({"ticket": ticket}, status_code=403 if ticket is None else 200)

    async def connect(self, websocket: WebSocket) -> None:
        """Serve one page from its hello to its end; one that may not connect is told why, and nothing else."""
        refusal = self.admission.refusal(websocket.headers, websocket.query_params.get("ticket"), self.share_url)
        await websocket.accept()
        if refusal is None:
            self.results.saw_page(websocket)
        else:
            log.warning("refused a page of %s: %s", shown(websocket.headers.get("origin", "?")), refusal.words)
            await send_away(websocket, "refused", refusal.words, Close.POLICY, reason=refusal.reason)
            return
        try:
            hello = await self._greeting.hello(websocket)
            if hello is not None:
                await self._admit(websocket, hello)
        except (WebSocketDisconnect, ConnectionError):
            log.debug("a page has gone")

    async def _admit(self, websocket: WebSocket, hello: TextMessage) -> None:
        """Give a page one of the places, while there are any."""
        if self._connections >= self.max_sessions:
            message = f"This server already serves {self.max_sessions} pages, as many as it may."
            await send_away(websocket, "full", message)
            return
        self._connections += 1
        try:
            await self._serve(websocket, hello)
        finally:
            self._connections -= 1

    def stop(self) -> None:
        """End every session."""
        self.files.close()
        for session in [*self.sessions]:
            session.stop()
        self.results.fanout.close()
        for session in [*self.sessions]:
            session.intake.join(2.0)

    def open_session(self, preview: bool = False) -> Session:
        """Start a session; the model must be loaded."""
        assert self.worker.recognizer is not None
        heard, faces = self._voice_activity, self._faces
        session = Session(self.worker.recognizer.spec, self.smoothing, preview, self.worker, heard, faces)
        self.results.follow(session)
        self.sessions.append(session)
        return session

    def close_session(self, session: Session) -> None:
        """End a session; returns at once."""
        session.stop()
        self.sessions.remove(session)

    def share(self, session: Session, clip: str = "") -> None:
        """Let all pages watch a session whose source runs, and record it. Args: clip: its file, where it is one."""
        recordings = self.recordings
        recordings.about = partial(self._recorded, clip)
        recordings.position = None if session.clip is None else session.clip.position
        recordings.tell = lambda: session.send(self._recording.message(), slot="recording")
        session.intake.tap = recordings.offer
        self.shared = session
        recordings.open()

    def tell_markers(self, words: str) -> None:
        """Tell all pages, now and when they come, what is missing of the markers of other programs; "" for nothing."""
        self._markers_missing = words
        for session in [*self.sessions]:
            session.send({"type": "markers", "missing": words}, slot="markers")

    def _recorded(self, clip: str) -> dict[str, Any]:
        assert self.worker.recognizer is not None
        return what_is_recorded(self.worker.recognizer, self.source, clip, self.smoothing)

    async def _serve(self, websocket: WebSocket, hello: TextMessage) -> None:
        if self.worker.recognizer is None or (self.source != "browser" and self.shared is None):
            kind = "failed" if self.worker.error else "loading"
            await send_away(websocket, kind, str(self.worker.error or "The model is still loading."))
            return
        outbox = Outbox(asyncio.get_running_loop())
        outbox.put({"type": "welcome", **what_runs(self.worker, self.smoothing)})
        if self._markers_missing:
            outbox.put({"type": "markers", "missing": self._markers_missing}, slot="markers")
        sender = asyncio.create_task(outbox.drain(websocket))
        try:
            await (self._watch if self.source != "browser" else self._take_in)(websocket, outbox, hello)
        finally:
            outbox.close()
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sender

    async def _take_in(self, websocket: WebSocket, outbox: Outbox, hello: TextMessage) -> None:
        session = self.open_session()
        session.time_origin = hello.time_origin
        session.add(outbox)
        try:
            await receive_into(session, websocket)
        except (ProtocolError, StreamError) as error:
            told = in_protocol(error)
            outbox.hang_up(told.code, str(told))
            await until_gone(websocket)
        finally:
            self.close_session(session)

    async def _watch(self, websocket: WebSocket, outbox: Outbox, hello: TextMessage) -> None:
        assert self.shared is not None
        shared = self.shared
        shared.add(outbox)
        try:
            choose = {"choose": lambda values: shared.intake.choose_face(face_number(values))}
            await self._recording.listen(websocket, outbox, choose)
        finally:
            shared.remove(outbox)


async def not_upgraded(request: Request) -> PlainTextResponse:
    """Answer a WebSocket's handshake that came without its upgrade: a proxy on the way has dropped it."""
    words = 'This address takes WebSockets only. A proxy must pass on the headers Upgrade and "Connection: upgrade".\n'
    return PlainTextResponse(words, 426, {"Upgrade": "websocket", "Connection": "Upgrade"})
