"""`EmotionStream`: frames and sound of one source in, answers out. The one way from the window to its answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

import numpy as np

from mmadfer.stream.results import Results
from mmadfer.types import Prediction

CLOSED = "this stream is closed; make another one with EmotionRecognizer.stream()"


class EmotionStream(ABC):
    """One watched source: made by `EmotionRecognizer.stream`, owned by one caller, closed by them.

    Read its answers in one of three ways: iterate (``for``, or ``async for`` in an event loop), pass ``on_result``, or
    look at `latest` whenever you like. It ends when it is closed or its source ends; a source or a model that fails
    ends it with one error, which the iteration raises. Use it as a context manager.
    """

    def __init__(self) -> None:
        self._results = Results()
        self.closed = False

    @abstractmethod
    def push_frame(self, time_s: float | None, rgb: np.ndarray) -> None:
        """Take a frame.

        Args: time_s: when it was taken, s, on the clock of the sound's times; None: now. One not later than the newest
        is left out. rgb: `(height, width, 3)` uint8; copied.
        Raises ValueError on a malformed frame or time, and where the stream is closed or reads from a source.
        """

    @abstractmethod
    def push_audio(self, waveform: np.ndarray, sample_rate: int, time_s: float | None = None) -> None:
        """Take a piece of sound of any length.

        Args: waveform: `(channels, n)` or `(n,)` float in [-1, 1]; values that are no numbers become a gap.
        sample_rate: Hz. time_s: of its first sample, s; None: it goes on where the last piece ended.
        Raises ValueError as `push_frame`, and for sound that comes far faster than in real time.
        """

    @abstractmethod
    def reset(self) -> None:
        """Forget what came in and all answers that were not read: what comes next begins anew, on any clock.

        An answer that is being computed may still come.
        """

    def choose_face(self, number: int) -> None:
        """Read another of the faces in view of a live stream, from the next frame on; its window begins anew.

        Args: number: as of `Prediction.face_number`. Where no such face is in view, nothing changes.
        Raises ValueError for what is no number of a face, where the stream is closed, and for what is recorded.
        """
        raise ValueError(
            "only a live stream lets a face be chosen; of what is recorded the one that is followed is read"
        )

    def latest(self) -> Prediction | None:
        """Return the newest answer; None before the first one."""
        return self._results.latest

    def others(self) -> dict[int, Prediction]:
        """Return the newest answer about each face that is read beside the chosen one, by its number.

        Such a stream hands them out between the answers about the chosen face, too; each tells its ``face_number``. One
        that has gone stays here: look at the ``time``.
        """
        return dict(self._results.further)

    @property
    def lost(self) -> int:
        """Answers that nobody has read in time: 256 wait, then the oldest are dropped."""
        return self._results.lost

    def close(self) -> None:
        """Free everything; answers that wait can still be read. A second time does nothing."""
        self.closed = True
        self._results.end()

    def __enter__(self) -> EmotionStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> EmotionStream:
        return self

    def __next__(self) -> Prediction:
        return self._results.next()

    def __aiter__(self) -> EmotionStream:
        return self

    async def __anext__(self) -> Prediction:
        return await self._results.next_async()
