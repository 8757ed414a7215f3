"""The plain engine: PyTorch on the CPU or a CUDA GPU."""

from __future__ import annotations

import torch
from torch import nn

from mmadfer.backends.base import Backend, Encoded
from mmadfer.backends.device import choose_device, choose_precision, device_name
from mmadfer.model import MMADFER

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class PyTorchBackend(Backend):
    """`MMADFER` as it is; its encoders in ``precision``, its temporal head always in float32."""

    keeps_sound = True

    def __init__(self, model: MMADFER, device: str = "auto", precision: str = "auto") -> None:
        """Take ``model`` over: it is moved and converted in place.

        Args: device: as `choose_device`; precision: "auto", "bf16", "fp32", or "fp16" on a GPU.
        Raises ValueError as those do.
        """
        self.spec, self.config = model.spec, model.config
        self._device = choose_device(device)
        self.precision = choose_precision(self._device, precision)
        self._dtype = _DTYPES[self.precision]
        self.device = str(self._device)
        self.description = f"PyTorch {self.precision} on {device_name(self._device)}"
        encoders: tuple[nn.Module, ...] = (model.face, model.audio, model.fusion)
        for module in encoders:
            module.to(self._dtype)
        self._model = model.to(self._device).eval()

    @torch.inference_mode()
    def encode(self, frames: torch.Tensor, spectrogram: torch.Tensor, kept_sum: torch.Tensor) -> Encoded:
        """Encode k new frames; shapes as in `Backend.encode`: ``(k, 3, S, S)`` -> ``(k, D)``, ``(1, D)``, means."""
        inputs = (t.to(self._device, self._dtype) for t in (frames.unsqueeze(0), spectrogram, kept_sum.unsqueeze(0)))
        cls, audio_cls, means, audio_means = self._model.encode(*inputs)
        return Encoded(cls[0].float(), audio_cls.float(), means[0].float(), audio_means[0].float())

    @torch.inference_mode()
    def encode_faces(self, frames: torch.Tensor, audio_means: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode k new frames with kept sound; as `Backend.encode_faces`: ``(k, 3, S, S)`` -> ``(k, D)``, means."""
        inputs = (t.to(self._device, self._dtype).unsqueeze(0) for t in (frames, audio_means))
        cls, means = self._model.encode_faces(*inputs)
        return cls[0].float(), means[0].float()

    @torch.inference_mode()
    def head(self, cls: torch.Tensor, audio_cls: torch.Tensor) -> torch.Tensor:
        """Classify: ``(T, D)``, ``(1, D)`` -> logits ``(1, C)``, float32 on the CPU."""
        return self._model.head(cls.unsqueeze(0), audio_cls).cpu()

    @torch.inference_mode()
    def __call__(self, frames: torch.Tensor, spectrogram: torch.Tensor) -> torch.Tensor:
        """Return the logits, float32 on the CPU: ``(B, T, 3, S, S)``, ``(B, 1, 512, 128)`` -> ``(B, C)``."""
        inputs = (tensor.to(self._device, self._dtype) for tensor in (frames, spectrogram))
        cls, audio_cls = self._model.encode(*inputs)[:2]  # one call for all clips, unlike the base class
        return self._model.head(cls.float(), audio_cls.float()).cpu()

    def close(self) -> None:
        """Free the weights; the backend cannot be called afterwards."""
        del self._model
