"""A stand-in for TensorRT whose engines are the PyTorch model, and for the GPU calls around it, on the CPU."""

from __future__ import annotations

import ctypes
import enum
import math
import sys
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace

import torch

from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.backends.tensorrt import backend as tensorrt_backend
from mmadfer.backends.tensorrt import products
from mmadfer.backends.tensorrt.engine import PARTS, EngineFolder, EngineKey
from mmadfer.graphs import probe
from mmadfer.models.fingerprint import fingerprint

VERSION = "1.7.9"


class _Stream:
    cuda_stream = 7

    def __init__(self, *_):
        pass

    def wait_stream(self, _):
        pass

    def synchronize(self):
        pass


def fake_gpu(monkeypatch, capability=(8, 6)):
    """Let PyTorch see a GPU whose memory is the CPU's."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "NVIDIA Fake 1")
    monkeypatch.setattr(torch.cuda, "Stream", _Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda *_: _Stream())
    monkeypatch.setattr(torch.cuda, "stream", lambda *_: nullcontext())
    monkeypatch.setattr(torch.cuda, "device", lambda *_: nullcontext())
    monkeypatch.setattr(tensorrt_backend, "_gpu", lambda _: torch.device("cpu"))
    monkeypatch.setattr(tensorrt_backend, "device_name", lambda _: "NVIDIA Fake 1")
    monkeypatch.setattr("mmadfer.backends.pytorch.backend.choose_device", lambda _: torch.device("cpu"))


def fake_product(monkeypatch, model, name="tensorrt_rtx", version=VERSION):
    """Install a product whose engines are ``model``; its ``calls`` counts what is asked of it."""
    trt = ModuleType(name)
    trt.__version__ = version
    trt.calls, trt.valid, trt.flags, trt.broken, trt.trained_for = [], True, 0, False, model.spec
    trt.driver = b""  # whose kernels these are
    trt.wrong = lambda precision, kept_kernels: False  # whether an engine's answers are
    trt.DataType = SimpleNamespace(FLOAT="float32")
    trt.ILogger = type("ILogger", (), {"Severity": enum.IntEnum("Severity", "INTERNAL_ERROR ERROR WARNING INFO")})
    reference = PyTorchBackend(model, "cpu", "fp32")

    class Runtime:
        def __init__(self, logger):
            self.logger = logger

        def deserialize_cuda_engine(self, data):
            if trt.broken:
                self.logger.log(trt.ILogger.Severity.ERROR, "cudaError 35")
                return None
            return _Engine(trt, *data.decode().split(), reference)

    trt.Runtime = Runtime
    if name == "tensorrt_rtx":
        trt.EngineValidity = enum.Enum("EngineValidity", "VALID INVALID")
        trt.EngineInvalidityDiagnostics = enum.IntFlag("Diagnostics", "VERSION_MISMATCH UNSUPPORTED_CC OLD_CUDA_DRIVER")
        trt.CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole")
        Runtime.get_engine_validity = lambda self, data: (
            trt.EngineValidity.VALID if trt.valid else trt.EngineValidity.INVALID,
            trt.flags,
        )
        _Engine.create_runtime_config = lambda self: _Config(trt)
    elif hasattr(_Engine, "create_runtime_config"):
        del _Engine.create_runtime_config
    monkeypatch.setitem(sys.modules, name, trt)
    monkeypatch.setattr(products, "_loggers", {})
    return trt


def engine_folder(model, path, product="tensorrt_rtx", version=VERSION, capabilities=("8.6", "8.9"), precision="fp16"):
    """Write the folder of an engine of ``model`` for the fake product."""
    path.mkdir(parents=True)
    key = EngineKey(product, version, capabilities, fingerprint(model), precision)
    folder = EngineFolder(path, key, model.spec, model.config, model.info)
    for part in PARTS:
        folder.file(part).write_bytes(f"{part} {precision}".encode())
    probe.Reference.of_model(model).save(folder.probe)
    folder.describe()
    return folder


class _Cache:
    def __init__(self, trt):
        self.trt, self.loaded = trt, False

    def serialize(self):
        return self.trt.driver + b"kernels"

    def deserialize(self, data):
        self.trt.calls.append(("cache", data))
        self.loaded = data == self.trt.driver + b"kernels"
        return self.loaded


class _Config:
    def __init__(self, trt):
        self.trt, self.cache, self.cuda_graph_strategy = trt, None, None

    def create_runtime_cache(self):
        return _Cache(self.trt)

    def set_runtime_cache(self, cache):
        self.cache = cache
        return True


class _Engine:
    def __init__(self, trt, part, precision, reference):
        self.trt, self.part, self.precision, self.reference = trt, part, precision, reference
        self.shapes = tensorrt_backend.shapes(trt.trained_for, reference.config)[part]
        self.num_io_tensors = len(self.shapes)

    def get_tensor_name(self, i):
        return list(self.shapes)[i]

    def get_tensor_shape(self, name):
        return self.shapes[name]

    def get_tensor_dtype(self, name):
        return self.trt.DataType.FLOAT

    def create_execution_context(self, config=None):
        self.trt.calls.append(("context", None if config is None else config.cuda_graph_strategy))
        return _Context(self, config is not None and config.cache.loaded)


class _Context:
    def __init__(self, engine, kept_kernels):
        self.engine, self.addresses, self.count, self.busy = engine, {}, None, False
        self.kept_kernels = kept_kernels

    def set_tensor_address(self, name, address):
        self.engine.trt.calls.append(("address", name))
        self.addresses[name] = address
        return True

    def set_input_shape(self, name, shape):
        self.engine.trt.calls.append(("shape", shape[0]))
        self.count = shape[0]
        return True

    def _tensor(self, name):
        shape = [self.count if side == -1 else side for side in self.engine.shapes[name]]
        memory = (ctypes.c_float * math.prod(shape)).from_address(self.addresses[name])
        return torch.frombuffer(memory, dtype=torch.float32).view(shape)

    def execute_async_v3(self, stream):
        self.engine.trt.calls.append(("run", stream))
        assert not self.busy, "two threads use one context"
        self.busy = True
        self._run(self.engine.reference)
        self.busy = False
        return True

    def _run(self, reference):
        if self.engine.part == "head":
            self._tensor("logits").copy_(reference.head(self._tensor("cls"), self._tensor("audio_cls")))
            return
        encoded = reference.encode(*(self._tensor(name) for name in ("frames", "spectrogram", "kept_sum")))
        for name in ("cls", "audio_cls", "means", "audio_means"):
            self._tensor(name).copy_(getattr(encoded, name))
        if self.engine.trt.wrong(self.engine.precision, self.kept_kernels):
            self._tensor("means").fill_(float("nan"))
