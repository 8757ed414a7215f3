"""What a backend is: the one interface of all engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.graphs import probe
from mmadfer.preprocess import frame_inputs

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
    """Why this backend was chosen, in words; empty where it was asked for by name, and is what was asked for."""

    @property
    def usual_counts(self) -> tuple[int, ...]:
        """Numbers of new frames that a stream mostly has: those of the exact pass and, where there is one, of a step.

        The larger comes first.
        """
        return probe.counts(self.spec, self.config)

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
