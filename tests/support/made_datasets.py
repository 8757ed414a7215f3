"""Data sets made by rule, small and quick: a prepared set of a task that can be learned."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmadfer.data.manifest import Clip
from mmadfer.data.prepared import PreparedSet, PreparedSettings
from mmadfer.data.shards import PackedClip, start_set, text_order, whole_log_mel, write_index, write_shard

SAMPLE_RATE = 16_000
SHARD = 32
TEST_EVERY = 4


def prepared_set(
    folder: Path,
    clips_per_class: int = 8,
    labels: Sequence[str] = ("happiness", "sadness", "neutral"),
    seed: int = 0,
    frames: int | Sequence[int] = 20,
    size: int = 64,
    folds: Sequence[str] = ("1",),
    seconds: float = 1.0,
    silent_every: int = 0,
    unpadded: bool = False,
) -> PreparedSet:
    """Write a prepared set whose classes differ by picture and by sound, without any face, and return it.

    Class k shows moving stripes of k + 1 waves in its own direction and colour, and sounds a tone of its own pitch;
    both with noise. The j-th fold tests on every clip whose position in its class is j modulo max(4, number of folds).
    frames: of each clip; several are used in turn. silent_every: every so many-th clip has no sound (0: none).
    unpadded: text_order as of names without zeros (MAFW).
    """
    folder = Path(folder)
    start_set(folder, PreparedSettings("made", tuple(labels), image_size=size, sample_rate=SAMPLE_RATE))
    packed = list(_clips(clips_per_class, labels, seed, frames, size, folds, seconds, silent_every, unpadded))
    entries = []
    for number, start in enumerate(range(0, len(packed), SHARD)):
        entries += write_shard(folder, number, packed[start : start + SHARD])
    write_index(folder, entries)
    return PreparedSet(folder)


def _clips(count, labels, seed, frames, size, folds, seconds, silent_every, unpadded) -> Iterator[PackedClip]:
    rng = np.random.default_rng(seed)
    lengths = [frames] if isinstance(frames, int) else list(frames)
    made = 0
    for position in range(count):
        for k, label in enumerate(labels):
            num_frames = lengths[made % len(lengths)]
            made += 1
            silent = bool(silent_every) and made % silent_every == 0
            every = max(TEST_EVERY, len(folds))
            splits = {fold: "test" if position % every == j else "train" for j, fold in enumerate(folds)}
            name = f"{label}-{position:04d}"
            yield PackedClip(
                Clip(name, label, splits, video=f"{name}.mp4", audio="" if silent else f"{name}.mp4"),
                pattern_jpegs(k, len(labels), num_frames, size, rng),
                whole_log_mel(None if silent else pitch(k, seconds, rng), SAMPLE_RATE),
                sample_rate=0 if silent else SAMPLE_RATE,
                fps=num_frames / seconds,
                text_order=text_order([f"{i}.jpg" for i in range(num_frames)]) if unpadded else (),
            )


def pattern_jpegs(k: int, classes: int, frames: int, size: int, rng: np.random.Generator) -> list[bytes]:
    """Return the moving stripes of class ``k`` of ``classes`` as JPEG bytes."""
    y, x = np.mgrid[:size, :size] / size
    turn = np.pi * k / classes
    along = x * np.cos(turn) + y * np.sin(turn)
    color = 0.55 + 0.45 * np.cos(2 * np.pi * (k / classes + np.arange(3) / 3))
    start, speed = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)
    jpegs = []
    for i in range(frames):
        wave = 0.5 + 0.5 * np.sin(2 * np.pi * (k + 1) * along + start + speed * i)
        picture = 230 * wave[..., None] * color + rng.normal(10, 6, (size, size, 1))
        buffer = io.BytesIO()
        Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        jpegs.append(buffer.getvalue())
    return jpegs


def pitch(k: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Return the tone of class ``k`` with some noise: `(1, samples)` float32 at `SAMPLE_RATE`."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone = rng.uniform(0.2, 0.6) * np.sin(2 * np.pi * 220 * 1.5**k * t + rng.uniform(0, 6))
    return (tone + rng.normal(0, 0.01, t.shape)).astype(np.float32)[None]
