"""One engine in a process of its own, so that its memory and its start are its alone; used by `benchmarks.latency`."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import psutil
import torch

from benchmarks.support.clip import CLIP
from benchmarks.support.models import set_gates
from export import builder
from export.int8 import Sample, answer, calibrate, pick_windows, samples
from mmadfer import cli
from mmadfer.backends import Backend, load_backend
from mmadfer.backends.openvino.backend import OpenVINOBackend
from mmadfer.backends.tensorrt.cache import engine_folder
from mmadfer.config import InputSpec
from mmadfer.graphs.cache import graphs_of
from mmadfer.models.mma_dfer import MMADFER, untrained_model


@dataclass(frozen=True)
class Engine:
    """A backend at one precision on one device."""

    backend: str
    precision: str
    device: str = "cpu"

    @property
    def name(self) -> str:
        """The engine in words, such as "openvino bf16"."""
        return f"{self.backend} {self.precision}{'' if self.device == 'cpu' else f' {self.device}'}"


@dataclass(frozen=True)
class Started:
    """What the start of an engine took."""

    seconds: float
    """From the weights in memory to the first answer; with calibration or engine build where those were missing."""
    memory: int
    """Resident memory of the process afterwards, bytes."""
    description: str
    """As `Backend.description`."""


class NotAvailable(Exception):
    """An engine that cannot run here, and why."""


class EngineProcess:
    """An engine in its process, from `running`."""

    def __init__(self, connection: Connection) -> None:
        """Wait for the start. Args: connection: to the process. Raises NotAvailable where the engine refuses."""
        self._connection = connection
        answer = connection.recv()
        if isinstance(answer, str):
            raise NotAvailable(answer)
        self.started: Started = answer

    def samples(self) -> list[Sample]:
        """Return the exact pass and the step of a few windows of the clip, in turn, with this engine's kept means."""
        self._connection.send(None)
        return list(self._connection.recv())

    def run(self, sample: Sample) -> tuple[torch.Tensor, float]:
        """Return the probabilities ``(C,)`` for ``sample``, and the time they took, s."""
        self._connection.send(sample)
        values, seconds = self._connection.recv()
        return values, seconds


@contextmanager
def running(engine: Engine, size: int, gate: float, home: str) -> Iterator[EngineProcess]:
    """Run ``engine`` with untrained weights whose branches see each other, until the body of the `with` ends.

    Args: size: face size, px; gate: tanh of it is the branches' share in each other; home: its cache folder.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, engine, size, gate, home), daemon=True)
    process.start()
    theirs.close()
    try:
        yield EngineProcess(ours)
    except EOFError as error:
        raise NotAvailable("its process ended by itself; too little memory?") from error
    finally:
        ours.close()
        process.join()


def stressed_model(size: int, gate: float) -> MMADFER:
    """Return untrained weights for faces of ``size`` px, whose branches see each other by tanh(``gate``)."""
    model = untrained_model(InputSpec(image_size=size))
    set_gates(model, gate)
    return model


def _serve(connection: Connection, engine: Engine, size: int, gate: float, home: str) -> None:
    """Start the engine, then answer until the connection ends."""
    os.environ["MMADFER_HOME"] = home
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # NNCF's progress is no part of the table
    model = stressed_model(size, gate)
    start = time.perf_counter()
    try:
        backend = _load(model, engine)
        backend.warmup()
    except (ValueError, OSError, ImportError) as error:
        connection.send(cli.sentence(error))
        return
    seconds = time.perf_counter() - start
    del model
    gc.collect()
    connection.send(Started(seconds, psutil.Process().memory_info().rss, backend.description))
    while (sample := _received(connection)) is not connection:
        if sample is None:
            windows = pick_windows([str(CLIP)], backend.spec, 3)
            connection.send(list(samples(windows, backend)))
        else:
            connection.send(answer(backend, sample))


def _received(connection: Connection) -> Any:
    """Return what came, or the connection itself where nothing more comes."""
    try:
        return connection.recv()
    except EOFError:
        return connection


def _load(model: MMADFER, engine: Engine) -> Backend:
    try:
        return load_backend(model, engine.backend, engine.device, engine.precision)
    except FileNotFoundError:  # calibration or engine build, which a user does once, by a command
        prepare(model, engine)
        return load_backend(model, engine.backend, engine.device, engine.precision)


def prepare(model: MMADFER, engine: Engine) -> None:
    """Calibrate ``model`` for int8, or build its engine, into the cache, as ``engine`` needs it."""
    if engine.precision == "int8":
        graphs = graphs_of(model)
        reference = OpenVINOBackend(graphs, "fp32")
        calibrate(graphs, reference, pick_windows([str(CLIP)], model.spec, 8)[::2], (CLIP.name,))
        reference.close()
    else:
        graphs = graphs_of(model, engine.precision)
        key = builder.engine_key(graphs, builder.choose_product())
        builder.build(graphs, key, engine_folder(key))
