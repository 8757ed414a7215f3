"""`EmotionRecognizer`: window -> preprocess -> backend -> postprocess."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from mmadfer.backends import Backend, load_backend
from mmadfer.config import InputSpec, WeightsInfo
from mmadfer.media import media_file
from mmadfer.postprocess import probabilities, trusted
from mmadfer.stream.step import StreamingStep
from mmadfer.stream.window import AVWindow, Window
from mmadfer.types import Prediction, State
from mmadfer.weights.lazy import LazyModel

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER

# A header's duration is taken where it differs from what was seen by less than so many frames.
_HEADER_SLACK = 1.5
# A model that takes longer than this to warm up, s, is no quick one: nobody should wait for it to be timed, too.
_QUICK_WARMUP = 3.0
# Time after which no further run of a quick one is timed, s: one slow run may be a busy moment of the machine. Before,
# so many runs within so much of a hop leave no doubt.
_TIMING = 0.7
_QUICK_SHARE = 0.25
_QUICK_RUNS = 3
# Durations are whole microseconds in most files, s.
_SAME_TIME = 2e-6


class EmotionRecognizer:
    """Recognises emotions in windows of face crops and sound; holds no stream, so one serves many at once in turn."""

    def __init__(
        self, model: MMADFER | LazyModel, backend: str = "auto", device: str = "auto", precision: str = "auto"
    ) -> None:
        """Take ``model`` over; arguments and errors as of `mmadfer.backends.load_backend`."""
        self.spec: InputSpec = model.spec
        self.info: WeightsInfo = model.info
        self._backend: Backend = load_backend(model, backend, device, precision)
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
        """Free the weights."""
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
        logits = (step or StreamingStep(self._backend)).logits(window)[0].numpy()
        values = probabilities(logits, self.spec.labels, self.info.temperature, self.info.logit_bias)
        states = (*window.states, *(() if self.info.trained else (State.UNTRAINED,)))
        return Prediction(
            time=window.end,
            label=max(values, key=values.__getitem__),
            probabilities=values,
            face=window.face,
            has_audio=window.waveform is not None and window.waveform.shape[-1] > 0,
            latency_ms=1000 * (time.perf_counter() - start),
            states=states,
            face_lost_s=window.face_lost_s,
            trusted=trusted(states, self.spec),
        )

    def predict_file(
        self,
        path: str | os.PathLike[str],
        hop: float | None = None,
        progress: Callable[[float, float], None] | None = None,
    ) -> list[Prediction]:
        """Return one `Prediction` a hop over the whole file.

        Args: path: a video, or sound alone; hop: seconds between results, the window's length / 16 where None;
        progress: called with (seconds done, seconds in all). Raises OSError or ValueError for an unreadable file.
        """
        return list(self.iter_file(path, hop, progress))

    def iter_file(
        self,
        path: str | os.PathLike[str],
        hop: float | None = None,
        progress: Callable[[float, float], None] | None = None,
        step: StreamingStep | None = None,
    ) -> Iterator[Prediction]:
        """Yield what `predict_file` returns, one by one, in bounded memory; by the streaming ``step`` where given."""
        hop = self.spec.hop_seconds if hop is None else hop
        check_hop(hop)
        file = media_file.open_media(path)
        for window in file_windows(file, self.spec, hop):
            yield self.predict(window, step)
            if progress:
                progress(window.end, max(file.duration, window.end))


def check_hop(hop: float) -> None:
    """Raise ValueError unless ``hop`` is a time between results, in s."""
    if not 0 < hop < math.inf:
        raise ValueError(f"hop must be above 0 seconds, got {hop}; give a finite number of seconds")


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


def file_windows(file: media_file.MediaFile, spec: InputSpec, hop: float) -> Iterator[Window]:
    """Yield the window that ends at each multiple of ``hop`` (s), and the one at the file's end, as if it were live."""
    frame = 1 / (file.fps or 25.0)
    with contextlib.closing(AVWindow(spec)) as stream:
        hops, seen = 1, 0.0
        for packet in file.packets():
            while packet.time > hops * hop:
                if hops * hop - seen > spec.window_seconds:  # a hole in the file: no line for hours of nothing
                    hops = math.ceil(packet.time / hop)
                    break
                yield stream.window(end=hops * hop)
                hops += 1
            if isinstance(packet, media_file.VideoFrame):
                stream.push_frame(packet.time, packet.rgb)
                seen = max(seen, packet.time)
            else:
                stream.push_audio(packet.waveform, packet.sample_rate, packet.time)
                seen = max(seen, packet.time + packet.waveform.shape[1] / packet.sample_rate)
        # A header may say nothing (raw H.264), or more than there is (a file cut short).
        end = file.duration if abs(file.duration - seen) < _HEADER_SLACK * frame else seen
        while hops * hop < end - _SAME_TIME:
            yield stream.window(end=hops * hop)
            hops += 1
        # What is left since the last whole hop; all of it in a file shorter than one.
        if hops == 1 or end > (hops - 1) * hop + _SAME_TIME:
            yield stream.window(end=end)
