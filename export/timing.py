"""How long a backend on a GPU takes, by the GPU's own clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from mmadfer.backends import Backend


@dataclass(frozen=True)
class Latency:
    """Of one kind of answer, input on the GPU to logits on the CPU, ms."""

    median: float
    p95: float


def measure(backend: Backend, new_frames: int, runs: int = 100) -> Latency:
    """Return the latency of answers from ``new_frames`` new frames: 16 is the exact pass, 1 the streaming step.

    Ten runs before the first that counts; each is timed by CUDA events on the caller's stream.
    """
    spec, config = backend.spec, backend.config
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(new_frames, 3, spec.image_size, spec.image_size, generator=generator).to(backend.device)
    spectrogram = torch.randn(1, 1, spec.mel.frames, spec.mel.bins, generator=generator).to(backend.device)
    kept_sum = torch.zeros(config.depth, config.context_width, device=backend.device)
    old = torch.zeros(spec.num_frames - new_frames, config.width, device=backend.device)
    times = []
    with torch.cuda.device(backend.device):
        for run in range(10 + runs):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            encoded = backend.encode(frames, spectrogram, kept_sum)
            backend.head(torch.cat([old, encoded.cls]), encoded.audio_cls)
            end.record()
            end.synchronize()
            if run >= 10:
                times.append(start.elapsed_time(end))
    return Latency(float(np.median(times)), float(np.percentile(times, 95)))
