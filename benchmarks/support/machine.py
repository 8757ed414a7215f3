"""What a measurement ran on."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform
import sys
from collections.abc import Sequence
from typing import Any

import torch

_PACKAGES = ("torch", "openvino", "nncf", "onnx", "tensorrt-rtx", "tensorrt-cu13")


def cpu_name() -> str:
    """Return the processor's name."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def machine() -> dict[str, Any]:
    """Return processor, cores, GPU, what else runs (load of the last minute) and versions, for a table or JSON."""
    versions = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU",
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def in_words(about: dict[str, Any]) -> str:
    """Return what `machine` said before a measurement as one line."""
    hardware = f"{about['cpu']}, {about['cores']} cores, {about['gpu']}"
    return f"{hardware}, load {about['load']} before the start; {about['versions']}"


def write_json(path: str, about: dict[str, Any], **tables: Sequence[Any]) -> None:
    """Write ``tables`` of dataclasses to ``path``, with the command and what `machine` said. Raises OSError."""
    rows = {name: [dataclasses.asdict(row) for row in table] for name, table in tables.items()}
    content = {"command": sys.argv[1:], "machine": about, **rows}
    pathlib.Path(path).write_text(json.dumps(content, indent=2), encoding="utf-8")


def say(text: str) -> None:
    """Print ``text`` at once, so that a long measurement shows its lines as they come."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
