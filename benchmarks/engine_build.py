"""Time and size of a real engine build of the full model with TensorRT for RTX: `python -m benchmarks.engine_build`.

The model has untrained weights of the full size: neither time nor size depends on their values. The engine is built in
a temporary folder and removed; no GPU is needed.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.support.machine import cpu_name
from export import builder
from mmadfer.backends.tensorrt.engine import PARTS
from mmadfer.config import InputSpec
from mmadfer.graphs import graph
from mmadfer.models.mma_dfer import untrained_model

TARGET_S, TARGET_MB = 60.0, 400.0


def main() -> None:
    """Print time, size, versions and machine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224, help="image size of the model, px (default: 224)")
    parser.add_argument("--precision", default="fp16", choices=tuple(graph.PRECISIONS), help="default: fp16")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        start = time.perf_counter()
        graphs = graph.write(
            untrained_model(InputSpec(image_size=arguments.size)), Path(temporary) / "graphs", arguments.precision
        )
        exported = time.perf_counter()
        key = builder.engine_key(graphs, "tensorrt_rtx")
        engine = builder.build(graphs, key, Path(temporary) / "engine")
        built = time.perf_counter()
        sizes = {part: engine.file(part).stat().st_size / 1e6 for part in PARTS}
    print(
        f"{os.cpu_count()} CPUs, {cpu_name()}, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
        f"torch {torch.__version__}, TensorRT for RTX {key.version}"
    )
    print(f"full model at {arguments.size} px, {arguments.precision}, for GPUs {', '.join(key.compute_capabilities)}")
    parts = ", ".join(f"{part} {size:.0f} MB" for part, size in sizes.items())
    print(f"ONNX graphs {exported - start:6.1f} s")
    print(f"engine      {built - exported:6.1f} s (target: under {TARGET_S:.0f} s)")
    print(f"size        {sum(sizes.values()):6.0f} MB (target: under {TARGET_MB:.0f} MB): {parts}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:6.1f} GB")
    met = built - exported < TARGET_S and sum(sizes.values()) < TARGET_MB
    print("met" if met else "MISSED")


if __name__ == "__main__":
    main()
