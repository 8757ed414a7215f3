"""Builds engines with TensorRT for RTX or full TensorRT: one code for both, the product's module passed in."""

from __future__ import annotations

import importlib
import logging
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmadfer import graph, storage
from mmadfer.engine import PARTS, PRODUCTS, EngineFolder, EngineKey

log = logging.getLogger(__name__)

RTX_CAPABILITIES = ("8.0", "8.6", "8.9", "12.0")
"""GPUs that an engine of TensorRT for RTX runs on where none is named: Ampere, Ada and Blackwell, not Hopper (9.0)."""
OLDEST_TENSORRT = (10, 13)
Progress = Callable[[str, int, int], None]
"""Called with (phase, steps done, steps in all)."""


def load_product(product: str) -> Any:
    """Return the Python module of ``product`` ("tensorrt_rtx" or "tensorrt").

    Raises ImportError in one sentence where it is not installed, ValueError where its version is too old.
    """
    packages = {"tensorrt_rtx": "tensorrt-rtx", "tensorrt": "tensorrt-cu13>=10.13"}
    try:
        module = importlib.import_module(product)
    except (ImportError, OSError) as error:
        raise ImportError(
            f"{PRODUCTS[product]} is not installed ({error}): pip install '{packages[product]}'"
        ) from error
    version = tuple(int(part) for part in module.__version__.split(".")[:2])
    if product == "tensorrt" and version < OLDEST_TENSORRT:
        wanted = ".".join(map(str, OLDEST_TENSORRT))
        raise ValueError(
            f"TensorRT {module.__version__} is too old; {wanted} or newer is needed: pip install -U tensorrt-cu13"
        )
    return module


def choose_product(product: str = "auto") -> str:
    """Return ``product`` where one is named, else the one that is installed and fits the GPU that is present.

    Raises ImportError where none is installed, ValueError where the GPU is one that the named product does not know.
    """
    capability = torch.cuda.get_device_capability() if torch.cuda.is_available() else None
    if (
        product == "tensorrt_rtx"
        and capability
        and "{}.{}".format(*capability) not in (*RTX_CAPABILITIES, "7.5", "12.1")
    ):
        raise ValueError(
            f"TensorRT for RTX has no engines for this GPU ({torch.cuda.get_device_name()}, compute capability "
            f"{capability[0]}.{capability[1]}); use --product tensorrt"
        )
    if product != "auto":
        return product
    hopper = capability is not None and capability[0] in (9, 10)
    order = ("tensorrt", "tensorrt_rtx") if hopper else ("tensorrt_rtx", "tensorrt")
    problems = []
    for name in order[:1] if hopper else order:
        try:
            load_product(name)
        except (ImportError, ValueError) as error:
            problems.append(str(error))
        else:
            return name
    raise ImportError("; ".join(problems))


def engine_key(graphs: graph.GraphFolder, product: str, capabilities: tuple[str, ...] = ()) -> EngineKey:
    """Return the key of the engine that `build` would make now.

    Raises ValueError where full TensorRT is asked for and no GPU is present: it builds for the GPU at hand only.
    """
    if product == "tensorrt":
        if not torch.cuda.is_available():
            raise ValueError(
                "TensorRT builds for the GPU of the machine it runs on, and PyTorch sees none here; "
                "build there, or use --product tensorrt_rtx, which builds without one"
            )
        capabilities = ("{}.{}".format(*torch.cuda.get_device_capability()),)
    version = load_product(product).__version__
    chosen = capabilities or RTX_CAPABILITIES
    return EngineKey(product, version, chosen, graphs.fingerprint, graphs.precision)


def build(
    graphs: graph.GraphFolder,
    key: EngineKey,
    folder: Path,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> EngineFolder:
    """Build both engines of ``graphs`` into ``folder``; what lies there stays until the new one is whole.

    Args: progress: called at every step; stop: once set, the build ends at its next step.
    Raises ValueError where the builder refuses or is stopped, OSError where ``folder`` cannot be written.
    """
    stop = stop or threading.Event()
    trt = load_product(key.product)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        target = EngineFolder(Path(temporary) / "engine", key, graphs.spec, graphs.config, graphs.info)
        target.path.mkdir()
        for part in PARTS:
            network = _Network(getattr(graphs, part), part, graphs.spec.num_frames)
            target.file(part).write_bytes(_build_one(trt, network, key, _monitor(trt, part, progress, stop)))
        target.describe()
        storage.put(target.path, folder)
    return EngineFolder(folder, key, graphs.spec, graphs.config, graphs.info)


@dataclass(frozen=True)
class _Network:
    onnx: Path
    part: str
    most_frames: int


def _build_one(trt: Any, source: _Network, key: EngineKey, monitor: Any) -> bytes:
    logger = _logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(source.onnx)):
        reasons = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise ValueError(f"{PRODUCTS[key.product]} {trt.__version__} cannot read {source.onnx}: {reasons}")
    config = builder.create_builder_config()
    config.add_optimization_profile(_profile(builder, network, source.most_frames))
    if key.product == "tensorrt_rtx":
        config.num_compute_capabilities = len(key.compute_capabilities)
        for i, capability in enumerate(key.compute_capabilities):
            config.set_compute_capability(getattr(trt.ComputeCapability, "SM" + capability.replace(".", "")), i)
    config.progress_monitor = monitor
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ValueError(
            f"{PRODUCTS[key.product]} could not build the {source.part}: {logger.last or 'it gave no reason'}"
        )
    return bytes(engine)


def _profile(builder: Any, network: Any, most_frames: int) -> Any:
    """Return a profile in which the dynamic number of new frames goes from 1, the usual case, to all of them."""
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        shapes = [[k if side == -1 else side for side in tensor.shape] for k in (1, 1, most_frames)]
        profile.set_shape(tensor.name, *shapes)
    return profile


_loggers: dict[str, Any] = {}


def _logger(trt: Any) -> Any:
    """Return the one logger that a process may have for each product; what it says goes to `logging`."""
    if trt.__name__ not in _loggers:

        class Logger(trt.ILogger):
            """Keeps the last error, for the sentence that tells of it."""

            def __init__(self) -> None:
                super().__init__()
                self.last = ""

            def log(self, severity: Any, message: str) -> None:
                """Take one message of the builder."""
                if severity <= trt.ILogger.Severity.ERROR:
                    self.last = message
                log.log(logging.WARNING if severity <= trt.ILogger.Severity.WARNING else logging.DEBUG, "%s", message)

        _loggers[trt.__name__] = Logger()
    return _loggers[trt.__name__]


def _monitor(trt: Any, part: str, progress: Progress | None, stop: threading.Event) -> Any:
    class Monitor(trt.IProgressMonitor):
        """Passes steps on. Called on threads of the builder, whose build ends where `step_complete` returns False."""

        def __init__(self) -> None:
            super().__init__()
            self._lock = threading.Lock()
            self._steps: dict[str, int] = {}

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            with self._lock:
                self._steps[phase] = steps

        def step_complete(self, phase: str, step: int) -> bool:
            with self._lock:
                if progress:
                    progress(f"{part}: {phase}", step + 1, self._steps.get(phase, step + 1))
            return not stop.is_set()

        def phase_finish(self, phase: str) -> None:
            with self._lock:
                self._steps.pop(phase, None)

    return Monitor()
