"""OpenVINO on the CPU: the fastest engine there, and real time with the streaming step."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mmadfer import graph, int8, storage
from mmadfer.backends.base import Backend, Encoded
from mmadfer.backends.device import choose_device, choose_precision, device_name
from mmadfer.backends.faces_graph import without_sound
from mmadfer.backends.openvino_core import openvino_core

if TYPE_CHECKING:
    from mmadfer.lazy_model import LazyModel
    from mmadfer.model import MMADFER

_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVINOBackend(Backend):
    """The two graphs of `mmadfer.graph` in OpenVINO; the encoders in ``precision``, the head in float32.

    What int8 leaves as it is (attention, norms, sums) runs in bf16 where the CPU computes that in hardware.
    """

    keeps_sound = True

    def __init__(self, graphs: graph.GraphFolder, precision: str = "auto") -> None:
        """Args: graphs: float32 graphs; precision: "auto", "bf16", "fp32" or "int8".

        Raises ImportError where OpenVINO is not installed, ValueError where it cannot read the graphs,
        FileNotFoundError for int8 where the encoders were not calibrated.
        """
        try:
            self._core = openvino_core()
        except ModuleNotFoundError as error:
            raise ImportError("the backend openvino is not installed: pip install 'mmadfer[cpu]'") from error
        self.spec, self.config = graphs.spec, graphs.config
        self.device = "cpu"
        cpu = torch.device("cpu")
        self.precision = choose_precision(cpu, precision)
        self.description = f"OpenVINO {self.precision} on {device_name(cpu)}"
        if self.precision == "int8":
            self._source, self._inner = int8.read(graphs).encoder, choose_precision(cpu)
        else:
            self._source, self._inner = graphs.encoder, self.precision
        self._encoder = self._compile(self._source, self._inner)
        self._head = self._compile(graphs.head, "fp32")
        self._faces: Any = None
        self._local = threading.local()

    @classmethod
    def of_model(cls, model: MMADFER | LazyModel, device: str = "auto", precision: str = "auto") -> OpenVINOBackend:
        """Return the backend for ``model``, whose graphs are written to the cache where they are not there yet.

        Raises ValueError where ``device`` is a GPU, OSError where the cache cannot be written.
        """
        if device != "auto" and choose_device(device).type != "cpu":
            raise ValueError(f"the backend openvino runs on the CPU, but device {device!r} was asked for")
        return cls(storage.graphs_of(model), precision)

    def _compile(self, path: Path, precision: str, cut: Callable[[Any], Any] | None = None) -> Any:
        hints = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            # Compiled graphs are kept beside their source: the second start takes a second instead of five.
            "CACHE_DIR": os.fspath(path.parent / "openvino"),
        }
        try:
            source = os.fspath(path) if cut is None else cut(self._core.read_model(os.fspath(path)))
            return self._core.compile_model(source, "CPU", hints)
        except RuntimeError as error:
            raise ValueError(f"OpenVINO cannot read {path}; delete it to have it written again") from error

    def _infer(self, name: str, compiled: Any, *inputs: torch.Tensor) -> list[torch.Tensor]:
        # A request belongs to one thread: the live model and the drift meter run at the same time.
        request = getattr(self._local, name, None)
        if request is None:
            request = compiled.create_infer_request()
            setattr(self._local, name, request)
        request.infer([np.ascontiguousarray(t.numpy()) for t in inputs], share_inputs=True)
        # Copies: the request's own memory is written again by its next call.
        return [torch.from_numpy(request.get_output_tensor(i).data.copy()) for i in range(len(compiled.outputs))]

    def encode(self, frames: torch.Tensor, spectrogram: torch.Tensor, kept_sum: torch.Tensor) -> Encoded:
        """Encode k new frames; shapes as in `Backend.encode`: ``(k, 3, S, S)`` -> ``(k, D)``, ``(1, D)``, means."""
        return Encoded(*self._infer("encoder", self._encoder, frames, spectrogram, kept_sum))

    def encode_faces(self, frames: torch.Tensor, audio_means: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode k new frames with kept sound; as `Backend.encode_faces`: ``(k, 3, S, S)`` -> ``(k, D)``, means."""
        if self._faces is None:  # compiled when first needed: only a live machine that is behind needs it
            self._faces = self._compile(self._source, self._inner, without_sound)
        cls, means = self._infer("faces", self._faces, frames, audio_means)
        return cls, means

    def warmup(self) -> None:
        """Run a step and the frames alone on blank input.

        An exact pass is not run: after a step its first run is hardly slower than its second (1.1 s on two cores).
        """
        spec = self.spec
        frames = torch.zeros(1, 3, spec.image_size, spec.image_size)
        spectrogram = torch.full((1, 1, spec.mel.frames, spec.mel.bins), spec.mel.padding)
        nothing = torch.zeros(self.config.depth, self.config.context_width)
        encoded = self.encode(frames, spectrogram, nothing)
        self.head(encoded.cls.expand(spec.num_frames, -1), encoded.audio_cls)
        self.encode_faces(frames, nothing)

    def head(self, cls: torch.Tensor, audio_cls: torch.Tensor) -> torch.Tensor:
        """Classify: ``(T, D)``, ``(1, D)`` -> logits ``(1, C)``, float32 on the CPU."""
        return self._infer("head", self._head, cls, audio_cls)[0]

    def close(self) -> None:
        """Free the weights; the backend cannot be called afterwards."""
        del self._local, self._encoder, self._faces, self._head, self._core
