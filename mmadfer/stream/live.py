"""`LiveStream`: the stream of which the newest moment counts, and who may listen to all that goes on in it."""

from __future__ import annotations

import atexit
import itertools
import logging
import time
import weakref
from collections.abc import Callable

import numpy as np

from mmadfer.preprocess import check_rgb
from mmadfer.stream.intake import Frame, Intake, SeenFrame, Sound, StreamError
from mmadfer.stream.session import CLOSED, EmotionStream
from mmadfer.stream.shared import Drift, Halves
from mmadfer.stream.window import AVWindow, Window
from mmadfer.stream.worker import Worker
from mmadfer.types import Prediction

log = logging.getLogger(__name__)

_LEAVING = 2.0
"""Time that the end of the process waits for each stream that was not closed, s."""
_numbers = itertools.count(1)
_open: weakref.WeakSet[LiveStream] = weakref.WeakSet()


class StreamListener:
    """Who wants to know more of a live stream than its answers; here every call does nothing. See `LiveStream`."""

    def on_frame(self, seen: SeenFrame) -> None:
        """Take a frame that is in the window; called on the intake's thread, as the next one is."""

    def on_sound(self, sound: Sound) -> None:
        """Take a block of sound that is in the window."""

    def on_result(self, prediction: Prediction) -> None:
        """Take an answer; called on the model's thread, as the next ones are."""

    def on_further(self, prediction: Prediction) -> None:
        """Take an answer about a face that is read beside the chosen one; whose, its ``face_number`` tells."""

    def on_trouble(self, words: str) -> None:
        """Learn that the newest window has no answer; the next may have one."""

    def on_drift(self, drift: Drift) -> None:
        """Learn how far steps were from exact answers."""

    def on_pace(self, exact: bool, seconds: float) -> None:
        """Learn that from now on answers are exact, or steps again; an exact one takes ``seconds``."""

    def on_halves(self, halves: Halves) -> None:
        """Take what face and voice say by themselves, about once a second where the model has time for it."""

    def on_error(self, error: Exception) -> None:
        """Learn that the stream has ended: ValueError for what came in, else what is missing or has failed."""

    def on_lost(self, error: Exception) -> None:
        """Learn that the stream has ended because the model has failed."""

    def on_source(self, **state: str) -> None:
        """Learn how the source's camera and microphone are: words for what is missing, "" where all is well."""


