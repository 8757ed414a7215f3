"""One thread that scores the files that pages have sent, one after the other, in the pauses of the live streams."""

from __future__ import annotations

import contextlib
import io
import logging
import queue
import threading
from collections.abc import Iterator
from typing import Any

import torch

from mmadfer.files.told import warnings_about
from mmadfer.files.trouble import FILE_TROUBLE, file_sentence
from mmadfer.media.media_file import AudioChunk, MediaFile, VideoFrame, open_media
from mmadfer.outputs.csv_file import CsvFile
from mmadfer.outputs.schema import answer_row
from mmadfer.stream.recorded import RecordedStream
from mmadfer.stream.shared import Recognizer
from mmadfer.stream.step import StreamingStep
from mmadfer.stream.window import Window
from mmadfer.stream.worker import Worker, lower_priority
from mmadfer.types import Prediction, State, WeightsInfo

from .uploads import Upload

NICENESS = 15
"""Of the thread that decodes and looks for faces: below the model's and the live streams' own."""
log = logging.getLogger(__name__)


class Cancelled(Exception):
    """Nobody wants the rest."""


class FileScorer:
    """The thread, and the files that wait for it."""

    def __init__(self, worker: Worker, voice_activity: bool = True) -> None:
        """Args: worker: whose pauses are used. voice_activity: as of `EmotionRecognizer.stream`."""
        self._worker = worker
        self._voice_activity = voice_activity
        self._waiting: queue.SimpleQueue[Upload | None] = queue.SimpleQueue()
        self._order: list[Upload] = []
        self._thread: threading.Thread | None = None

    def add(self, upload: Upload) -> None:
        """Score a file that has come whole, after those before it."""
        with upload.lock:
            upload.state = "waiting"
        self._order.append(upload)
        self._waiting.put(upload)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="file-scorer", daemon=True)
            self._thread.start()

    def ahead(self, upload: Upload) -> int:
        """Return how many files are scored before this one is."""
        with contextlib.suppress(ValueError):
            return sum(not other.cancelled.is_set() for other in self._order[: self._order.index(upload)])
        return 0

    def close(self) -> None:
        """End the thread; the files must have been cancelled."""
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join(2.0)

    def _run(self) -> None:
        torch.set_num_threads(1)
        lower_priority(NICENESS)
        while (upload := self._waiting.get()) is not None:
            if not upload.cancelled.is_set():
                self._score(upload)
            self._order.remove(upload)

    def _score(self, upload: Upload) -> None:
        with upload.lock:
            upload.state = "scoring"
        try:
            with warnings_about(upload.path, upload.name, lambda text: _note(upload, text)):
                self._answer_all(upload)
            upload.end("done")
        except Cancelled:
            upload.remove_file()
        except FILE_TROUBLE as error:
            log.debug("scoring %s", upload.name, exc_info=True)
            upload.end("failed", file_sentence(error, upload.path, upload.name))
        except Exception as error:  # the next file has another chance
            log.exception("scoring a file")
            upload.end("failed", f"{upload.name} cannot be scored ({type(error).__name__}: {error})")

    def _answer_all(self, upload: Upload) -> None:
        recognizer = self._worker.recognizer
        if recognizer is None:
            raise RuntimeError(str(self._worker.error or "the model is not there"))
        media = _Watched.of(open_media(upload.path), upload)
        with upload.lock:
            upload.about.update(_about(media, recognizer))
        faces = False
        stream = RecordedStream(
            _InPauses(recognizer, self._worker, upload), [media], voice_activity=self._voice_activity
        )
        with contextlib.closing(stream):
            for prediction in stream:
                faces |= State.NO_FACE not in prediction.states
                row = _row(upload.name, prediction, media, recognizer)
                upload.add_row(row, prediction.time, max(media.duration, prediction.time))
        with upload.lock:
            upload.about.update(frames=media.frames_read[0], faces=faces)


class _InPauses:
    """A recogniser whose answers come from the model's own thread, when no live stream waits for it."""

    def __init__(self, recognizer: Recognizer, worker: Worker, upload: Upload) -> None:
        self.spec, self.info, self.exact_seconds = recognizer.spec, recognizer.info, recognizer.exact_seconds
        self.device, self.weights_sha256 = recognizer.device, recognizer.weights_sha256
        self._recognizer, self._worker, self._upload = recognizer, worker, upload

    def describe(self) -> str:
        return self._recognizer.describe()

    def warmup(self) -> None:
        """Nothing: the model is warm."""

    def close(self) -> None:
        """Nothing: the model goes on."""

    def streaming_step(self) -> None:
        """Every answer is exact."""

    def predict(self, window: Window, step: StreamingStep | None = None) -> Prediction:
        if self._upload.cancelled.is_set():
            raise Cancelled
        return self._worker.errands.do(lambda recognizer: recognizer.predict(window))


class _Watched(MediaFile):
    """A file whose reading ends where its page no longer wants it, and that knows how many frames were read."""

    upload: Upload
    frames_read: list[int]

    @classmethod
    def of(cls, media: MediaFile, upload: Upload) -> _Watched:
        made = cls(**vars(media))
        object.__setattr__(made, "upload", upload)
        object.__setattr__(made, "frames_read", [0])
        return made

    def packets(self) -> Iterator[VideoFrame | AudioChunk]:
        for packet in super().packets():
            if self.upload.cancelled.is_set():
                raise Cancelled
            self.frames_read[0] += isinstance(packet, VideoFrame)
            yield packet


def _about(media: MediaFile, recognizer: Recognizer) -> dict[str, Any]:
    """Return what the page shows a file by, and the head of its table."""
    kind = "picture" if media.picture is not None else "video" if media.has_video else "sound"
    head = io.StringIO()
    CsvFile(head, recognizer.spec.labels)
    return {
        "kind": kind,
        "hasSound": media.has_audio,
        "length": media.duration,
        "done": 0.0,
        "labels": recognizer.spec.labels,
        "windowSeconds": recognizer.spec.window_seconds,
        "unsureError": recognizer.info.unsure_error,
        "head": head.getvalue().rstrip("\n"),
    }


def _row(name: str, prediction: Prediction, media: MediaFile, recognizer: Recognizer) -> dict[str, Any]:
    """Return one answer as the page shows it, and as the line that `mmadfer predict` writes of it."""
    face = prediction.face
    box = None
    if face is not None:
        sides = face.x / media.width, face.y / media.height, face.width / media.width, face.height / media.height
        box = [*(round(side, 5) for side in sides), round(face.angle, 2)]
    return {
        "time": prediction.time,
        "label": prediction.label if prediction.trusted else None,
        "probabilities": [round(value, 5) for value in prediction.probabilities.values()],
        "states": [state.value for state in prediction.states],
        "restsOn": prediction.rests_on.value if prediction.rests_on else None,
        "unsure": prediction.unsure,
        "unsureBelow": round(prediction.unsure_below, 5),
        "box": box,
        "line": _line(name, prediction, recognizer.info),
    }


def _line(name: str, prediction: Prediction, info: WeightsInfo) -> str:
    line = io.StringIO()
    CsvFile(line, list(prediction.probabilities), heading=False).write(answer_row(name, prediction, info))
    return line.getvalue().rstrip("\n")


def _note(upload: Upload, text: str) -> None:
    if upload.name in text:  # a file's own, and none of what else is going on here
        with upload.lock:
            upload.notes.append(text)
