"""The training step on one device, from frames as bytes in the computer's memory to changed weights."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.models.mma_dfer import MMADFER, untrained_model
from train.input import augment
from train.loop.module import Batch, FineTuning
from train.recipe import Recipe

EPOCH_CLIPS = 9352
"""Of one fold of DFEW."""
TARGET = 0.4
"""Least share of the card's own matrix product rate, at 224 px."""
MATRIX = 8192
"""Side of the matrices whose product is timed."""
TERA = 1e12


@dataclass(frozen=True)
class StepRow:
    """Figures of one face size and one batch."""

    size: int
    batch: int
    compiled: bool
    clips_per_s: float
    tflops: float
    """Of the model's forward and backward pass: teraFLOP/s."""
    matmul_tflops: float
    """Of one large bf16 matrix product on the same device, in the same run."""
    share: float
    """``tflops`` of ``matmul_tflops``."""
    epoch_s: float
    """For `EPOCH_CLIPS` clips, extrapolated, s."""
    clip_mb: float | None
    """What one more clip in the batch takes of the device's memory; None where that is not told."""
    peak_mb: float | None


def matmul_rate(device: torch.device, side: int = MATRIX, runs: int = 30) -> float:
    """Return the FLOP/s of bf16 products of ``side`` x ``side`` matrices: the best of ``runs``."""
    a, b = torch.randn(2, side, side, device=device, dtype=torch.bfloat16)
    best = float("inf")
    for _ in range(runs):
        with _timed(device) as seconds:
            a @ b
        best = min(best, seconds())
    return 2 * side**3 / best


def flops_per_clip(spec: InputSpec, config: ModelConfig | None = None) -> int:
    """Return the operations of one training step for one clip; counted on tensors without data."""
    with torch.device("meta"):
        model = MMADFER(spec, config or ModelConfig()).train()
        frames = torch.zeros(1, spec.num_frames, 3, spec.image_size, spec.image_size)
        counter = FlopCounterMode(display=False)
        with counter:
            model(frames, _spectrogram(spec, 1)).sum().backward()
    return counter.get_total_flops()


def measure(
    spec: InputSpec, batch: int, device: torch.device, steps: int, compiled: bool, config: ModelConfig | None = None
) -> StepRow:
    """Return the figures of ``steps`` training steps in bf16 with ``batch`` clips each, after as many as warm up."""
    step = _stepper(spec, batch, device, compiled, config)
    for _ in range(max(2, steps // 4)):
        step(batch)
    with _timed(device) as seconds:
        for _ in range(steps):
            step(batch)
    rate = steps * batch / seconds()
    peak, half = (_peak(device, step, clips) for clips in (batch, batch // 2))
    tflops, matmul = rate * flops_per_clip(spec, config) / TERA, matmul_rate(device) / TERA
    return StepRow(
        size=spec.image_size,
        batch=batch,
        compiled=compiled,
        clips_per_s=rate,
        tflops=tflops,
        matmul_tflops=matmul,
        share=tflops / matmul,
        epoch_s=EPOCH_CLIPS / rate,
        clip_mb=None if peak is None or half is None else (peak - half) / (batch - batch // 2) / 1e6,
        peak_mb=None if peak is None else peak / 1e6,
    )


def _stepper(
    spec: InputSpec, batch: int, device: torch.device, compiled: bool, config: ModelConfig | None
) -> Callable[[int], None]:
    """Return a function that trains on the first n clips of a batch that waits in the computer's memory."""
    recipe = Recipe(precision="bf16", compile=compiled)
    tuning = FineTuning(untrained_model(spec, config, seed=0), recipe).to(device)
    optimizer = tuning.configure_optimizers()["optimizer"]
    side = max(224, spec.image_size)
    pixels = torch.randint(0, 256, (batch, spec.num_frames, side, side, 3), dtype=torch.uint8)
    sound, labels = _spectrogram(spec, batch), torch.arange(batch) % len(spec.labels)
    if device.type == "cuda":
        pixels, sound, labels = pixels.pin_memory(), sound.pin_memory(), labels.pin_memory()
    epoch = 0

    def step(clips: int) -> None:
        nonlocal epoch
        epoch += 1
        draws = [recipe.augmentation.draw(recipe.seed, epoch, index) for index in range(clips)]
        given = [part[:clips].to(device, non_blocking=True) for part in (pixels, sound, labels)]
        frames = augment.apply(given[0], draws, spec.image_size)
        with torch.autocast(device.type, torch.bfloat16):
            loss = tuning.loss(Batch(frames, given[1], given[2], given[2]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _spectrogram(spec: InputSpec, batch: int) -> torch.Tensor:
    return torch.zeros(batch, 1, spec.mel.frames, spec.mel.bins)


def _peak(device: torch.device, step: Callable[[int], None], clips: int) -> int | None:
    """Return the most memory that a step with ``clips`` clips held, bytes; None where the device does not tell."""
    if device.type != "cuda" or not clips:
        return None
    torch.cuda.reset_peak_memory_stats(device)
    step(clips)
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device)


@contextlib.contextmanager
def _timed(device: torch.device) -> Iterator[Callable[[], float]]:
    """Time the body of a `with`, the device's work included; call what it gives for the seconds."""
    end = 0.0
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    yield lambda: end - start
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    end = time.perf_counter()


def table(rows: list[StepRow]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        f"| face size, px | batch | compiled | clips/s | TFLOP/s | matrix product, TFLOP/s | share | target "
        f"| epoch of {EPOCH_CLIPS} clips, s | memory per clip / at most, MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        verdict = "-" if row.size != 224 else "met" if row.share >= TARGET else "MISSED"
        memory = "-" if row.clip_mb is None else f"{row.clip_mb:.0f} / {row.peak_mb:.0f}"
        compiled = "yes" if row.compiled else "no"
        lines.append(
            f"| {row.size} | {row.batch} | {compiled} | {row.clips_per_s:.1f} | {row.tflops:.1f} "
            f"| {row.matmul_tflops:.1f} | {row.share:.0%} | {TARGET:.0%}: {verdict} | {row.epoch_s:.0f} | {memory} |"
        )
    return "\n".join(lines)
