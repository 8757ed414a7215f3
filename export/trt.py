"""``python -m export.trt``: FP16 engines for NVIDIA GPUs from a checkpoint, in one command."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from mmadfer import cli
from mmadfer.backends.proof import Unproven
from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.backends.tensorrt import engine
from mmadfer.backends.tensorrt.backend import TensorRTBackend
from mmadfer.backends.tensorrt.cache import engine_folder
from mmadfer.backends.tensorrt.engine import PRODUCTS, EngineFolder, EngineKey
from mmadfer.graphs.cache import graphs_of
from mmadfer.graphs.graph import GraphFolder
from mmadfer.models.mma_dfer import MMADFER
from mmadfer.weights import store
from mmadfer.weights.lazy import LazyModel

from . import builder
from .apart import build_apart
from .parity import compare
from .timing import measure

LARGEST_DIFFERENCE = 0.005
"""Largest probability difference to PyTorch in float32 that passes; the GPU's float32 products are rounded to TF32."""
SHORT_NAMES = {"auto": "auto", "rtx": "tensorrt_rtx", "tensorrt": "tensorrt"}


def main(argv: Sequence[str] | None = None) -> int:
    """Build the engine where it is not there yet; returns the exit code."""
    parser = cli.Parser(
        cli.as_typed("python -m export.trt"), "Compile the model to a TensorRT FP16 engine (encoder and head)."
    )
    store.add_argument(parser)
    parser.add_argument("--out", metavar="FOLDER", help="folder for the engine; the app's own cache where not given")
    parser.add_argument(
        "--product", default="auto", choices=tuple(SHORT_NAMES), help="TensorRT for RTX, or full TensorRT"
    )
    parser.add_argument("--precision", default="fp16", choices=("fp16", "fp32"), help="precision of the encoders")
    parser.add_argument(
        "--gpu",
        action="append",
        default=[],
        metavar="X.Y",
        help="compute capability to build for, such as 8.9 (RTX only; repeatable); the GPU at hand or the usual ones",
    )
    return cli.run(parser, _export, argv)


def _export(arguments: argparse.Namespace) -> int:
    product = builder.choose_product(SHORT_NAMES[arguments.product], tuple(arguments.gpu))
    builder.load_product(product)  # before the graphs, which take longer than its absence takes to tell
    model = LazyModel.named(arguments.weights).build()
    _say(f"{model.info.name}, {model.spec.image_size} px: writing the {arguments.precision} graphs")
    graphs = graphs_of(model, arguments.precision)
    key = builder.engine_key(graphs, product, tuple(arguments.gpu))
    folder = Path(arguments.out) if arguments.out else engine_folder(key)
    found = _current(folder, key)
    if found is None:
        _say(f"building with {PRODUCTS[product]} {key.version} for {', '.join(key.compute_capabilities)}")
        found = _build(graphs, key, folder)
    else:
        _say("the engine is there already and fits")
    sizes = ", ".join(f"{part} {found.file(part).stat().st_size / 1e6:.0f} MB" for part in engine.PARTS)
    _say(f"{found.path}: {sizes}")
    try:
        backend = TensorRTBackend(found)
    except Unproven as error:
        shutil.rmtree(found.path)
        raise ValueError(f"{error}; it was removed") from error
    except (ImportError, OSError, ValueError) as error:
        _say(f"the engine was not run: {cli.sentence(error)}")
        return 0
    _check(backend, model, found)
    return 0


def _check(backend: TensorRTBackend, model: MMADFER, found: EngineFolder) -> None:
    """Say how far the engine is from the model and how fast it is; removes an engine that is wrong."""
    backend.warmup()
    parity = compare(backend, PyTorchBackend(model, "cpu", "fp32"))
    _say(
        f"{backend.description}, against PyTorch fp32 with 1, 2 and 16 new frames: encoders off by "
        f"{parity.encoded:.1e}, probabilities by {parity.probability:.1e}, same top class in {parity.agreement:.0%}"
    )
    if not parity.probability <= LARGEST_DIFFERENCE:  # not a number is wrong as well
        backend.close()
        shutil.rmtree(found.path)
        raise ValueError(
            f"the engine differs from the model by {parity.probability:.1e} in a probability, more than "
            f"{LARGEST_DIFFERENCE}; it was removed"
        )
    for what, new_frames in (("exact pass", model.spec.num_frames), ("streaming step", 1)):
        latency = measure(backend, new_frames)
        _say(f"{what}: median {latency.median:.2f} ms, p95 {latency.p95:.2f} ms over 100 runs")
    backend.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _current(folder: Path, key: EngineKey) -> EngineFolder | None:
    """Return the engine in ``folder`` if it is whole and of this ``key``, else None; says why one is built anew."""
    try:
        found = engine.read(folder)
    except FileNotFoundError:
        return None
    except ValueError as error:
        _say(str(error))
        return None
    if found.key != key:
        _say(f"the engine in {folder} was built from other weights or for another GPU or version")
        return None
    return found


def _build(graphs: GraphFolder, key: EngineKey, folder: Path) -> EngineFolder:
    """Build with a progress bar; Ctrl-C ends it at once and leaves what was in ``folder``."""
    # Into a file or a pipe a line for each part; a bar would write one for each of its changes.
    with tqdm(total=1.0, bar_format="{percentage:3.0f}% |{bar}| {desc} [{elapsed}]", disable=None) as bar:
        begun = set()

        def show(phase: str, done: int, total: int) -> None:
            part = phase.partition(":")[0]
            if bar.disable and part not in begun:
                sys.stderr.write(f"building the {part}\n")
            begun.add(part)
            bar.total, bar.n = total, done
            bar.set_description_str(phase, refresh=done == total)  # not at each of thousands of steps

        return build_apart(graphs, key, folder, show)


if __name__ == "__main__":
    sys.exit(main())
