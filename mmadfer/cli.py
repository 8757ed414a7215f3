"""How every command of the project ends on a user's mistake: one sentence on stderr and exit code 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from mmadfer.files.names import printable, shown

USAGE_ERROR = 2


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one sentence, and shows defaults in its help."""

    def __init__(self, prog: str, description: str) -> None:
        """Args: prog: the command as typed; description: what it does."""
        super().__init__(prog, description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)

    def error(self, message: str) -> NoReturn:
        """Print ``message`` and leave with exit code 2."""
        self.exit(USAGE_ERROR, f"{self.prog}: {printable(message)} (see {self.prog} --help)\n")


def run(parser: Parser, command: Callable[[argparse.Namespace], int], argv: Sequence[str] | None) -> int:
    """Parse ``argv`` (the process's own where None), call ``command`` and return its exit code.

    A ValueError, OSError or missing package becomes its own sentence on stderr and exit code 2; Ctrl-C gives 130.
    """
    arguments = parser.parse_args(argv)
    try:
        return command(arguments)
    except (ValueError, OSError, ImportError) as error:
        sys.stderr.write(f"{parser.prog}: {sentence(error)}\n")
        return USAGE_ERROR
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{parser.prog}: stopped\n")
        return 130


def sentence(error: BaseException) -> str:
    """Return an error as one line for people; the system's own errors as "reason: file"."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {shown(str(error.filename))}" if error.filename else error.strerror
    return printable(" ".join(str(error).split())) or type(error).__name__
