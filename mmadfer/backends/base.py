"""What a backend is, and how one is chosen: a named one is used or refused, never replaced by another."""

from __future__ import annotations

import importlib.util
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from mmadfer import graph
from mmadfer.backends.device import choose_device
from mmadfer.config import InputSpec, ModelConfig
from mmadfer.lazy_model import LazyModel
from mmadfer.preprocess import frame_inputs

if TYPE_CHECKING:
    from mmadfer.model import MMADFER

log = logging.getLogger(__name__)

BACKENDS = ("auto", "pytorch", "openvino", "tensorrt")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")


@dataclass(frozen=True, eq=False)
class Encoded:
    """What the encoders make of k frames of one clip and its sound; float32, on the backend's device."""

    cls: torch.Tensor
    """CLS of each frame ``(k, D)``."""
    audio_cls: torch.Tensor
    """CLS of the sound ``(1, D)``."""
    means: torch.Tensor
    """What later steps need of these frames ``(k, depth, K)``; see `MMADFER.encode`."""
    audio_means: torch.Tensor
    """What `Backend.encode_faces` needs of the sound ``(depth, K)``."""


class Backend(ABC):
    """Runs one set of weights on one device."""

    spec: InputSpec
    config: ModelConfig
    device: str
    """Where it runs, such as "cpu" or "cuda:0"."""
    description: str
    """Engine, precision and device in words, such as "PyTorch bf16 on AMD EPYC"."""
    keeps_sound: bool = False
    """Whether it has `encode_faces`, with which a machine that is behind spares itself the sound."""
    reason: str = ""
    """Why this backend was chosen, in words; empty where it was asked for by name."""

    @property
    def usual_counts(self) -> tuple[int, ...]:
        """Numbers of new frames that a stream mostly has: those of the exact pass and, where there is one, of a step.

        The larger comes first.
        """
        whole = self.spec.num_frames
        return (whole, 1) if self.config.keeps_frames and whole > 1 else (whole,)

    def frames(self, crops: Sequence[np.ndarray]) -> torch.Tensor:
        """Return face crops as `encode` takes them; as `frame_inputs`, but where this backend wants them.

        Args: crops: k arrays `(S, S, 3)` uint8, or of another size; none at all gives the whole window in black.
        Raises ValueError on malformed arrays.
        """
        return frame_inputs(crops, self.spec)

    @abstractmethod
    def encode(self, frames: torch.Tensor, spectrogram: torch.Tensor, kept_sum: torch.Tensor) -> Encoded:
        """Encode the k new frames of a clip.

        Args: frames: ``(k, 3, S, S)``, k from 1 to T; spectrogram: ``(1, 1, 512, 128)``; kept_sum: sum of the means of
        the clip's T - k other frames ``(depth, K)``, zeros where k = T.
        """

    def encode_faces(self, frames: torch.Tensor, audio_means: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode the k new frames of a clip with sound that `encode` has seen; only where `keeps_sound`.

        Args: frames: ``(k, 3, S, S)``; audio_means: ``(depth, K)``.
        Returns: CLS ``(k, D)``, means ``(k, depth, K)``.
        """
        raise NotImplementedError(f"{type(self).__name__} encodes faces and sound together only")

    @abstractmethod
    def head(self, cls: torch.Tensor, audio_cls: torch.Tensor) -> torch.Tensor:
        """Classify: frames' CLS ``(T, D)``, sound's ``(1, D)`` -> logits ``(1, C)``, float32 on the CPU."""

    def __call__(self, frames: torch.Tensor, spectrogram: torch.Tensor) -> torch.Tensor:
        """Return the logits, float32 on the CPU: ``(B, T, 3, S, S)``, ``(B, 1, 512, 128)`` -> ``(B, C)``."""
        nothing = torch.zeros(self.config.depth, self.config.context_width)
        pairs = zip(frames, spectrogram.unsqueeze(1), strict=True)
        clips = (self.encode(clip, sound, nothing) for clip, sound in pairs)
        return torch.cat([self.head(clip.cls, clip.audio_cls) for clip in clips])

    def warmup(self) -> None:
        """Run the exact pass and a step, if there is one, on blank input: the first real window is not the slow one."""
        spec = self.spec
        black = np.zeros((spec.image_size, spec.image_size, 3), np.uint8)
        spectrogram = torch.full((1, 1, spec.mel.frames, spec.mel.bins), spec.mel.padding)
        nothing = torch.zeros(self.config.depth, self.config.context_width)
        for count in self.usual_counts:
            encoded = self.encode(self.frames([black] * count), spectrogram, nothing)
            self.head(encoded.cls[-1:].expand(spec.num_frames, -1), encoded.audio_cls)

    @abstractmethod
    def close(self) -> None:
        """Free what it holds; it cannot be called afterwards."""


def load_backend(
    model: MMADFER | LazyModel, backend: str = "auto", device: str = "auto", precision: str = "auto"
) -> Backend:
    """Return ``backend`` running ``model`` on ``device``; the model must not be used by the caller afterwards.

    A `LazyModel` is built only where there are no graphs or engines of it yet, or none are used.

    Args: backend: one of `BACKENDS`; device: "auto" (the GPU where PyTorch sees one, else the CPU), "cpu", "cuda" or
    "cuda:N"; precision: "auto" (the fastest that the device computes in hardware) or one of `PRECISIONS`.
    Raises ValueError where one of them is unknown or not there, ImportError where a named backend is not installed,
    FileNotFoundError where a named backend needs an engine that has not been built.
    """
    if backend not in BACKENDS:
        raise ValueError(f"there is no backend {backend!r}; choose one of {', '.join(BACKENDS)}")
    if precision not in PRECISIONS:
        raise ValueError(f"there is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
    model = LazyModel.of(model)
    if backend != "auto":
        return _load(model, backend, device, precision)
    if why_not := graph.inexpressible(model.config):
        loaded = _load(model, "pytorch", device, precision)
        loaded.reason = why_not
    elif choose_device(device).type == "cpu":
        loaded = _best_on_cpu(model, device, precision)
    else:
        loaded = _best_on_gpu(model, device, precision)
    log.info("%s, because %s", loaded.description, loaded.reason)
    return loaded


def _load(model: LazyModel, backend: str, device: str, precision: str) -> Backend:
    if precision == "int8" and backend != "openvino":
        raise ValueError(f"precision int8 is for the backend openvino on a CPU; {backend} does not have it")
    if backend == "openvino":
        from mmadfer.backends.openvino import OpenVINOBackend

        return OpenVINOBackend.of_model(model, device, precision)
    if backend == "tensorrt":
        from mmadfer.backends.tensorrt import TensorRTBackend

        return TensorRTBackend.of_model(model, device, precision)
    from mmadfer.backends.pytorch import PyTorchBackend

    return PyTorchBackend(model.build(), device, precision)


def _best_on_cpu(model: LazyModel, device: str, precision: str) -> Backend:
    """Return OpenVINO, 4 times as fast there as PyTorch, where it can run, and PyTorch where it cannot."""
    why = "there is no GPU" if device == "auto" else "the CPU was asked for"
    if all(importlib.util.find_spec(name) for name in ("openvino", "onnx", "onnxscript")):
        try:
            loaded = _load(model, "openvino", device, precision)
        except OSError as error:
            if precision == "int8":
                raise
            why_not = f"the graphs for OpenVINO cannot be kept: {error}"
        else:
            loaded.reason = f"{why} and OpenVINO is installed"
            return loaded
    else:
        why_not = "OpenVINO is not installed: pip install 'mmadfer[cpu]'"
    loaded = _load(model, "pytorch", device, precision)
    loaded.reason = f"{why} and {why_not}"
    return loaded


def _best_on_gpu(model: LazyModel, device: str, precision: str) -> Backend:
    """Return TensorRT where an engine for exactly these weights and this GPU has been built, else PyTorch."""
    try:
        loaded = _load(model, "tensorrt", device, precision)
    except (ImportError, OSError, ValueError) as error:
        loaded = _load(model, "pytorch", device, precision)
        loaded.reason = f"TensorRT cannot be used: {error}"
    else:
        loaded.reason = "an engine for these weights and this GPU is in the cache"
    return loaded
