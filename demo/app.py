"""The live app as one object: page, server, model and, where it is on this side, the source."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmadfer.faces.detector import FaceDetector
from mmadfer.outputs.schema import check_classes
from mmadfer.sources.clip import ClipSource
from mmadfer.sources.devices import LocalDevices
from mmadfer.sources.opening import open_source
from mmadfer.sources.source import Source
from mmadfer.stream.shared import Recognizer
from mmadfer.stream.worker import Worker

from .outputs.fanout import Sink
from .recording.lsl_markers import LslMarkers
from .recording.recordings import Recordings
from .recording.store import KEEP_HOURS, RecordingStore, default_folder
from .server.server import LiveServer

if TYPE_CHECKING:
    import gradio as gr


class App:
    """Everything that runs; `launch` gives the page at once, `load` waits for the model."""

    def __init__(
        self,
        source: str = "browser",
        weights: str | os.PathLike[str] | None = None,
        backend: str = "auto",
        device: str = "auto",
        max_sessions: int = 4,
        smoothing: float = 0.0,
        exact: bool = False,
        precision: str = "auto",
        load: Callable[[], Recognizer] | None = None,
        allow_origins: Sequence[str] = (),
        devices: LocalDevices | None = None,
        voice_activity: bool = True,
        results_token: str | None = None,
        sinks: Sequence[Sink] = (),
        recordings: str | os.PathLike[str] | None = None,
        keep_hours: float = KEEP_HOURS,
        lsl_markers: str | None = None,
        faces: int = 1,
    ) -> None:
        """Args: source: "browser", "local" or a file; smoothing: s; exact: no steps; load: makes the recogniser.

        allow_origins: further hosts whose pages may connect, as "host" or "host:port".
        devices: camera and microphone of the source "local". voice_activity: as of `EmotionRecognizer.stream`.
        results_token: opens the answers to programs elsewhere. sinks: what takes every answer, too; closed at the end.
        recordings: folder for those of a source on this side; keep_hours: how long one stays that nobody downloads.
        lsl_markers: name of a stream of markers of the Lab Streaming Layer. faces: read at once, 1 to 4.
        """

        def from_pretrained() -> Recognizer:
            from mmadfer import EmotionRecognizer

            return EmotionRecognizer.from_pretrained(weights, backend, device, precision)

        def checked() -> Recognizer:
            recognizer = (load or from_pretrained)()
            check_classes(recognizer.spec.labels)  # the page's table has a column for each
            return recognizer

        self._source_name = source
        self._devices = devices
        self._source: Source | None = None
        self._page: gr.Blocks | None = None
        self.worker = Worker(checked, exact)
        kind = source if source in ("browser", "local") else "clip"
        store = RecordingStore(default_folder() if recordings is None else Path(recordings), keep_hours)
        self.server = LiveServer(
            self.worker,
            kind,
            max_sessions,
            smoothing,
            allow_origins,
            voice_activity,
            results_token,
            sinks,
            Recordings(store),
            faces,
        )
        self._inlet = None if lsl_markers is None else LslMarkers(lsl_markers, self.server.markers.put_limited)

    def launch(self, host: str = "127.0.0.1", port: int | None = None, share: bool = False, root_path: str = "") -> str:
        """Start to load the model, serve the page, and return its address; root_path: see `panel.launch`."""
        if self._source_name not in ("browser", "local"):
            open_source(self._source_name).close()  # an unreadable file should be told before anything starts
        self.worker.start()
        from .server.panel import (
            launch,  # here, for it brings Gradio, which takes seconds to import: the model loads then
        )

        self._page, url = launch(self.server, host, port, share, root_path)
        return url

    def load(self) -> Recognizer:
        """Wait until model and face detector are ready; return the model. Raises what went wrong instead."""
        FaceDetector().close()  # a library that it lacks should be told in the terminal, before the first page comes
        while not self.worker.loaded.wait(0.2):  # short waits: Ctrl-C is heard between them, on every system
            pass
        if self.worker.error is not None:
            raise self.worker.error
        assert self.worker.recognizer is not None
        if self.server.source != "browser":
            session = self.server.open_session(preview=True)
            self._source = open_source(self._source_name, self._devices)
            session.clip = self._source if isinstance(self._source, ClipSource) else None
            self._source.start(session)
            self.server.share(session, session.clip.name if session.clip else "")
        if self._inlet is not None:
            self._inlet.start(self.server.tell_markers)
        return self.worker.recognizer

    def close(self) -> None:
        """End source, sessions, model and page."""
        if self._inlet is not None:
            self._inlet.close()
        if self._source is not None:
            self._source.close()
        self.server.stop()
        self.worker.stop()
        if self._page is not None:
            self._page.close(verbose=False)
