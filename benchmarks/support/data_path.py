"""From files to what the model takes: ours and the published way, side by side in one run."""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.support.made_clips import FPS, FRAMES, QUALITY, RATE, SIDE, made_clips
from benchmarks.support.official_pipeline import OfficialClip, OfficialPipeline
from mmadfer.config import InputSpec
from mmadfer.data.dataset import FRAME_DRAWS, ClipDataset
from mmadfer.data.prepared import PreparedSet
from mmadfer.data.sampling import Sampling, pick
from train.augmentation import Augmentation, Draw
from train.input import augment
from train.input.batches import Batches

BATCH = 8
SEED = 1
EPOCH = 0
TARGET = 3.0
"""Times the published way's clips per second."""
PAPER = Sampling(train=True)


@dataclass(frozen=True)
class DataRow:
    """Figures of one face size."""

    size: int
    official: float
    """Clips per second; the median of the rounds, as all others."""
    ours: float
    """With brightness, crop, resize and flip on the CPU."""
    loaded: float
    """Ours up to bytes: what is left for the CPU where a GPU does the rest, clips/s."""
    ratio: float
    """Of the rounds' own ratios."""
    frames_error: float
    """Largest difference of a frame's value between both ways, in units of 1/255."""
    sound_error: float
    """Largest difference of a log-mel value, which ours keeps in half precision."""


@contextlib.contextmanager
def two_cores() -> Iterator[int]:
    """Keep this process and its workers on two cores, one thread each; gives how many there are. Undone at the end."""
    threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    bound = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        if bound:
            os.sched_setaffinity(0, sorted(bound)[:2])
        yield min(len(bound), 2) if bound else os.cpu_count() or 1
    finally:
        if bound:
            os.sched_setaffinity(0, bound)
        cv2.setNumThreads(cv_threads)
        torch.set_num_threads(threads)


def measure(sizes: list[int], clips: int, rounds: int, workers: int) -> tuple[list[DataRow], dict[str, Any]]:
    """Return a row per face size (px), and the conditions.

    Args: clips: made for the purpose; rounds: of all ways in turn; workers: processes or threads that load.
    """
    with two_cores() as cores, tempfile.TemporaryDirectory() as folder:
        official, prepared = made_clips(Path(folder), clips)
        rows = [_measure(size, official, prepared, rounds, workers) for size in sizes]
    conditions = {
        "cores": cores,
        "clips": clips,
        "rounds": rounds,
        "workers": workers,
        "batch": BATCH,
        "jpeg": f"{SIDE} x {SIDE} px, quality {QUALITY}, {FRAMES[0]} to {FRAMES[1]} frames",
        "sound": f"{RATE} Hz stereo, {FRAMES[0] / FPS:.1f} to {FRAMES[1] / FPS:.1f} s",
    }
    return rows, conditions


def _measure(size: int, official: list[OfficialClip], prepared: PreparedSet, rounds: int, workers: int) -> DataRow:
    spec = InputSpec(image_size=size)
    draws = [Augmentation().draw(SEED, EPOCH, index) for index in range(len(official))]
    ours = ClipDataset(prepared, range(len(official)), spec, PAPER, SEED)
    ours.set_epoch(EPOCH)
    theirs = OfficialPipeline(official, _positions(prepared, spec), draws, size)
    loaders = (
        DataLoader(theirs, BATCH, num_workers=workers, persistent_workers=workers > 0),
        Batches(ours, BATCH, threads=workers),
    )

    def published() -> None:
        for _ in loaders[0]:
            pass

    def augmented() -> None:
        for batch in loaders[1]:
            assert isinstance(batch.index, torch.Tensor)
            augment.apply(batch.frames, [draws[index] for index in batch.index.tolist()], size)

    def loaded() -> None:
        for _ in loaders[1]:
            pass

    ways = (published, augmented, loaded)
    for way in ways:  # starts the workers, and brings the files into the system's memory
        way()
    rates = [[len(official) / _seconds(way) for way in ways] for _ in range(rounds)]
    official_rate, our_rate, loaded_rate = (statistics.median(column) for column in zip(*rates, strict=True))
    ratio = statistics.median(row[1] / row[0] for row in rates)
    errors = _errors(theirs, ours, draws, size)
    return DataRow(size, official_rate, our_rate, loaded_rate, ratio, *errors)


def _seconds(way: Callable[[], None]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def _positions(prepared: PreparedSet, spec: InputSpec) -> list[tuple[int, ...]]:
    """Return the frames that our data set draws of each clip."""
    chosen = []
    for index, clip in enumerate(prepared.clips):
        rng = np.random.default_rng((SEED, EPOCH, index, FRAME_DRAWS))
        chosen.append(pick(PAPER, clip, spec, rng, prepared.text_order(index)).positions)
    return chosen


def _errors(theirs: OfficialPipeline, ours: ClipDataset, draws: list[Draw], size: int) -> tuple[float, float]:
    """Return the largest differences of frames (in 1/255) and of log-mels between both ways, over all clips."""
    frames_error = sound_error = 0.0
    for k, draw in enumerate(draws):
        frames, spectrogram, label = theirs[k]
        item = ours[k]
        assert label == item.label
        made = augment.apply(item.frames[None], [draw], size)[0]
        frames_error = max(frames_error, 255 * float((made - frames).abs().max()))
        sound_error = max(sound_error, float((item.spectrogram - spectrogram).abs().max()))
    return frames_error, sound_error


def table(rows: list[DataRow]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| face size, px | published way, clips/s | ours, clips/s | times | target | ours up to bytes, clips/s "
        "| frames differ by, 1/255 | log-mels by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        verdict = "met" if row.ratio >= TARGET else "MISSED"
        lines.append(
            f"| {row.size} | {row.official:.1f} | {row.ours:.1f} | {row.ratio:.2f} | {TARGET:g}: {verdict} "
            f"| {row.loaded:.1f} | {row.frames_error:.3f} | {row.sound_error:.4f} |"
        )
    return "\n".join(lines)
