"""`EmotionRecognizer`: window -> preprocess -> backend -> postprocess."""

from __future__ import annotations

import itertools
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mmadfer.backends import Backend, load_backend
from mmadfer.config import InputSpec
from mmadfer.media.media_file import open_media
from mmadfer.postprocess import probabilities, trusted
from mmadfer.preprocess import sound_input
from mmadfer.sound.familiarity import is_familiar
from mmadfer.sources.opening import LOCAL, open_source
from mmadfer.stream.further import checked_count
from mmadfer.stream.live import LiveStream, StreamListener
from mmadfer.stream.recorded import Packets, RecordedStream
from mmadfer.stream.session import EmotionStream
from mmadfer.stream.step import StreamingStep
from mmadfer.stream.window import AVWindow, Window
from mmadfer.stream.worker import Worker
from mmadfer.types import NOBODY_HEARD, Basis, Prediction, State, WeightsInfo
from mmadfer.weights.lazy import LazyModel

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER

CAMERA = "camera"
"""The source that is this machine's camera and microphone."""
# A model that takes longer than this to warm up, s, is no quick one: nobody should wait for it to be timed, too.
_QUICK_WARMUP = 3.0
# Time after which no further run of a quick one is timed, s: one slow run may be a busy moment of the machine. Before,
# so many runs within so much of a hop leave no doubt.
_TIMING = 0.7
_QUICK_SHARE = 0.25
_QUICK_RUNS = 3


