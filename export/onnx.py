"""``python -m export.onnx``: the model as two ONNX graphs, checked against PyTorch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mmadfer import cli
from mmadfer.backends.openvino.backend import OpenVINOBackend
from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.graphs import graph
from mmadfer.weights import store
from mmadfer.weights.lazy import LazyModel

from .parity import compare

LARGEST_DIFFERENCE = {"fp32": 1e-4, "fp16": 0.005}
"""Largest probability difference to PyTorch in float32 that passes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write and check the graphs; returns the exit code."""
    parser = cli.Parser(
        cli.as_typed("python -m export.onnx"),
        "Write the model as ONNX (encoder and head) and check it against PyTorch.",
    )
    store.add_argument(parser)
    parser.add_argument(
        "--out", default="mmadfer-onnx", metavar="FOLDER", help="folder to write encoder.onnx and head.onnx into"
    )
    parser.add_argument(
        "--precision", default="fp32", choices=tuple(graph.PRECISIONS), help="precision of the encoders"
    )
    return cli.run(parser, _export, argv)


def _export(arguments: argparse.Namespace) -> int:
    model = LazyModel.named(arguments.weights).build()
    sys.stdout.write(
        f"writing {model.info.name} ({model.spec.image_size} px, {arguments.precision}) to {arguments.out}\n"
    )
    graphs = graph.write(model, arguments.out, arguments.precision)
    for file in (graphs.encoder, graphs.head):
        sys.stdout.write(f"{file}: {file.stat().st_size / 1e6:.0f} MB\n")
    parity = compare(OpenVINOBackend(graphs, "fp32"), PyTorchBackend(model, "cpu", "fp32"))
    sys.stdout.write(
        f"against PyTorch fp32 with 1, 2 and 16 new frames: encoders off by {parity.encoded:.1e}, probabilities by "
        f"{parity.probability:.1e}, same top class in {parity.agreement:.0%}\n"
    )
    if parity.probability > LARGEST_DIFFERENCE[arguments.precision]:
        raise ValueError(
            f"the graphs in {arguments.out} differ from the model by {parity.probability:.1e} in a probability, "
            f"more than {LARGEST_DIFFERENCE[arguments.precision]}; do not use them"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
