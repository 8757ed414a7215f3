"""The plain engine: PyTorch on the CPU or a CUDA GPU."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from mmadfer.backends.base import Backend, Encoded
from mmadfer.backends.device import choose_device, choose_precision, device_name
from mmadfer.backends.proof import Unproven, is_reference, prove, prove_finite, tolerance
from mmadfer.backends.pytorch.cuda_graph import Capture, CudaCapture, GraphedFunction, Tensors
from mmadfer.backends.pytorch.device_frames import device_frames
from mmadfer.graphs.cache import reference_of
from mmadfer.graphs.probe import Reference
from mmadfer.weights.lazy import LazyModel

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER

log = logging.getLogger(__name__)

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class PyTorchBackend(Backend):
    """`MMADFER` as it is; its encoders in ``precision``, its temporal head always in float32.

    On a GPU, `warmup` records CUDA graphs of the exact pass, the step and the head, so that Python need not launch
    their hundreds of kernels one by one at every hop. Any other number of new frames, which a stream has only where
    hops were missed, is launched kernel by kernel: recording it would make the answer that is late already later still.
    """

    def __init__(
        self, model: MMADFER, device: str = "auto", precision: str = "auto", reference: Reference | None = None
    ) -> None:
        """Take ``model`` over: it is moved and converted in place.

        Args: device: as `choose_device`; precision: "auto", "bf16", "fp32", or "fp16" on a GPU; reference: the model's
        own answer to the probe, asked for where it is not given.
        Raises ValueError as those do, and where the probe is answered wrongly.
        """
        self.spec, self.config = model.spec, model.config
        self.keeps_sound = model.config.keeps_frames
        self._device = choose_device(device)
        self.precision = choose_precision(self._device, precision)
        self._dtype = _DTYPES[self.precision]
        self.device = str(self._device)
        self.description = f"PyTorch {self.precision} on {device_name(self._device)}"
        judged = not is_reference(self._device, self.precision)
        self._reference = (reference or Reference.of_model(model)) if judged else None
        encoders: tuple[nn.Module, ...] = (model.face, model.audio, model.fusion, model.adapters)
        for module in encoders:
            module.to(self._dtype)
        self._model = model.to(self._device).eval()
        self._encoders = GraphedFunction(self._run_encoders, self._device)
        self._head = GraphedFunction(self._run_head, self._device)
        self._prove()

    @classmethod
    def of_model(cls, model: MMADFER | LazyModel, device: str = "auto", precision: str = "auto") -> PyTorchBackend:
        """Return the backend for ``model``; where "auto" has chosen a precision whose answers are wrong, in float32.

        Raises ValueError as the constructor does; the model is as it was then.
        """
        lazy = LazyModel.of(model)
        chosen = choose_device(device)
        kind = choose_precision(chosen, precision)
        reference = None if is_reference(chosen, kind) else reference_of(lazy)
        whole = lazy.build()
        kept = whole.state_dict()  # its tensors are not changed by a conversion, which puts others in their place
        try:
            return cls(whole, device, kind, reference)
        except Unproven as error:
            whole.to("cpu").load_state_dict(kept, assign=True)
            if precision != "auto" or kind == "fp32":
                raise
            log.warning("%s: float32 is used", error)
            loaded = cls.of_model(lazy, device, "fp32")
            loaded.reason = f"float32 is used, for {error}"
            return loaded

    def _prove(self) -> None:
        """Answer the probe. Raises Unproven where that is wrong."""
        if self._reference is None:
            prove_finite(self)
        else:
            prove(self, self._reference, tolerance("pytorch", self.precision))

    @torch.inference_mode()
    def frames(self, crops: Sequence[np.ndarray]) -> torch.Tensor:
        """Return face crops as `Backend.frames`, uploaded as bytes: k crops -> ``(k, 3, S, S)`` on the device."""
        return device_frames(crops, self.spec, self._device)

    @torch.inference_mode()
    def encode(self, frames: torch.Tensor, spectrogram: torch.Tensor, kept_sum: torch.Tensor) -> Encoded:
        """Encode k new frames; shapes as in `Backend.encode`: ``(k, 3, S, S)`` -> ``(k, D)``, ``(1, D)``, means."""
        return Encoded(*self._encoders(frames, spectrogram, kept_sum))

    def _run_encoders(self, frames: torch.Tensor, spectrogram: torch.Tensor, kept_sum: torch.Tensor) -> Tensors:
        inputs = (t.to(self._dtype) for t in (frames.unsqueeze(0), spectrogram, kept_sum.unsqueeze(0)))
        cls, audio_cls, means, audio_means = self._model.encode(*inputs)
        return cls[0].float(), audio_cls.float(), means[0].float(), audio_means[0].float()

    @torch.inference_mode()
    def encode_faces(self, frames: torch.Tensor, audio_means: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode k new frames with kept sound; as `Backend.encode_faces`: ``(k, 3, S, S)`` -> ``(k, D)``, means."""
        inputs = (t.to(self._device, self._dtype).unsqueeze(0) for t in (frames, audio_means))
        cls, means = self._model.encode_faces(*inputs)
        return cls[0].float(), means[0].float()

    @torch.inference_mode()
    def head(self, cls: torch.Tensor, audio_cls: torch.Tensor) -> torch.Tensor:
        """Classify: ``(T, D)``, ``(1, D)`` -> logits ``(1, C)``, float32 on the CPU."""
        return self._head(cls, audio_cls)[0].cpu()

    def _run_head(self, cls: torch.Tensor, audio_cls: torch.Tensor) -> Tensors:
        return (self._model.head(cls.unsqueeze(0), audio_cls),)

    @torch.inference_mode()
    def __call__(self, frames: torch.Tensor, spectrogram: torch.Tensor) -> torch.Tensor:
        """Return the logits, float32 on the CPU: ``(B, T, 3, S, S)``, ``(B, 1, 512, 128)`` -> ``(B, C)``."""
        inputs = (tensor.to(self._device, self._dtype) for tensor in (frames, spectrogram))
        cls, audio_cls = self._model.encode(*inputs)[:2]  # one call for all clips, unlike the base class
        return self._model.head(cls.float(), audio_cls.float()).cpu()

    def warmup(self) -> None:
        """As `Backend.warmup`, on a GPU after its graphs have been recorded; where CUDA refuses, a warning says so."""
        if self._device.type == "cuda" and not self._head.captured():
            try:
                self.record(lambda: CudaCapture(self._device))
                self._prove()
            except (RuntimeError, Unproven) as error:  # answers are the same without them, only slower
                self._encoders.forget()
                self._head.forget()
                log.warning("no CUDA graphs on %s, kernels are launched one by one: %s", self.device, error)
        super().warmup()

    @torch.inference_mode()
    def record(self, make_capture: Callable[[], Capture]) -> None:
        """Capture the exact pass, the step and the head. Args: make_capture: called once for encoders and for head.

        Raises RuntimeError where a capture does.
        """
        spec, config = self.spec, self.config
        encoders, head = make_capture(), make_capture()
        for count in self.usual_counts:  # the larger first: its memory serves both
            frames = (count, 3, spec.image_size, spec.image_size)
            means = (config.depth, config.context_width)
            self._encoders.capture(encoders, frames, (1, 1, spec.mel.frames, spec.mel.bins), means)
        self._head.capture(head, (spec.num_frames, config.width), (1, config.width))

    def close(self) -> None:
        """Free the weights and what was recorded; the backend cannot be called afterwards."""
        del self._encoders, self._head, self._model
