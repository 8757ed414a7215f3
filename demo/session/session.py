"""One watched source: its intake, its newest answer, and the pages that look at it.

A browser's session has one page, which is also the source; a source on the server's side is one session with many
pages. All times of a session are seconds on the clock of its source (the browser's `performance` clock, or this
machine's monotonic one), so nothing is ever converted between clocks and latency is exact where it is shown.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mmadfer.config import InputSpec
from mmadfer.postprocess import ProbabilitySmoother
from mmadfer.sound.logmel import LogMel
from mmadfer.sound.loudness import channel_of, is_silent, levels
from mmadfer.stream.intake import Intake, SeenFrame, Sound, StreamError
from mmadfer.stream.live import LiveStream, StreamListener
from mmadfer.stream.rate import RateMeter
from mmadfer.stream.shared import Drift
from mmadfer.stream.window import AVWindow, Window
from mmadfer.stream.worker import Worker
from mmadfer.types import Prediction

from .outbox import Outbox
from .protocol import Close, Kind, ProtocolError, pack

log = logging.getLogger(__name__)

MEL_SECONDS = 0.1
"""Sound gathered before new spectrogram columns are sent: ten updates a second, whatever the model does."""
MEL_FLOOR, MEL_CEILING = -14.0, 4.0
"""Log-mel values drawn darkest and brightest: the quietest a 16-bit sample can say, and loud speech."""
PREVIEW_WIDTH = 640
STATES_EVERY = 0.5
"""Time between two reports of what is missing, s: they must not wait for a slow model."""


@dataclass(frozen=True)
class Counters:
    """What reached Python; the tests and the benchmarks read these."""

    frames: int
    frames_replaced: int
    sound_seconds: float
    index_gaps: int
    results: int


class Session(StreamListener):
    """The source's stream, and what is sent to its pages."""

    def __init__(
        self, spec: InputSpec, smoothing: float = 0.0, preview: bool = False, worker: Worker | None = None
    ) -> None:
        """Args: smoothing: time constant, s. preview: send the frames to the pages, which do not have them.

        worker: answers; None: nobody does.
        """
        self.spec = spec
        self.time_origin = 0.0
        self.arrivals: list[tuple[float, float]] | None = None
        """(capture time, monotonic arrival) of each frame, s, where a benchmark has put a list here."""
        self._preview = preview
        self._smoother = ProbabilitySmoother(smoothing)
        self._outboxes: list[Outbox] = []
        self._lock = threading.Lock()
        self._results = 0
        self._result_rate = RateMeter(span=10.0)
        self._spectrogram: SpectrogramFeed | None = None
        self._first_time: float | None = None
        self._states_told = 0.0
        self.stream = LiveStream(lambda: AVWindow(spec), worker, listener=self)

    @property
    def intake(self) -> Intake:
        """What takes the source's frames and sound."""
        return self.stream.intake

    @property
    def counters(self) -> Counters:
        """What has come in so far, and how many answers went out."""
        i = self.intake
        return Counters(i.frames, i.frames_replaced, i.sound_seconds, i.index_gaps, self._results)

    def add(self, outbox: Outbox) -> None:
        """Let another page watch."""
        with self._lock:
            self._outboxes.append(outbox)
        if state := self.stream.source_state:
            outbox.put({"type": "source", **state})

    def remove(self, outbox: Outbox) -> None:
        """Let a page go."""
        with self._lock:
            self._outboxes.remove(outbox)

    def send(self, *messages: dict[str, Any] | bytes, slot: str | None = None) -> None:
        """Send to every page that watches."""
        with self._lock:
            outboxes = tuple(self._outboxes)
        for outbox in outboxes:
            outbox.put(*messages, slot=slot)

    def set_source_state(self, **state: str) -> None:
        """Tell the pages, now and when they come, how the source's camera and microphone are."""
        self.stream.set_source_state(**state)

    def on_source(self, **state: str) -> None:
        """Tell the pages how camera and microphone are."""
        self.send({"type": "source", **state}, slot="source")

    def window(self) -> Window | None:
        """Return the newest window; None before anything has come, and after the end."""
        return self.stream.window()

    def on_result(self, prediction: Prediction) -> None:
        """Send the model's answer."""
        self._results += 1
        self._result_rate.tick()
        values, face = self._smoother.push(prediction.time, prediction.probabilities), prediction.face
        self.send(
            {
                "type": "result",
                "time": prediction.time,
                "label": max(values, key=values.__getitem__) if prediction.trusted else None,
                "probabilities": [round(value, 5) for value in values.values()],
                "rawProbabilities": [round(prediction.probabilities[name], 5) for name in values],
                "face": None if face is None else [round(v, 2) for v in (face.x, face.y, face.width, face.height)],
                "states": [state.value for state in prediction.states],
                "hasAudio": prediction.has_audio,
                "modelMs": round(prediction.latency_ms, 1),
                "resultRate": round(self._result_rate.rate(), 2),
                "counters": asdict(self.counters),
            },
            slot="result",
        )

    def stop(self) -> None:
        """Free everything; returns at once, the intake's thread ends by itself."""
        self.stream.close()

    def on_frame(self, seen: SeenFrame) -> None:
        """Acknowledge a frame with its face box; called on the intake's thread."""
        if self.arrivals is not None:
            self.arrivals.append((seen.frame.time, time.time()))
        message = {
            "type": "frame",
            "sequence": seen.frame.sequence,
            "time": seen.frame.time,
            "box": None if seen.box is None else [round(value, 5) for value in seen.box],
            "fps": round(self.intake.frame_rate.rate(), 1),
        }
        if self._preview:
            picture = pack(Kind.PREVIEW, seen.frame.time, seen.frame.sequence or 0, preview(seen.rgb))
            self.send(message, picture, slot="frame")
        else:
            self.send(message, slot="frame")
        self._tell_states(seen.frame.time)

    def on_sound(self, sound: Sound) -> None:
        """Send new spectrogram columns; called on the intake's thread."""
        if self._spectrogram is None or not self._spectrogram.takes(sound):
            self._spectrogram = SpectrogramFeed(self.spec, sound.sample_rate)
        message = self._spectrogram.push(sound)
        if message is not None:
            self.send(message)
        self._tell_states(sound.time)

    def on_trouble(self, words: str) -> None:
        """Tell the pages that the newest window has no answer."""
        self.send({"type": "trouble", "message": words}, slot="trouble")

    def on_drift(self, drift: Drift) -> None:
        """Tell the pages how far steps were from exact answers."""
        self.send({"type": "drift", **asdict(drift)}, slot="drift")

    def on_pace(self, exact: bool, seconds: float) -> None:
        """Tell the pages in which way answers are given from now on."""
        self.send({"type": "pace", "exact": exact, "exactMs": round(1000 * seconds, 1)}, slot="pace")

    def on_error(self, error: Exception) -> None:
        """Tell the pages what was wrong and close their connections; called on the intake's thread."""
        self._hang_up(in_protocol(error))

    def on_lost(self, error: Exception) -> None:
        """Hang up, so that every page asks again and is told why."""
        self._hang_up(ProtocolError(f"The model has failed: {error}", Close.TRY_LATER))

    def _hang_up(self, error: ProtocolError) -> None:
        with self._lock:
            outboxes = tuple(self._outboxes)
        for outbox in outboxes:
            outbox.hang_up(error.code, str(error))

    def _tell_states(self, now: float) -> None:
        if self._first_time is None:
            self._first_time = now
        if time.monotonic() < self._states_told + STATES_EVERY or (window := self.window()) is None:
            return
        self._states_told = time.monotonic()
        message = {
            "type": "states",
            "states": [state.value for state in window.states],
            "faceLost": round(window.face_lost_s, 2),
            "filled": round(max(0.0, window.end - self._first_time), 2),
        }
        self.send(message, slot="states")


