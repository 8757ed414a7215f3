"""A model small enough to be trained in a test, and the command that does it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.places import ROOT
from train.finetune import main

TINY_MODEL = (
    "width=32",
    "depth=2",
    "heads=2",
    "bottleneck=8",
    "prompt_updates=0,1",
    "temporal_width=32",
    "temporal_heads=2",
    "temporal_mlp=32",
)
MILD = ("augmentation.brightness=0.8,1.2", "augmentation.area=0.7,1", "augmentation.flip=0")
SCRATCH = ("--scratch", "--size", "32", "--model", *TINY_MODEL)
"""Random weights of the tiny model, all trained."""


def arguments(prepared: Path, out: Path, *settings: str, start: tuple[str, ...] = SCRATCH, workers: int = 0):
    """Return the command's arguments; ``settings`` are for --set."""
    machine = ("--accelerator", "cpu", "--workers", str(workers))
    return [str(prepared), "--out", str(out), *start, *machine, *(("--set", *settings) if settings else ())]


def finetune(*args: object, **kwargs) -> int:
    """Run the command in this process."""
    return main(arguments(*args, **kwargs))


def command(*args: str) -> list[str]:
    """Return the command line of a process of its own."""
    return [sys.executable, "-m", "train.finetune", *args]


def run_process(*args: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, of one thread each."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(*args), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
