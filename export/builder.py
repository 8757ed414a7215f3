"""Builds engines with TensorRT for RTX or full TensorRT: one code for both, the product's module passed in."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmadfer.backends.tensorrt.engine import PARTS, PRODUCTS, EngineFolder, EngineKey, peek
from mmadfer.backends.tensorrt.products import RTX_GPUS, gpu_capability, load_product, logger_of
from mmadfer.files.whole import put_folder
from mmadfer.graphs import graph

RTX_CAPABILITIES = ("8.0", "8.6", "8.9", "12.0")
"""GPUs that an engine of TensorRT for RTX is built for where none is named and none is present: Ampere to Blackwell."""
Progress = Callable[[str, int, int], None]
"""Called with (phase, steps done, steps in all)."""


def choose_product(product: str = "auto", capabilities: tuple[str, ...] = ()) -> str:
    """Return ``product`` where one is named, else the one that is installed and builds for the GPUs that are wanted.

    Args: product: "auto", "tensorrt_rtx" or "tensorrt"; capabilities: of the GPUs to build for, such as ("8.6",);
    none stands for the GPU at hand, or the usual ones where there is none.
    Raises ImportError where none is installed, ValueError where the product does not know such a GPU.
    """
    here = gpu_capability()
    if product == "tensorrt":
        if capabilities:
            raise ValueError("TensorRT builds for the GPU of this machine only: leave --gpu out, or use --product rtx")
        if here is None:
            raise ValueError(
                "TensorRT builds for the GPU of the machine it runs on, and PyTorch sees none here; "
                "build there, or use --product rtx, which builds without one"
            )
        return product
    wanted = capabilities or ((here,) if here else ())
    unknown = [capability for capability in wanted if capability not in RTX_GPUS]
    if product == "tensorrt_rtx" or capabilities:
        if unknown:
            instead = "" if capabilities else "; use --product tensorrt"
            raise ValueError(
                f"TensorRT for RTX builds no engines for GPUs of compute capability {', '.join(unknown)}, "
                f"only for {', '.join(RTX_GPUS)}{instead}"
            )
        return "tensorrt_rtx"
    if here is None:
        return "tensorrt_rtx"  # the only one that builds without a GPU
    return _installed(("tensorrt",) if unknown else ("tensorrt_rtx", "tensorrt"))


def _installed(names: tuple[str, ...]) -> str:
    problems = []
    for name in names:
        try:
            load_product(name)
        except (ImportError, ValueError) as error:
            problems.append(str(error))
        else:
            return name
    raise ImportError("; ".join(problems))


def engine_key(graphs: graph.GraphFolder, product: str, capabilities: tuple[str, ...] = ()) -> EngineKey:
    """Return the key of the engine that `build` would make now; arguments and errors as of `choose_product`."""
    product, here = choose_product(product, capabilities), gpu_capability()
    if here and (product == "tensorrt" or here not in RTX_CAPABILITIES):
        usual: tuple[str, ...] = (here,)
    else:
        usual = RTX_CAPABILITIES
    chosen = tuple(sorted(set(capabilities), key=float)) or usual
    version = load_product(product).__version__
    return EngineKey(product, version, chosen, graphs.fingerprint, graphs.precision)


def build(graphs: graph.GraphFolder, key: EngineKey, folder: Path, progress: Progress | None = None) -> EngineFolder:
    """Build both engines of ``graphs`` into ``folder``; what lies there stays until the new one is whole.

    Args: progress: called at every step, on threads of the builder.
    Raises ValueError where the builder refuses, OSError where ``folder`` cannot be written.
    """
    trt = load_product(key.product)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        target = EngineFolder(Path(temporary) / "engine", key, graphs.spec, graphs.config, graphs.info)
        target.path.mkdir()
        for part in PARTS:
            network = _Network(getattr(graphs, part), part, graphs.spec.num_frames)
            built = _build_one(trt, network, key, _monitor(trt, part, progress))
            try:
                target.file(part).write_bytes(built)
            except OSError as error:  # a full disk names no file
                raise OSError(error.errno, error.strerror, str(target.file(part))) from error
        shutil.copyfile(graphs.probe, target.probe)
        target.describe()
        put_folder(target.path, folder)
    return peek(folder)


@dataclass(frozen=True)
class _Network:
    onnx: Path
    part: str
    most_frames: int


def _build_one(trt: Any, source: _Network, key: EngineKey, monitor: Any) -> bytes:
    logger = logger_of(trt)
    logger.last = ""
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


def _monitor(trt: Any, part: str, progress: Progress | None) -> Any:
    class Monitor(trt.IProgressMonitor):
        """Passes steps on. Called on threads of the builder."""

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
            return True  # go on

        def phase_finish(self, phase: str) -> None:
            with self._lock:
                self._steps.pop(phase, None)

    return Monitor()
