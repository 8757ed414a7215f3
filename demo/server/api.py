"""Gradio's client API: what Python programs call by name (`gradio_client`), with the access rule of the answers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.utils import get_upload_folder

from mmadfer.media.media_file import open_media
from mmadfer.outputs.schema import answer_row
from mmadfer.stream.recorded import RecordedStream

from ..recording.marker import marker_of
from .recording_socket import asked_of

if TYPE_CHECKING:
    from .server import LiveServer

LONGEST_CLIP = 600.0
"""s; the model answers the live page meanwhile."""
NEEDS_PERSON = (
    "The source is each viewer's own browser: a recording begins there, by the person who ticks "
    "that people have been told. "
    "From programs it can be begun where the server has the source (--source local or a FILE)."
)


class Api:
    """The functions that programs call; each is open to whom `/live/results` is."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server

    def add(self) -> None:
        """Put the functions into the page that is being made."""
        for name in ("predict", "start_recording", "stop_recording", "set_marker"):
            gr.api(getattr(self, name), api_name=name, concurrency_limit=1)

    def predict(self, file: dict, hop: float = 0.0, request: gr.Request | None = None) -> list:
        """Return an answer for each hop of a clip, as rows; file: by `handle_file`; hop: s, 0 for the weights' own."""
        self._let_in(request, "have clips read")
        recognizer = self._server.worker.recognizer
        if recognizer is None:
            raise _refusal("The model is still loading, or could not be loaded.")
        path, name = _uploaded(file)
        try:
            with _words(path, name):
                media = open_media(path)
                if media.duration > LONGEST_CLIP:
                    limit = f"A clip may take {LONGEST_CLIP:.0f} s, got {media.duration:.0f} s"
                    raise ValueError(f"{limit}; read longer ones by: python -m mmadfer.predict FILE")
                with RecordedStream(recognizer, [media], hop or None) as answers:
                    return [_plain(answer_row(name, answer, recognizer.info)) for answer in answers]
        finally:
            path.unlink(missing_ok=True)

    def start_recording(self, told: bool, name: str = "", video: bool = True, request: gr.Request | None = None) -> str:
        """Record from now on, on the server; told: the people in view and in hearing have been told."""
        self._let_in(request, "record")
        if self._server.source == "browser":
            raise _refusal(NEEDS_PERSON)
        if self._server.shared is None:
            raise _refusal("The source is not running yet: the model is still loading, or could not be loaded.")
        with _words():
            self._server.recordings.begin(asked_of(name, video, told))
        return "recording"

    def stop_recording(self, request: gr.Request | None = None) -> dict:
        """End the recording; return its name, length and its zip's address below the page's."""
        self._let_in(request, "record")
        if self._server.source == "browser":
            raise _refusal(NEEDS_PERSON)
        with _words():
            kept = self._server.recordings.finish()
        return {**kept.told(), "address": f"live/recordings/{kept.id}"}

    def set_marker(self, text: str = "", key: str = "", time_utc: str = "", request: gr.Request | None = None) -> dict:
        """Mark this moment, or ``time_utc``, in what the server and the browsers record; return who was told."""
        self._let_in(request, "set markers")
        with _words():
            return self._server.markers.put_limited(marker_of({"text": text, "key": key, "time_utc": time_utc or None}))

    def _let_in(self, request: gr.Request | None, act: str) -> None:
        assert request is not None  # Gradio fills it in
        asked: Any = request.request
        if (denial := self._server.results.access.denial(asked, act)) is not None:
            raise _refusal(denial.words)


def _refusal(words: str) -> gr.Error:
    """Return what tells the caller why not; nobody at the terminal has to see it."""
    return gr.Error(words, print_exception=False)


@contextlib.contextmanager
def _words(path: Path | None = None, name: str = "") -> Iterator[None]:
    """Tell the caller what was wrong, in one sentence, with the ``name`` of a file for its ``path`` here."""
    try:
        yield
    except (ValueError, OSError) as error:
        words = str(error)
        raise _refusal(words if path is None else words.replace(str(path), name)) from error


def _uploaded(file: Any) -> tuple[Path, str]:
    """Return the path and the name of a file that the caller has uploaded, and of no other on this machine."""
    given = file.get("path") if isinstance(file, dict) else None
    if isinstance(given, str):
        path, folder = Path(given).resolve(), Path(get_upload_folder()).resolve()
        if path.is_relative_to(folder) and path.is_file():
            return path, str(file.get("orig_name") or path.name)
    raise _refusal("predict takes a file that was uploaded: handle_file('clip.mp4') of gradio_client")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row in numbers that JSON holds."""
    convert: Callable[[Any], Any] = lambda value: value.item() if hasattr(value, "item") else value  # noqa: E731
    return {name: convert(value) for name, value in row.items()}
