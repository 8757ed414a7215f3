"""TensorRT on an NVIDIA GPU: runs engines of TensorRT for RTX and of full TensorRT, the product's module passed in."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mmadfer.backends.base import Backend, Encoded
from mmadfer.backends.device import choose_device, device_name
from mmadfer.backends.proof import Unproven, prove, tolerance
from mmadfer.backends.pytorch.device_frames import device_frames, pinned
from mmadfer.backends.tensorrt import products
from mmadfer.backends.tensorrt.cache import engines_folder, engines_of
from mmadfer.backends.tensorrt.engine import PRODUCTS, EngineFolder
from mmadfer.backends.tensorrt.runtime_cache import RuntimeCache
from mmadfer.config import InputSpec, ModelConfig
from mmadfer.graphs import graph

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER
    from mmadfer.weights.lazy import LazyModel

log = logging.getLogger(__name__)

_Shapes = dict[str, tuple[int, ...]]
_PROBLEMS = {
    "VERSION_MISMATCH": "another version built it",
    "UNSUPPORTED_CC": "it was not built for this GPU",
    "OLD_CUDA_DRIVER": "the NVIDIA driver is too old: update it",
    "OLD_CUDA_RUNTIME": "the CUDA runtime is too old: update it",
    "INSUFFICIENT_GPU_MEMORY": "the GPU has too little free memory",
    "MALFORMED_ENGINE": "it is no engine",
    "CUDA_ERROR": "the NVIDIA driver or the CUDA runtime is not installed correctly",
}
"""What TensorRT for RTX finds wrong with an engine before it loads it, by the name of the flag, in words."""


def shapes(spec: InputSpec, config: ModelConfig) -> dict[str, _Shapes]:
    """Return part -> name -> shape of every input and output, with -1 for the number of new frames."""
    size, width, means = spec.image_size, config.width, (config.depth, config.context_width)
    encoder: _Shapes = {
        "frames": (-1, 3, size, size),
        "spectrogram": (1, 1, spec.mel.frames, spec.mel.bins),
        "kept_sum": means,
        "cls": (-1, width),
        "audio_cls": (1, width),
        "means": (-1, *means),
        "audio_means": means,
    }
    head: _Shapes = {"cls": (spec.num_frames, width), "audio_cls": (1, width), "logits": (1, len(spec.labels))}
    return {"encoder": encoder, "head": head}


def _fits(found: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Return whether the shape is the expected one; TensorRT may leave a side open (-1) that is always the same."""
    if len(found) != len(expected):
        return False
    return all(side in (-1, wanted) for side, wanted in zip(found, expected, strict=True))


class _Engine:
    """One loaded engine. Its inputs and outputs are PyTorch tensors with room for the most frames, never moved."""

    def __init__(self, trt: Any, engine: Any, context: Any, expected: _Shapes, most: int, device: torch.device) -> None:
        """Args: most: largest number of new frames. Raises ValueError where the engine is not of these shapes."""
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        found = {name: tuple(engine.get_tensor_shape(name)) for name in names}
        if set(found) != set(expected) or not all(_fits(found[name], shape) for name, shape in expected.items()):
            raise ValueError(f"the engine is of another model or size: it has {found}, expected {expected}")
        self._engine, self._context = engine, context
        self._frames = next((name for name, shape in expected.items() if shape[0] == -1 and len(shape) == 4), None)
        self._count = 0
        self.tensors = {
            name: torch.zeros([most if side == -1 else side for side in shape], device=device)
            for name, shape in expected.items()
        }
        for name, tensor in self.tensors.items():
            if engine.get_tensor_dtype(name) != trt.DataType.FLOAT:
                raise ValueError(f"the engine's {name} is {engine.get_tensor_dtype(name)}, expected float32")
            self._context.set_tensor_address(name, tensor.data_ptr())

    def enqueue(self, stream: torch.cuda.Stream, count: int) -> bool:
        """Put one run over ``count`` new frames into ``stream``; False where TensorRT refuses."""
        if self._frames and count != self._count:
            if not self._context.set_input_shape(self._frames, (count, *self.tensors[self._frames].shape[1:])):
                return False
            self._count = count
        return bool(self._context.execute_async_v3(stream.cuda_stream))


