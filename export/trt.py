"""``python -m export.trt``: FP16 engines for NVIDIA GPUs from a checkpoint, in one command."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from export import builder
from export.onnx import load
from mmadfer import cli, engine, storage
from mmadfer.engine import PRODUCTS, EngineFolder, EngineKey
from mmadfer.graph import GraphFolder

SHORT_NAMES = {"auto": "auto", "rtx": "tensorrt_rtx", "tensorrt": "tensorrt"}


def main(argv: Sequence[str] | None = None) -> int:
    """Build the engine where it is not there yet; returns the exit code."""
    parser = cli.Parser("python -m export.trt", "Compile the model to a TensorRT FP16 engine (encoder and head).")
    parser.add_argument(
        "--weights", help="file, or a name of `python -m mmadfer.weights list`; untrained where not given"
    )
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
        help="compute capability to build for (RTX only; repeatable)",
    )
    return cli.run(parser, _export, argv)


def _export(arguments: argparse.Namespace) -> int:
    product = builder.choose_product(SHORT_NAMES[arguments.product])
    model = load(arguments.weights)
    sys.stdout.write(f"{model.info.name}, {model.spec.image_size} px: writing the {arguments.precision} graphs\n")
    graphs = storage.graphs_of(model, arguments.precision)
    key = builder.engine_key(graphs, product, tuple(arguments.gpu))
    folder = Path(arguments.out) if arguments.out else storage.engine_folder(key)
    found = _current(folder, key)
    if found is None:
        sys.stdout.write(f"building with {PRODUCTS[product]} {key.version} for {', '.join(key.compute_capabilities)}\n")
        found = build_interruptibly(graphs, key, folder)
    else:
        sys.stdout.write("the engine is there already and fits\n")
    sizes = ", ".join(f"{part} {found.file(part).stat().st_size / 1e6:.0f} MB" for part in engine.PARTS)
    sys.stdout.write(f"{found.path}: {sizes}\n")
    return 0


def _current(folder: Path, key: EngineKey) -> EngineFolder | None:
    """Return the engine in ``folder`` if it is whole and of this ``key``, else None; says why one is built anew."""
    try:
        found = engine.read(folder)
    except FileNotFoundError:
        return None
    except ValueError as error:
        sys.stdout.write(f"{error}\n")
        return None
    if found.key != key:
        sys.stdout.write(f"the engine in {folder} was built from other weights or for another GPU or version\n")
        return None
    return found


def build_interruptibly(graphs: GraphFolder, key: EngineKey, folder: Path) -> EngineFolder:
    """Build with a progress bar; Ctrl-C ends it within a step and leaves what was in ``folder``.

    The builder holds its thread for as long as it works, and Python hands Ctrl-C to the main thread only: so it works
    on another one, and asks at every step whether to go on.
    """
    stop = threading.Event()
    results: list[EngineFolder] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            results.append(builder.build(graphs, key, folder, show, stop))
        except (OSError, ValueError, ImportError) as error:
            errors.append(error)

    with tqdm(total=1.0, bar_format="{percentage:3.0f}% |{bar}| {desc} [{elapsed}]") as bar:

        def show(phase: str, done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.set_description_str(phase, refresh=done == total)  # not at each of thousands of steps

        thread = threading.Thread(target=work, name="engine-builder")
        thread.start()
        try:
            while thread.is_alive():
                thread.join(0.2)
        except KeyboardInterrupt:
            stop.set()
            thread.join()
            raise
    if errors:
        raise errors[0]
    return results[0]


if __name__ == "__main__":
    sys.exit(main())
