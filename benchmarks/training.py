"""How fast training is: `python -m benchmarks.training [data] [gpu]`.

data: clips per second from files to tensors on two CPU cores, beside the published way, with what their outputs differ
by. gpu: the training step from bytes on, as a share of the card's own bf16 matrix product rate. Run it on a machine
that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.support import data_path, training_step
from benchmarks.support.machine import in_words, machine, say
from mmadfer.cli import Parser, run
from mmadfer.config import IMAGE_SIZES, InputSpec

PROG = "python -m benchmarks.training"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the sections asked for, print their tables and write the figures where asked; return the exit code."""
    parser = Parser(PROG, "Measure how fast training is: the data path (data) and the training step (gpu).")
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--sizes", type=int, nargs="+", default=sorted(IMAGE_SIZES, reverse=True), help="faces, px")
    parser.add_argument("--clips", type=int, default=96, help="clips made for the data path")
    parser.add_argument("--rounds", type=int, default=5, help="rounds over them, of both ways in turn")
    parser.add_argument("--workers", type=int, default=2, help="processes or threads that load")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32], help="clips of a training step on the GPU")
    parser.add_argument("--steps", type=int, default=20, help="training steps that are timed")
    parser.add_argument("--compile", action="store_true", help="compile the encoders' blocks")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    return run(parser, _measure, argv)


def _measure(arguments: argparse.Namespace) -> int:
    wrong = [name for name in arguments.sections if name not in SECTIONS]
    if wrong:
        raise ValueError(f"there is no section {wrong[0]!r}; there are {', '.join(SECTIONS)}")
    for name in ("clips", "rounds", "steps"):
        if getattr(arguments, name) < 1:
            raise ValueError(f"--{name} must be 1 or more, got {getattr(arguments, name)}")
    about = machine()
    say(in_words(about))
    found: dict[str, Any] = {"machine": about}
    for name in arguments.sections:
        found[name] = SECTIONS[name](arguments)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def _data(arguments: argparse.Namespace) -> dict[str, Any]:
    rows, conditions = data_path.measure(arguments.sizes, arguments.clips, arguments.rounds, arguments.workers)
    say("\nData path: " + ", ".join(f"{name} {value}" for name, value in conditions.items()))
    say(data_path.table(rows))
    return {"conditions": conditions, "rows": [asdict(row) for row in rows]}


def _gpu(arguments: argparse.Namespace) -> dict[str, Any]:
    if not torch.cuda.is_available():
        compiled = " --compile" if arguments.compile else ""
        command = f"{PROG} gpu --batches {' '.join(map(str, arguments.batches))} --steps {arguments.steps}{compiled}"
        say(f"\nTraining step: no GPU here; on a machine with one: {command}")
        return {"reason": "no GPU", "command": command}
    device = torch.device("cuda")
    rows = [
        training_step.measure(InputSpec(image_size=size), batch, device, arguments.steps, arguments.compile)
        for size in arguments.sizes
        for batch in arguments.batches
    ]
    say("\nTraining step:\n" + training_step.table(rows))
    return {"rows": [asdict(row) for row in rows]}


SECTIONS = {"data": _data, "gpu": _gpu}


if __name__ == "__main__":
    sys.exit(main())