class TensorRTBackend(Backend):
    """Both engines of a folder, on a stream of their own; may be called from several threads, which take turns.

    TensorRT reads and writes PyTorch tensors, allocated once. Inputs are copied into them, within the GPU or from
    pinned memory; answers are copied out of them into memory of PyTorch's pool, since a stream keeps its frames'
    answers over many calls. Nothing passes through the CPU but face crops as bytes, the spectrogram and the logits.
    """

    def __init__(self, folder: EngineFolder, device: str = "auto") -> None:
        """Args: folder: from `mmadfer.backends.tensorrt.engine.peek` or `read`; device: "auto", "cuda" or "cuda:N".

        Raises ValueError where the device is no GPU, the engine does not fit it, its driver or the installed version,
        or answers the probe wrongly, ImportError where the product is not installed, OSError where a file is missing.
        """
        self._device = _gpu(device)
        trt = products.load_for(folder.key, self._device)
        self.spec, self.config, self.precision = folder.spec, folder.config, folder.key.precision
        self.device = str(self._device)
        self._name = PRODUCTS[folder.key.product]
        self.description = f"{self._name} {self.precision} on {device_name(self._device)}"
        self._lock = threading.Lock()
        self._log = products.logger_of(trt)
        with torch.cuda.device(self._device):
            self._stream = torch.cuda.Stream(self._device)
            self._runtime = _runtime(trt, self._log, self._name)
        self._start(trt, folder)

    @classmethod
    def of_model(cls, model: MMADFER | LazyModel, device: str = "auto", precision: str = "auto") -> TensorRTBackend:
        """Return the backend for ``model``, whose engine must be in the cache; of several that fit, the fp16 one.

        Raises ValueError where ``device`` is no GPU, ``precision`` is bf16, or no engine fits the GPU and what is
        installed; FileNotFoundError where there is no engine at all; ImportError where its product is not installed.
        """
        gpu = _gpu(device)
        if precision not in ("auto", "fp16", "fp32"):
            raise ValueError(f"TensorRT engines are fp16 or fp32, but precision {precision!r} was asked for")
        engines = [e for e in engines_of(model) if precision in ("auto", e.key.precision)]
        wrong = ""
        problem: Exception = FileNotFoundError(
            f"there is no TensorRT engine {'' if precision == 'auto' else precision + ' '}for the weights "
            f"{model.info.name} in {engines_folder()}; build one with mmadfer export trt"
            + (" and the same --weights" if model.info.trained else "")
        )
        for engine in sorted(engines, key=lambda e: e.key.precision):
            try:
                products.load_for(engine.key, gpu)
                loaded = cls(engine, str(gpu))
            except (ImportError, OSError, ValueError) as error:
                problem = error
                if isinstance(error, Unproven):
                    log.warning("%s", error)
                    wrong = f"another engine was wrong: {error}"
            else:
                loaded.reason = wrong
                return loaded
        raise problem

    def _start(self, trt: Any, folder: EngineFolder) -> None:
        """Load both engines and let them prove themselves; where they are wrong, once more with kernels made anew."""
        slug = re.sub(r"\W+", "-", device_name(self._device)).strip("-")
        expected, reference = shapes(self.spec, self.config), folder.reference()
        for anew in (False, True):
            self._cache = RuntimeCache(trt, folder.path / f"runtime-{slug}.cache", anew)
            with torch.cuda.device(self._device):
                engines = (self._load(trt, folder, part, expected[part]) for part in ("encoder", "head"))
                self._encoder, self._head = engines
            try:
                prove(self, reference, tolerance("tensorrt", self.precision))
            except Unproven as error:
                if not self._cache.was_kept:
                    raise Unproven(f"{error}; build {folder.path} again with mmadfer export trt") from error
                log.info("%s: its kernels are compiled again", error)
                del self._encoder, self._head  # contexts end before what they run
            else:
                return

    def _load(self, trt: Any, folder: EngineFolder, part: str, expected: _Shapes) -> _Engine:
        data = folder.load(part)
        self._log.last = ""
        problem = invalidity(trt, self._runtime, data)
        if problem:
            raise ValueError(f"{self._name} {trt.__version__} refuses {folder.file(part)}: {problem}")
        engine = self._runtime.deserialize_cuda_engine(data)
        context = None if engine is None else self._cache.context(engine)
        if context is None:
            why = self._log.last or "it gives no reason"
            raise ValueError(
                f"{self._name} {trt.__version__} cannot load {folder.file(part)} ({why}); "
                "an NVIDIA driver that is too old or too little GPU memory are the usual causes"
            )
        return _Engine(trt, engine, context, expected, self.spec.num_frames, self._device)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for this thread's turn and make the engines' stream the current one.

        The GPU does the caller's earlier work first and its later work afterwards, without the CPU waiting for either.
        """
        with self._lock, torch.inference_mode(), torch.cuda.device(self._device):
            caller = torch.cuda.current_stream(self._device)
            self._stream.wait_stream(caller)
            with torch.cuda.stream(self._stream):
                yield
            caller.wait_stream(self._stream)

    def _run(self, engine: _Engine, inputs: dict[str, torch.Tensor], count: int) -> None:
        for name, tensor in inputs.items():
            room = engine.tensors[name][:count] if name == "frames" else engine.tensors[name]
            if tensor.shape != room.shape:
                raise ValueError(f"{name} must be of shape {tuple(room.shape)}, got {tuple(tensor.shape)}")
            room.copy_(pinned(tensor, self._device), non_blocking=True)
        if not engine.enqueue(self._stream, count):
            raise RuntimeError(f"{self._name} failed on {self.device}: {self._log.last or 'it gave no reason'}")

    @torch.inference_mode()
    def frames(self, crops: Sequence[np.ndarray]) -> torch.Tensor:
        """Return face crops as `Backend.frames`, uploaded as bytes: k crops -> ``(k, 3, S, S)`` on the GPU."""
        return device_frames(crops, self.spec, self._device)

    @torch.inference_mode()
    def encode(self, frames: torch.Tensor, spectrogram: torch.Tensor, kept_sum: torch.Tensor) -> Encoded:
        """Encode k new frames; shapes as in `Backend.encode`: ``(k, 3, S, S)`` -> ``(k, D)``, ``(1, D)``, means."""
        count, expected = len(frames), shapes(self.spec, self.config)["encoder"]
        # The caller's own memory, taken before its stream is waited for: the next call writes the engine's again.
        answers = {
            name: torch.empty([count if side == -1 else side for side in expected[name]], device=self._device)
            for name in graph.ENCODER_OUTPUTS
        }
        with self._turn():
            self._run(self._encoder, {"frames": frames, "spectrogram": spectrogram, "kept_sum": kept_sum}, count)
            for name, answer in answers.items():
                answer.copy_(self._encoder.tensors[name][: len(answer)], non_blocking=True)
        return Encoded(**answers)

    def head(self, cls: torch.Tensor, audio_cls: torch.Tensor) -> torch.Tensor:
        """Classify: ``(T, D)``, ``(1, D)`` -> logits ``(1, C)``, float32 on the CPU."""
        with self._turn():
            self._run(self._head, {"cls": cls, "audio_cls": audio_cls}, len(cls))
            return self._head.tensors["logits"].cpu()

    def warmup(self) -> None:
        """As `Backend.warmup`; what TensorRT for RTX compiled meanwhile is kept for the next start."""
        super().warmup()
        with self._lock:
            self._cache.save()

    def close(self) -> None:
        """Free the GPU's memory; the backend cannot be called afterwards."""
        with self._lock:
            self._stream.synchronize()
            self._cache.save()
            # Contexts end before what they run, and the cache after them.
            del self._encoder, self._head, self._cache, self._runtime