class LiveStream(EmotionStream):
    """A stream of which the newest moment counts: a new frame replaces one that waits, no sound is ever lost.

    Each answer is of the newest window, when the stream's turn comes among all that share the recogniser: a slow
    machine makes answers rarer and never later.
    """

    def __init__(
        self,
        make_window: Callable[[], AVWindow],
        worker: Worker | None = None,
        exact: bool = False,
        listener: StreamListener | None = None,
        on_result: Callable[[Prediction], object] | None = None,
    ) -> None:
        """Args: make_window: called once, on the intake's thread. worker: answers; None: nobody does."""
        super().__init__()
        self.number = next(_numbers)
        self.exact = exact
        self.least_interval = 0.0
        self.worker = worker
        self._make_window = make_window
        self._listener = listener or StreamListener()
        self._on_result = on_result
        self._source_state: dict[str, str] = {}
        self._on_close: Callable[[], object] | None = None
        self._sound_end: float | None = None
        self.intake = Intake(self, str(self.number))
        _open.add(self)
        if worker is not None:
            worker.add(self)

    def push_frame(self, time_s: float | None, rgb: np.ndarray) -> None:
        """See `EmotionStream.push_frame`."""
        self._check_open()
        check_rgb(rgb)
        moment = time.monotonic() if time_s is None else _checked_time(time_s)
        self.intake.offer_frame(Frame(None, moment, rgb.copy()))

    def push_audio(self, waveform: np.ndarray, sample_rate: int, time_s: float | None = None) -> None:
        """See `EmotionStream.push_audio`."""
        self._check_open()
        samples = np.atleast_2d(np.array(waveform, np.float32))
        if samples.ndim != 2 or not sample_rate > 0:
            raise ValueError(
                f"sound must be (channels, n) at a rate above 0 Hz, got {np.shape(waveform)} at {sample_rate}"
            )
        if samples.shape[1]:
            self.intake.offer_sound(Sound(None, self._sound_time(time_s, samples, sample_rate), samples, sample_rate))

    def reset(self) -> None:
        """See `EmotionStream.reset`."""
        self._check_open()
        self._sound_end = None
        self.intake.reset()
        if self.worker is not None:
            self.worker.forget(self)
        self._results.clear()

    def close(self) -> None:
        """Free everything; returns at once, the intake's thread ends by itself."""
        if not self.closed:
            super().close()
            self.intake.stop()
            if self.worker is not None:
                self.worker.remove(self)
            if self._on_close is not None:
                self._on_close()

    def when_closed(self, call: Callable[[], object]) -> None:
        """Have ``call`` made once at the end, such as to let a source go."""
        self._on_close = call

    def choose_face(self, number: int) -> None:
        """See `EmotionStream.choose_face`."""
        self._check_open()
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"a face is chosen by its number, 1 or more, got {number!r}")
        self.intake.choose_face(number)

    def set_source_state(self, **state: str) -> None:
        """Note how the camera and the microphone are: words for what is missing, "" where all is well."""
        if state != {name: self._source_state.get(name) for name in state}:
            self._source_state.update(state)
            log.info("the source of stream %d: %s", self.number, self._source_state)
            self._listener.on_source(**self._source_state)

    @property
    def source_state(self) -> dict[str, str]:
        """What the source has told of its "camera" and "microphone"; nothing where it needed no word."""
        return dict(self._source_state)

    # --- what the intake's thread and the model's thread call

    def window(self) -> Window | None:
        """Return the newest window; None before anything has come, and after the end."""
        window = self.intake.window
        if window is None or self.closed or not self.intake.holds_anything:
            return None
        return window.window()

    def further_windows(self) -> list[Window]:
        """Return the newest windows of the faces that are read beside the chosen one."""
        window = self.intake.window
        return [] if window is None or self.closed else window.further_windows()

    def make_window(self) -> AVWindow:
        """Return the rings of this stream."""
        return self._make_window()

    def on_frame(self, seen: SeenFrame) -> None:
        """Pass on a frame that is in the window."""
        if seen.faces.restarts and self.worker is not None:
            self.worker.forget(self)  # what is kept of the frames before shows somebody else
        self._listener.on_frame(seen)

    def on_sound(self, sound: Sound) -> None:
        """Pass on a block of sound that is in the window."""
        self._listener.on_sound(sound)

    def publish(self, prediction: Prediction) -> None:
        """Hand out an answer. A callback that fails ends this stream, with its error, and no other."""
        self._results.put(prediction)
        self._listener.on_result(prediction)
        self._call_back(prediction)

    def publish_further(self, prediction: Prediction) -> None:
        """Hand out an answer about a further face, as `publish` does."""
        self._results.put_further(prediction)
        self._listener.on_further(prediction)
        self._call_back(prediction)

    def _call_back(self, prediction: Prediction) -> None:
        if self._on_result is not None and not self.closed:
            try:
                self._on_result(prediction)
            except Exception as error:
                log.exception("on_result of stream %d has failed", self.number)
                self._fail(error)

    def on_trouble(self, words: str) -> None:
        """Pass on that the newest window has no answer."""
        self._listener.on_trouble(words)

    def on_drift(self, drift: Drift) -> None:
        """Pass on how far steps were from exact answers."""
        self._listener.on_drift(drift)

    def on_pace(self, exact: bool, seconds: float) -> None:
        """Pass on in which way answers are given from now on."""
        self._listener.on_pace(exact, seconds)

    def on_halves(self, halves: Halves) -> None:
        """Pass on what face and voice say by themselves."""
        self._listener.on_halves(halves)

    def on_error(self, error: Exception) -> None:
        """End the stream, for what came in or because the intake has failed."""
        self._listener.on_error(error)
        self._fail(error)

    def on_lost(self, error: Exception) -> None:
        """End the stream, for the model has failed."""
        self._listener.on_lost(error)
        self._fail(RuntimeError(f"the model has failed: {error}"))

    def _fail(self, error: Exception) -> None:
        self._results.end(error)
        self.close()

    def _sound_time(self, time_s: float | None, samples: np.ndarray, sample_rate: int) -> float:
        """Return the time of the first of ``samples``, s; where nobody tells, they follow the ones before."""
        seconds = samples.shape[1] / sample_rate
        if time_s is not None:
            moment = _checked_time(time_s)
        else:
            moment = time.monotonic() - seconds if self._sound_end is None else self._sound_end
        self._sound_end = moment + seconds
        return moment

    def _check_open(self) -> None:
        if self.closed:
            raise StreamError(CLOSED)


@atexit.register
def _close_all() -> None:
    # A thread that is inside MediaPipe or the model when the process frees their memory would end it with a crash.
    streams = list(_open)
    for stream in streams:
        stream.close()
    for stream in streams:
        stream.intake.join(_LEAVING)
    for worker in {stream.worker for stream in streams if stream.worker is not None}:
        worker.stop(_LEAVING)


def _checked_time(time_s: float) -> float:
    if not np.isfinite(time_s):
        raise ValueError(f"a time must be a finite number of seconds, got {time_s}")
    return float(time_s)