class EmotionRecognizer:
    """Recognises emotions in windows of face crops and sound; one serves many streams at once, in turn."""

    def __init__(
        self, model: MMADFER | LazyModel, backend: str = "auto", device: str = "auto", precision: str = "auto"
    ) -> None:
        """Take ``model`` over; arguments and errors as of `mmadfer.backends.load_backend`."""
        self.spec: InputSpec = model.spec
        self.info: WeightsInfo = model.info
        model = LazyModel.of(model)
        self.weights_sha256: str = model.fingerprint if model.has_origin else ""
        """SHA-256 over the weights and their settings; empty for a model that was made in memory."""
        self._backend: Backend = load_backend(model, backend, device, precision)
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._live: weakref.WeakSet[LiveStream] = weakref.WeakSet()
        self._closed = False
        self.exact_seconds = math.inf
        """Time of an exact answer here, s; measured by `warmup`, infinite before and where it is far too long."""

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] | None = None,
        backend: str = "auto",
        device: str = "auto",
        precision: str = "auto",
    ) -> EmotionRecognizer:
        """Return a recogniser with the weights in a file or of a known name (`python -m mmadfer.weights list`).

        None gives the starter weights of the package. "untrained" gives random ones: everything works, and every
        answer is marked as meaningless.
        Raises OSError or ValueError in one sentence where there are no such weights, backend or device.
        """
        return cls(LazyModel.named(name_or_path), backend, device, precision)

    @property
    def device(self) -> str:
        """Where the model runs, such as "cpu" or "cuda:0"."""
        return self._backend.device

    @property
    def engine(self) -> str:
        """Engine, precision and device in words, such as "PyTorch bf16 on AMD EPYC"."""
        return self._backend.description

    def describe(self) -> str:
        """Return weights, engine, precision and device in words, and why that engine where it was not named."""
        kind = self.info.name if self.info.trained else f"{self.info.name} weights"
        why = f" (because {self._backend.reason})" if self._backend.reason else ""
        return f"{kind}, {self.spec.image_size} px, {self._backend.description}{why}"

    def warmup(self) -> None:
        """Run on blank input, so that the first real window is not the slow one; then see how long an answer takes."""
        start = time.perf_counter()
        self._backend.warmup()
        if time.perf_counter() - start < _QUICK_WARMUP:
            self.predict(_blank_window(self.spec))  # the first exact pass is a cold one, and says nothing
        if time.perf_counter() - start < _QUICK_WARMUP:
            self.exact_seconds = self._floor()

    def _floor(self) -> float:
        """Return the least time that an exact answer takes, s: other work makes it longer, and never shorter."""
        window, start = _blank_window(self.spec), time.perf_counter()
        floor, quick = math.inf, 0
        while quick < _QUICK_RUNS:
            seconds = self.predict(window).latency_ms / 1000
            floor = min(floor, seconds)
            quick += seconds <= _QUICK_SHARE * self.spec.hop_seconds
            if time.perf_counter() - start > _TIMING:
                break
        return floor

    def close(self) -> None:
        """End the live streams and free the weights; a second time does nothing."""
        with self._lock:
            worker, self._worker = self._worker, None
            was_closed, self._closed = self._closed, True
        for stream in list(self._live):
            stream.close()
        if worker is not None:
            worker.stop()
        if not was_closed:
            self._backend.close()

    def streaming_step(self) -> StreamingStep:
        """Return the memory of one stream, for `predict`."""
        return StreamingStep(self._backend, self.info)

    def predict(self, window: Window, step: StreamingStep | None = None) -> Prediction:
        """Return what the model makes of ``window``. An absent face or sound is replaced as the InputSpec says.

        Args: step: the memory of the window's stream, from `streaming_step`: only new frames are encoded, at the price
        of a small difference. Without it the answer is exact.
        """
        start = time.perf_counter()
        window, spectrogram = heard(window, self.spec, self.info)
        logits = (step or StreamingStep(self._backend)).logits(window, spectrogram)[0].numpy()
        basis = Basis.of(window.states)
        values = probabilities(logits, self.spec.labels, self.info.temperature_for(basis), self.info.bias_for(basis))
        return prediction_of(window, values, self.spec, self.info, time.perf_counter() - start)

    def predict_file(
        self,
        path: str | os.PathLike[str],
        hop: float | None = None,
        progress: Callable[[float, float], None] | None = None,
        voice_activity: bool = True,
    ) -> list[Prediction]:
        """Return one `Prediction` a hop over the whole file.

        Args: path: a video, or sound alone; hop: seconds between results, the window's length / 16 where None;
        progress: called with (seconds done, seconds in all); voice_activity: as of `stream`.
        Raises OSError or ValueError for an unreadable file.
        """
        return list(self.stream(path, exact=True, hop=hop, progress=progress, voice_activity=voice_activity))

    def stream(
        self,
        source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Packets | None = None,
        *,
        on_result: Callable[[Prediction], object] | None = None,
        exact: bool = False,
        hop: float | None = None,
        progress: Callable[[float, float], None] | None = None,
        listener: StreamListener | None = None,
        voice_activity: bool = True,
        faces: int = 1,
    ) -> EmotionStream:
        """Return a stream: frames and sound in, answers out. Close it, or use it as a context manager.

        Args:
            source: None: frames and sound are pushed, and the newest moment is answered. "camera": this machine's
                camera and microphone, the same way. A file, a list of files, or an iterable of `VideoFrame` and
                `AudioChunk` by their times: every hop is answered, as fast as it can be, while it is iterated.
            on_result: called with each `Prediction`; on the model's thread, or on the one that iterates.
            exact: compute every window whole. Without it new frames alone are encoded, in a live stream where the
                machine is not quick enough for more, at the price of a small difference: 0.02 of a probability.
            hop: seconds between the answers of what is recorded, the window's length / 16 where None.
            progress: called with (seconds done, seconds in all) of a file.
            listener: hears of everything in a live stream.
            voice_activity: look for a voice: sound in which nobody speaks is told as `State.NO_VOICE`, and counts as no
                sound for weights that bear its absence. Without it they hear all sound.
            faces: how many faces of a live stream are read at once, 1 to 4: the chosen one at every hop, the others in
                turn, one a hop at most. The sound is everybody's, but where one mouth alone moves with it.

        Raises OSError or ValueError for an unreadable file, for a number of faces that cannot be read, and where the
        recogniser is closed.
        """
        if self._closed:
            raise ValueError("this recogniser is closed; make another one with from_pretrained()")
        if source is not None and source != CAMERA:
            if checked_count(faces) > 1:
                raise ValueError("of what is recorded one face is read: faces is for live streams")
            return RecordedStream(self, _sources(source), hop, exact, on_result, progress, voice_activity)
        if hop is not None or progress is not None:
            raise ValueError("hop and progress are for files; a live stream answers as often as its machine can")
        checked_count(faces)
        live = LiveStream(
            lambda: AVWindow(self.spec, voice_activity=voice_activity, keeps_person=True, faces=faces),
            self._shared_worker(),
            exact,
            listener,
            on_result,
        )
        self._live.add(live)
        if source == CAMERA:
            camera = open_source(LOCAL)
            live.when_closed(camera.close)
            camera.start(live)
        return live

    def _shared_worker(self) -> Worker:
        """Return the thread that answers all live streams of this recogniser in turn."""
        with self._lock:
            if self._worker is None:
                self._worker = Worker(lambda: self, owns=False)
                self._worker.start()
            return self._worker