def invalidity(trt: Any, runtime: Any, data: bytes) -> str:
    """Return what TensorRT for RTX finds wrong with an engine by its header; empty where nothing, or nobody looks."""
    if not hasattr(runtime, "get_engine_validity"):  # full TensorRT
        return ""
    validity, flags = runtime.get_engine_validity(data)
    if validity != trt.EngineValidity.INVALID:
        return ""
    members = trt.EngineInvalidityDiagnostics.__members__
    reasons = [_PROBLEMS.get(name, name) for name, flag in members.items() if int(flag) & int(flags)]
    return "; ".join(reasons) or products.logger_of(trt).last or "it gives no reason"


def _gpu(device: str) -> torch.device:
    chosen = choose_device(device)
    if chosen.type != "cuda":
        why = "PyTorch sees none here" if device == "auto" else f"device {device!r} was asked for"
        raise ValueError(f"the backend tensorrt runs on NVIDIA GPUs, but {why}")
    return chosen


def _runtime(trt: Any, logger: Any, name: str) -> Any:
    try:
        return trt.Runtime(logger)
    except TypeError as error:  # the bindings' way to say that the library returned nothing
        raise ValueError(
            f"{name} {trt.__version__} cannot start ({logger.last or 'no reason given'}); is the NVIDIA driver too old?"
        ) from error
