"""Engines built in a process of their own: Ctrl-C, or a builder that falls over, ends that one and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from mmadfer.backends.tensorrt.engine import PRODUCTS, EngineFolder, EngineKey, peek
from mmadfer.files.whole import put_folder
from mmadfer.graphs.graph import GraphFolder

from . import builder


def build_apart(graphs: GraphFolder, key: EngineKey, folder: Path, progress: builder.Progress) -> EngineFolder:
    """Build both engines of ``graphs`` into ``folder``; what lies there stays until the new one is whole.

    A builder works for minutes without heeding Python's signals, and one that is told to stop by its own means may end
    the process with an exception on one of its threads: so it has a process, which is killed.
    Raises ValueError where the builder refuses or falls over, OSError where ``folder`` cannot be written, and passes
    KeyboardInterrupt on.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")  # what runs here has threads
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        made = Path(temporary) / "engine"
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(theirs, graphs, key, made), name="engine-builder", daemon=True)
        with _without_ctrl_c():
            process.start()
        theirs.close()
        try:
            error = _follow(ours, progress)
            if error is not None:
                raise error
            process.join()
        finally:
            process.kill()
            process.join()
            ours.close()
        if process.exitcode or not made.exists():
            raise ValueError(f"{PRODUCTS[key.product]} {key.version} fell over: its process ended with {_end(process)}")
        put_folder(made, folder)
    return peek(folder)


def _end(process: multiprocessing.process.BaseProcess) -> str:
    code = process.exitcode or 0
    return f"signal {-code}" if code < 0 else f"exit code {code}"


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start processes that Ctrl-C, which a terminal sends to all of them, does not reach: this one ends them."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow(messages: Connection, progress: builder.Progress) -> Exception | None:
    """Pass the steps on until the process closes its end; returns what it could not do."""
    while True:
        try:
            message = messages.recv()
        except EOFError:
            return None
        if isinstance(message, Exception):
            return message
        progress(*message)


def _work(messages: Connection, graphs: GraphFolder, key: EngineKey, folder: Path) -> None:
    def show(phase: str, done: int, total: int) -> None:
        try:
            messages.send((phase, done, total))
        except OSError:
            os._exit(1)  # nobody waits for this any more

    try:
        builder.build(graphs, key, folder, show)
    except (OSError, ValueError, ImportError) as error:
        messages.send(error)
