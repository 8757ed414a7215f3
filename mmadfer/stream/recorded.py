"""A stream over what was recorded: every hop of it is answered, as fast as the caller reads and the model runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator

import numpy as np

from mmadfer.files.names import shown
from mmadfer.media.media_file import AudioChunk, MediaFile, VideoFrame, open_media
from mmadfer.stream.hops import check_hop, file_windows, windows
from mmadfer.stream.session import CLOSED, EmotionStream
from mmadfer.stream.shared import Recognizer
from mmadfer.stream.window import Window
from mmadfer.types import Prediction

Packets = Iterable["VideoFrame | AudioChunk"]
"""Frames and sound by their times."""


class RecordedStream(EmotionStream):
    """Reads files, or frames and sound from any iterable, in the thread that iterates; nothing is left out."""

    def __init__(
        self,
        recognizer: Recognizer,
        sources: Iterable[MediaFile | str | Packets],
        hop: float | None = None,
        exact: bool = True,
        on_result: Callable[[Prediction], object] | None = None,
        progress: Callable[[float, float], None] | None = None,
        voice_activity: bool = True,
    ) -> None:
        """Args: sources: one after the other, each a stream of its own from 0 s. hop: s. exact: no steps.

        progress: called with (seconds done, seconds in all) of the source at hand. voice_activity: as of `AVWindow`.
        Raises ValueError for a wrong hop.
        """
        super().__init__()
        self._recognizer = recognizer
        self._hop = recognizer.spec.hop_seconds if hop is None else hop
        check_hop(self._hop)
        self._exact = exact
        self._on_result = on_result
        self._progress = progress
        self._voice_activity = voice_activity
        self._length = 0.0
        self.current = ""
        """The source at hand: a file as people write it, "" for frames and sound."""
        self._answers = self._run(iter(sources))

    def push_frame(self, time_s: float | None, rgb: np.ndarray) -> None:
        """Refuse: this stream reads from its source."""
        raise ValueError(CLOSED if self.closed else "this stream reads from a source; push to one made without one")

    def push_audio(self, waveform: np.ndarray, sample_rate: int, time_s: float | None = None) -> None:
        """Refuse: this stream reads from its source."""
        self.push_frame(time_s, waveform)

    def reset(self) -> None:
        """Go on with the next source, if there is one; answers of this one come no more."""
        self._results.clear()
        self._skip = True

    def close(self) -> None:
        """Free everything; a second time does nothing."""
        if not self.closed:
            super().close()
            with contextlib.suppress(ValueError):  # it is closed from inside, by a callback
                self._answers.close()

    def __next__(self) -> Prediction:
        if self.closed:
            raise StopIteration
        try:
            prediction = next(self._answers)
        except BaseException:
            self.close()
            raise
        return prediction

    async def __anext__(self) -> Prediction:
        found = await asyncio.to_thread(next, self, None)
        if found is None:
            raise StopAsyncIteration
        return found

    def _run(self, sources: Iterator[MediaFile | str | Packets]) -> Generator[Prediction, None, None]:
        for source in sources:
            self._skip = False
            step = None if self._exact else self._recognizer.streaming_step()
            with contextlib.closing(self._windows(source)) as found:  # type: ignore[type-var]
                for window in found:
                    prediction = self._recognizer.predict(window, step)
                    self._results.latest = prediction
                    if self._on_result:
                        self._on_result(prediction)
                    yield prediction
                    if self._progress:
                        self._progress(window.end, max(self._length, window.end))
                    if self._skip or self.closed:
                        break

    def _windows(self, source: MediaFile | str | Packets) -> Iterator[Window]:
        if isinstance(source, str):
            source = open_media(source)
        if isinstance(source, MediaFile):
            self.current, self._length = shown(source.path), source.duration
            return file_windows(source, self._recognizer.spec, self._hop, self._voice_activity)
        self.current, self._length = "", 0.0
        return windows(source, self._recognizer.spec, self._hop, voice_activity=self._voice_activity)