def in_protocol(error: Exception) -> ProtocolError:
    """Return what a page is told where its stream has ended with ``error``."""
    if isinstance(error, ProtocolError):
        return error
    if isinstance(error, StreamError):
        return ProtocolError(str(error), Close.POLICY)
    if isinstance(error, ValueError):
        return ProtocolError(f"a frame or a block of sound was refused: {error}")
    return ProtocolError(f"The server cannot look for faces: {error}", Close.BROKEN)


class SpectrogramFeed:
    """Sound in, messages with new log-mel columns out; a column is `bins` bytes."""

    def __init__(self, spec: InputSpec, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._shift = spec.mel.frame_shift
        self._log_mel = LogMel(sample_rate, spec.mel)
        self._waiting: list[npt.NDArray[np.float32]] = []
        self._waiting_samples = 0
        self._columns = 0
        self._channels = self._channel = 0

    def takes(self, sound: Sound) -> bool:
        """Return whether ``sound`` can follow what came before: at the same rate, with as many channels."""
        return (self.sample_rate, self._channels or len(sound.samples)) == (sound.sample_rate, len(sound.samples))

    def push(self, sound: Sound) -> bytes | None:
        """Return the new columns as a message, once a tenth of a second has come together."""
        self._channels = len(sound.samples)
        self._waiting.append(sound.samples)
        self._waiting_samples += sound.samples.shape[1]
        if self._waiting_samples < MEL_SECONDS * self.sample_rate:
            return None
        columns = np.asarray(self._log_mel.push(self._listened_to(np.concatenate(self._waiting, axis=1))))
        self._waiting, self._waiting_samples = [], 0
        if not len(columns):
            return None
        shades = np.clip((columns - MEL_FLOOR) * (255.0 / (MEL_CEILING - MEL_FLOOR)), 0, 255).astype(np.uint8)
        end = sound.time + sound.samples.shape[1] / self.sample_rate
        message = pack(Kind.MEL, max(end - len(columns) * self._shift, 0.0), self._columns, shades.tobytes())
        self._columns += len(columns)
        return message

    def _listened_to(self, sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the channel `(1, n)` that the model listens to; in a pause the one that was heard last."""
        found = levels(sound, self.sample_rate)
        if not is_silent(found) or self._channel >= len(sound):
            self._channel = channel_of(found)
        return sound[self._channel : self._channel + 1]


def preview(rgb: npt.NDArray[np.uint8]) -> bytes:
    """Return a frame as JPEG for the pages, at most 640 px wide."""
    height, width = rgb.shape[:2]
    image = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    if width > PREVIEW_WIDTH:
        image = cv2.resize(image, (PREVIEW_WIDTH, round(height * PREVIEW_WIDTH / width)), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def decode(jpeg: bytes) -> npt.NDArray[np.uint8]:
    """Return a JPEG's pixels, RGB (height, width, 3). Raises ProtocolError where it cannot be decoded."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB) if jpeg else None
    if image is None:
        raise ProtocolError(f"a frame of {len(jpeg)} bytes could not be decoded as JPEG")
    return image.astype(np.uint8, copy=False)
