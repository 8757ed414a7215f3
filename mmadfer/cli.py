"""How every command of the project ends on a user's mistake: one sentence on stderr and exit code 2."""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from mmadfer.files.names import printable, shown

USAGE_ERROR = 2
_BROUGHT = {"starlette": "gradio", "markdown_it": "markdown-it-py"}
"""Modules that another package brings than the one of their name."""
_typed = ""


def set_typed(prog: str) -> None:
    """Note how the user typed the command of this process, for its messages: ``mmadfer live``."""
    global _typed
    _typed = prog


def as_typed(prog: str) -> str:
    """Return how the user typed the command: as noted by `set_typed`, else ``prog``."""
    return _typed or prog


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
    if isinstance(error, ModuleNotFoundError) and (extra := _extra_with(error.name or "")):
        return f"the package {error.name} is not installed: pip install 'mmadfer[{extra}]'"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {shown(str(error.filename))}" if error.filename else error.strerror
    return printable(" ".join(str(error).split())) or type(error).__name__


def _extra_with(module: str) -> str:
    """Return the first of our extras that brings ``module``; empty where none does."""
    top = module.split(".")[0]
    package = _BROUGHT.get(top, top).replace("_", "-").lower()
    for requirement in importlib.metadata.requires("mmadfer") or ():
        found = re.match(r"([\w.-]+).*\bextra == ['\"]([\w-]+)", requirement)
        if found and found[1].replace("_", "-").lower() == package:
            return found[2]
    return ""