def heard(window: Window, spec: InputSpec, info: WeightsInfo) -> tuple[Window, torch.Tensor]:
    """Return ``window``, with `State.UNFAMILIAR_VOICE` where it is so, and the spectrogram that the model takes."""
    spectrogram = sound_input(window.heard(spec), window.sample_rate, spec)
    if not info.familiar_voice or not {*NOBODY_HEARD, State.OTHERS_VOICE}.isdisjoint(window.states):
        return window, spectrogram  # there is no voice to know
    if is_familiar(spectrogram, spec.mel, info.familiar_voice):
        return window, spectrogram
    window = replace(window, states=(*window.states, State.UNFAMILIAR_VOICE))
    return window, sound_input(window.heard(spec), window.sample_rate, spec)


def prediction_of(
    window: Window, values: dict[str, float], spec: InputSpec, info: WeightsInfo, seconds: float
) -> Prediction:
    """Return the answer to ``window``: its probabilities ``values``, and what qualifies them. ``seconds``: it took."""
    states = (*window.states, *(() if info.trained else (State.UNTRAINED,)))
    basis = Basis.of(states)
    return Prediction(
        time=window.end,
        label=max(values, key=values.__getitem__),
        probabilities=values,
        face=window.face,
        has_audio=window.waveform is not None and window.waveform.shape[-1] > 0,
        latency_ms=1000 * seconds,
        states=states,
        face_lost_s=window.face_lost_s,
        trusted=trusted(states, spec),
        speech=window.speech,
        rests_on=basis,
        temperature=info.temperature_for(basis),
        unsure_below=info.threshold_for(basis),
        unsure=max(values.values()) < info.threshold_for(basis),
        face_number=window.face_number,
        face_count=window.face_count,
    )


def _sources(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Packets) -> Iterable[Any]:
    """Return what `RecordedStream` reads, one after the other. Raises as `open_media` where the first is a file."""
    if isinstance(source, (str, bytes, os.PathLike)):
        return [open_media(source)]
    if isinstance(source, Sequence):
        if not source:
            raise ValueError("no file is named; give one or more")
        return itertools.chain([open_media(source[0])], map(os.fspath, source[1:]))
    return [source]


def _blank_window(spec: InputSpec) -> Window:
    """Return a full window of black crops and silence."""
    black = np.zeros((spec.image_size, spec.image_size, 3), np.uint8)
    times = [(slot + 1) * spec.hop_seconds for slot in range(spec.num_frames)]
    silence = np.zeros((1, round(spec.window_seconds * spec.sample_rate)), np.float32)
    return Window(
        end=spec.window_seconds,
        start=0.0,
        crops=[black] * spec.num_frames,
        frame_times=times,
        waveform=silence,
        sample_rate=spec.sample_rate,
        face=None,
        states=(),
        face_lost_s=0.0,
        version=0,
    )
