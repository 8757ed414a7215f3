"""``mmadfer recording SESSION.zip``: the report and other programs' files of a recording, put into it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mmadfer import cli
from mmadfer.files.names import shown
from mmadfer.recordings.further import ALWAYS, FORMATS, add


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = cli.Parser(
        cli.as_typed("mmadfer recording"),
        "Make further files of a recording and put them into it: "
        f"{' and '.join(FORMATS[name].file for name in ALWAYS)}, and those asked for.",
    )
    parser.add_argument("recording", nargs="+", help="zip that the page saved, or a folder with its files")
    for name, format in FORMATS.items():
        if name not in ALWAYS:
            parser.add_argument(f"--{name}", action="store_true", help=f"add {format.file}: {format.what}")
    return cli.run(parser, _add, argv)


def _add(arguments: argparse.Namespace) -> int:
    formats = [name for name in FORMATS if name in ALWAYS or getattr(arguments, name)]
    for path in arguments.recording:
        try:
            names = add(path, formats)
        except ValueError as error:
            raise ValueError(f"{shown(path)}: {error}") from error
        sys.stdout.write(f"{shown(path)}: {', '.join(names)}\n")
    return 0
