"""``python -m mmadfer.convert official.pth out.safetensors``: a checkpoint of the authors as our safetensors."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence

from mmadfer import cli
from mmadfer.files import checksums
from mmadfer.weights import checkpoint


def main(argv: Sequence[str] | None = None) -> int:
    """Convert one file; returns the exit code."""
    parser = cli.Parser(
        cli.as_typed("python -m mmadfer.convert"), "Convert an official checkpoint to safetensors, InputSpec inside."
    )
    parser.add_argument("official", help="fine-tuned checkpoint of the authors (.pth), or our own .safetensors")
    parser.add_argument("out", help="file to write (.safetensors)")
    parser.add_argument("--name", help="name to show for the weights; the file's own name where not given")
    return cli.run(parser, _convert, argv)


def _convert(arguments: argparse.Namespace) -> int:
    model = checkpoint.load_model(arguments.official)
    if arguments.name:
        model.info = dataclasses.replace(model.info, name=arguments.name)
    path = checkpoint.save_model(model, arguments.out)
    spec = model.spec
    sys.stdout.write(
        f"{path}: {len(spec.labels)} classes ({', '.join(spec.labels)}), {spec.image_size} px, "
        f"{spec.sample_rate} Hz, SHA-256 {checksums.sha256(path)}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
