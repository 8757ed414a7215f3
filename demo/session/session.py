"""One watched source: its intake, its newest answer, and the pages that look at it.

A browser's session has one page, which is also the source; a source on the server's side is one session with many
pages. All times of a session are seconds on the clock of its source (the browser's `performance` clock, or this
machine's monotonic one), so nothing is ever converted between clocks and latency is exact where it is shown.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mmadfer.config import InputSpec
from mmadfer.postprocess import ProbabilitySmoother
from mmadfer.sources.clip import ClipSource
from mmadfer.stream.intake import Intake, SeenFrame, Sound, StreamError
from mmadfer.stream.live import LiveStream, StreamListener
from mmadfer.stream.rate import RateMeter
from mmadfer.stream.results import FACES_KEPT
from mmadfer.stream.shared import Drift, Halves
from mmadfer.stream.window import AVWindow, Window
from mmadfer.stream.worker import Worker
from mmadfer.types import NOBODY_HEARD, Prediction, State

from .outbox import Outbox
from .protocol import Close, Kind, ProtocolError, pack
from .spectrogram import SpectrogramFeed

log = logging.getLogger(__name__)

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
        self,
        spec: InputSpec,
        smoothing: float = 0.0,
        preview: bool = False,
        worker: Worker | None = None,
        voice_activity: bool = True,
        faces: int = 1,
    ) -> None:
        """Args: smoothing: time constant, s. preview: send the frames to the pages, which do not have them.

        worker: answers; None: nobody does. voice_activity, faces: as of `AVWindow`.
        """
        self.spec = spec
        self.time_origin = 0.0
        self.arrivals: list[tuple[float, float]] | None = None
        """(capture time, monotonic arrival) of each frame, s, where a benchmark has put a list here."""
        self.on_answer: Callable[[Prediction, dict[str, float]], object] = lambda *_: None
        """Called with each answer and its smoothed probabilities, after the pages were sent it."""
        self.on_further_answer: Callable[[Prediction, dict[str, float]], object] = lambda *_: None
        """The same for answers about the faces that are read beside the chosen one."""
        self.clip: ClipSource | None = None
        """The file that is played, where one is the source."""
        self.alone: Halves | None = None
        """What face and voice say alone, where that was computed between the newest answer and the one before it."""
        self._preview = preview
        self._smoother = ProbabilitySmoother(smoothing)
        self._server_smoothing = smoothing
        self._untold: Halves | None = None
        self._outboxes: list[Outbox] = []
        self._lock = threading.Lock()
        self._results = 0
        self._result_rate = RateMeter(span=10.0)
        self._spectrogram: SpectrogramFeed | None = None
        self._first_time: float | None = None
        self._states_told = 0.0
        self._unfamiliar = False
        self._answered_face: int | None = None
        self._smoothers: dict[int, ProbabilitySmoother] = {}
        self.stream = LiveStream(
            lambda: AVWindow(spec, voice_activity=voice_activity, keeps_person=True, faces=faces), worker, listener=self
        )

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

    def send(self, *messages: dict[str, Any] | bytes, slot: str | None = None) -> int:
        """Send to every page that watches; return how many those are."""
        with self._lock:
            outboxes = tuple(self._outboxes)
        for outbox in outboxes:
            outbox.put(*messages, slot=slot)
        return len(outboxes)

    def set_source_state(self, **state: str) -> None:
        """Tell the pages, now and when they come, how the source's camera and microphone are."""
        self.stream.set_source_state(**state)

    def on_source(self, **state: str) -> None:
        """Tell the pages how camera and microphone are."""
        self.send({"type": "source", **state}, slot="source")

    @property
    def smoothing(self) -> float:
        """Time constant over which answers are smoothed now, s."""
        return self._smoother.time_constant

    def set_wishes(self, smoothing: float | None, interval: float) -> None:
        """Take what the viewer wants from now on.

        Args: smoothing: time constant, s; None: the server's own. interval: least time between two answers, s.
        """
        self._smoother.time_constant = self._server_smoothing if smoothing is None else smoothing
        self.stream.least_interval = interval

    def window(self) -> Window | None:
        """Return the newest window; None before anything has come, and after the end."""
        return self.stream.window()

    def on_result(self, prediction: Prediction) -> None:
        """Send the model's answer."""
        if prediction.face_number is not None:
            if self._answered_face not in (None, prediction.face_number):  # nobody's answer is smoothed into another's
                self._smoother.reset()
            self._answered_face = prediction.face_number
        self._results += 1
        self._result_rate.tick()
        self.alone, self._untold = self._untold, None
        self._unfamiliar = State.UNFAMILIAR_VOICE in prediction.states
        values = self._smoother.push(prediction.time, prediction.probabilities)
        message = {
            **self._told("result", prediction, values),
            **self._told_alone(prediction.time),
            "resultRate": round(self._result_rate.rate(), 2),
            "counters": asdict(self.counters),
        }
        self.send(message, slot="result")
        self.on_answer(prediction, values)

    def _told(self, kind: str, prediction: Prediction, values: dict[str, float]) -> dict[str, Any]:
        """Return an answer as pages get it. Args: values: its probabilities after smoothing."""
        label, face = max(values, key=values.__getitem__), prediction.face
        return {
            "type": kind,
            "time": prediction.time,
            "label": label if prediction.trusted else None,
            "restsOn": prediction.rests_on.value if prediction.rests_on else None,
            "temperature": round(prediction.temperature, 4),
            "unsure": values[label] < prediction.unsure_below,
            "unsureBelow": round(prediction.unsure_below, 5),
            "probabilities": [round(value, 5) for value in values.values()],
            "rawProbabilities": [round(prediction.probabilities[name], 5) for name in values],
            "smoothing": self.smoothing,
            "face": None if face is None else [round(v, 2) for v in (face.x, face.y, face.width, face.height)],
            "faceNumber": prediction.face_number,
            "faceCount": prediction.face_count,
            "states": [state.value for state in prediction.states],
            "hasAudio": prediction.has_audio,
            "speech": None if prediction.speech is None else round(prediction.speech, 3),
            "modelMs": round(prediction.latency_ms, 1),
            **self._in_clip(prediction.time),
        }

    def on_further(self, prediction: Prediction) -> None:
        """Send an answer about a face that is read beside the chosen one."""
        number = prediction.face_number
        if number is None:
            return
        smoother = self._smoothers.pop(number, None) or ProbabilitySmoother(self.smoothing)
        self._smoothers[number] = smoother  # the last one; people pass by for hours, and the first are forgotten
        if len(self._smoothers) > FACES_KEPT:
            del self._smoothers[next(iter(self._smoothers))]
        smoother.time_constant = self.smoothing
        values = smoother.push(prediction.time, prediction.probabilities)
        self.send(self._told("further", prediction, values), slot=f"further {number}")
        self.on_further_answer(prediction, values)

    def _told_alone(self, moment: float) -> dict[str, Any]:
        """Return what face and voice said alone since the answer before, and how much older their window is, s."""
        if self.alone is None:
            return {}
        parts = {"faceAlone": self.alone.face, "voiceAlone": self.alone.voice}
        values = {name: [round(p, 5) for p in half.probabilities.values()] for name, half in parts.items()}
        return {**values, "aloneAge": round(moment - self.alone.face.time, 3)}

    def _in_clip(self, moment: float) -> dict[str, Any]:
        """Return where in the clip ``moment`` is; nothing where none is played."""
        position = None if self.clip is None else self.clip.position(moment)
        return {} if self.clip is None or position is None else {"clip": [self.clip.name, round(position, 3)]}

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
            "number": seen.faces.number,
            "others": [[number, *(round(value, 5) for value in box)] for number, box in seen.faces.others],
            "offers": seen.faces.offers,
        }
        if seen.faces.restarts:
            self._first_time = seen.frame.time  # the window fills anew
        if seen.faces.news is not None:
            told = {"news": seen.faces.news.value, "number": seen.faces.number, "wished": seen.faces.wished}
            self.send({"type": "face", **told})
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

    def on_halves(self, halves: Halves) -> None:
        """Tell the pages what face and voice say by themselves, and keep it for the next answer's row."""
        self._untold = halves
        parts = {"face": halves.face, "voice": halves.voice}
        told = {
            name: {
                "label": half.label,
                "unsure": half.unsure,
                "probabilities": [round(value, 4) for value in half.probabilities.values()],
            }
            for name, half in parts.items()
        }
        self.send({"type": "halves", "disagree": halves.disagree, **told}, slot="halves")

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
        states = [state.value for state in window.states]
        if self._unfamiliar and NOBODY_HEARD.isdisjoint(window.states):
            states.append(State.UNFAMILIAR_VOICE.value)  # the model's own judgement, of its newest window
        message = {
            "type": "states",
            "states": states,
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
