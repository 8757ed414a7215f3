"""The console command ``mmadfer COMMAND ...``, which is ``python -m mmadfer COMMAND ...``, too.

It names the programs as text and loads the one that is asked for: the library itself depends on none of them, and
``mmadfer --help`` waits for no heavy package.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmadfer import __version__, cli


@dataclass(frozen=True)
class Command:
    """A program that takes its arguments and returns its exit code."""

    what: str
    module: str
    function: str = "main"


@dataclass(frozen=True)
class Group:
    """Commands under one word."""

    what: str
    commands: Mapping[str, Command | Group]


TRAIN = Group(
    "prepare a data set, fine-tune on it, score and calibrate weights",
    {
        "prepare": Command("crop the faces of a data set and pack them", "mmadfer._app.train.prepare"),
        "finetune": Command("fine-tune on a prepared set", "mmadfer._app.train.finetune"),
        "evaluate": Command("score weights on a prepared set", "mmadfer._app.train.evaluate"),
        "calibrate": Command("fit weights' probabilities to a prepared set", "mmadfer._app.train.calibrate"),
    },
)
EXPORT = Group(
    "write the model for other engines",
    {
        "trt": Command("compile a TensorRT engine", "mmadfer._app.export.trt"),
        "onnx": Command("write ONNX graphs", "mmadfer._app.export.onnx"),
        "int8": Command("calibrate an int8 encoder for OpenVINO", "mmadfer._app.export.int8"),
    },
)
COMMANDS = Group(
    "Emotion recognition from face and voice, live.",
    {
        "live": Command("recognise emotions live, on a page in the browser", "mmadfer._app.demo.live", "start"),
        "predict": Command("recognise emotions in clips", "mmadfer.predict", "start"),
        "recording": Command("make a report and other programs' files of a recording", "mmadfer.recordings.command"),
        "weights": Command("list, fetch, find, remove and push weights", "mmadfer.weights.__main__"),
        "convert": Command("rewrite a checkpoint of the authors as safetensors", "mmadfer.convert"),
        "train": TRAIN,
        "export": EXPORT,
    },
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names (the process's own arguments where None); returns its exit code."""
    return _run("mmadfer", COMMANDS, sys.argv[1:] if argv is None else argv)


def _run(prog: str, group: Group, words: Sequence[str]) -> int:
    parser = cli.Parser(prog, group.what)
    if group is COMMANDS:
        parser.add_argument("--version", action="version", version=f"mmadfer {__version__}")
    listed = parser.add_subparsers(dest="word", required=True, metavar="COMMAND")
    for name, each in group.commands.items():
        listed.add_parser(name, prog=f"{prog} {name}", description=each.what, help=each.what)
    word = parser.parse_args(words[:1]).word  # the others are for the command itself to understand
    chosen, prog = group.commands[word], f"{prog} {word}"
    if isinstance(chosen, Group):
        return _run(prog, chosen, words[1:])
    cli.set_typed(prog)
    try:
        start = getattr(importlib.import_module(chosen.module), chosen.function)
    except ImportError as error:
        sys.stderr.write(f"{prog}: {cli.sentence(error)}\n")
        return cli.USAGE_ERROR
    return int(start(words[1:]))


if __name__ == "__main__":
    sys.exit(main())
