"""What a measurement ran on."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import sys
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


def say(text: str) -> None:
    """Print ``text`` at once, so that a long measurement shows its lines as they come."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
