"""The plain engine: PyTorch on the CPU or a CUDA GPU."""

from __future__ import annotations

import torch
from torch import nn

from mmadfer.model import MMADFER

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def choose_device(device: str) -> torch.device:
    """Return the device named ``device`` ("auto", "cpu", "cuda", "cuda:N"). ValueError where it is not there."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return torch.device("cpu")
    kind, _, number = device.partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        raise ValueError(f"there is no device {device!r}; choose auto, cpu, cuda or cuda:N")
    if not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but PyTorch {torch.__version__} sees no CUDA GPU; use cpu")
    index, count = int(number or 0), torch.cuda.device_count()
    if index >= count:
        raise ValueError(f"device {device!r} was asked for, but there are only the GPUs cuda:0 to cuda:{count - 1}")
    return torch.device("cuda", index)


def choose_precision(device: torch.device, precision: str = "auto") -> str:
    """Return ``precision`` where one is named, else "bf16" where ``device`` computes it in hardware, else "fp32"."""
    if precision != "auto":
        if precision not in PRECISIONS:
            raise ValueError(f"there is no precision {precision!r}; choose auto, {' or '.join(PRECISIONS)}")
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"


class PyTorchBackend:
    """`MMADFER` as it is; its encoders in ``precision``, its temporal head always in float32."""

    def __init__(self, model: MMADFER, device: str = "auto", precision: str = "auto") -> None:
        """Take ``model`` over: it is moved and converted in place.

        Args: device: as `choose_device`; precision: "auto", "bf16" or "fp32". Raises ValueError as those do.
        """
        self._device = choose_device(device)
        self.precision = choose_precision(self._device, precision)
        self._dtype = PRECISIONS[self.precision]
        self.device = str(self._device)
        self.description = f"PyTorch {self.precision} on {_device_name(self._device)}"
        encoders: tuple[nn.Module, ...] = (model.face, model.audio, model.fusion)
        for module in encoders:
            module.to(self._dtype)
        self._model = model.to(self._device).eval()

    @torch.inference_mode()
    def __call__(self, frames: torch.Tensor, spectrogram: torch.Tensor) -> torch.Tensor:
        """Return the logits, float32 on the CPU: ``(B, T, 3, S, S)``, ``(B, 1, 512, 128)`` -> ``(B, C)``."""
        inputs = (tensor.to(self._device, self._dtype) for tensor in (frames, spectrogram))
        face_cls, audio_cls, _ = self._model.encode(*inputs)
        return self._model.head(face_cls.float(), audio_cls.float()).cpu()

    def warmup(self) -> None:
        """Run once on blank input, so that the first real window is not the slow one."""
        spec = self._model.spec
        frames = torch.zeros(1, spec.num_frames, 3, spec.image_size, spec.image_size)
        self(frames, torch.full((1, 1, spec.mel.frames, spec.mel.bins), spec.mel.padding))

    def close(self) -> None:
        """Free the weights; the backend cannot be called afterwards."""
        del self._model


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return str(torch.cpu.get_capabilities().get("cpu_name", "CPU"))
