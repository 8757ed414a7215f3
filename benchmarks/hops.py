"""Memory over thousands of hops of one stream: `python -m benchmarks.hops [--hops 10000]`.

A real clip plays in a loop, as fast as it can be answered: each hop brings a camera frame and its sound to the window,
face and crop included, and the recogniser answers it by the streaming step. The model is small, so that 10,000 hops
take minutes; `--full` takes the real size. What the process keeps must not grow with the hops.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import statistics
import sys
import time
from collections.abc import Iterator, Sequence

import cv2
import psutil

from benchmarks.support import picture
from benchmarks.support.clip import CLIP, jpegs, sound
from benchmarks.support.machine import in_words, machine, say, write_json
from benchmarks.support.rows import Sample
from mmadfer import cli
from mmadfer.backends import BACKENDS
from mmadfer.config import InputSpec, ModelConfig
from mmadfer.media.media_file import open_media
from mmadfer.models.mma_dfer import untrained_model
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.stream.window import AVWindow, Window

SMALL = ModelConfig(
    width=64,
    depth=2,
    heads=2,
    bottleneck=16,
    prompt_updates=(0,),
    temporal_width=32,
    temporal_heads=2,
    temporal_mlp=64,
)
EVERY = 100
"""Hops between two samples."""
SETTLED = 1000
"""Hops after which nothing may grow any more: rings are full, the allocators have what they need."""
LEVEL = 5
"""Samples whose median is taken as the level at one end: a single one holds what was in use just then."""
LIMIT_MB = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the figures and write the files; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.hops", "Memory over thousands of hops of one stream.")
    parser.add_argument("--hops", type=int, default=10_000, help=f"answers, at least {2 * SETTLED}")
    parser.add_argument("--full", action="store_true", help="the model at full size, in place of a small one")
    parser.add_argument("--size", type=int, default=112, metavar="PX", help="face size")
    parser.add_argument("--backend", default="auto", choices=BACKENDS, help="engine that runs the model")
    parser.add_argument("--json", metavar="FILE", help="file to write the samples to")
    parser.add_argument("--plot", metavar="FILE.png", help="picture to draw")
    return cli.run(parser, _measure, argv)


def _measure(arguments: argparse.Namespace) -> int:
    if arguments.hops < 2 * SETTLED:
        raise ValueError(f"--hops must be at least {2 * SETTLED}, got {arguments.hops}")
    about, start = machine(), time.monotonic()
    model = untrained_model(InputSpec(image_size=arguments.size), None if arguments.full else SMALL)
    recognizer = EmotionRecognizer(model, arguments.backend)
    del model
    recognizer.warmup()
    say(f"{in_words(about)}\n{recognizer.describe()}, {'full size' if arguments.full else f'width {SMALL.width}'}\n")
    say("| hop | resident MB | Python's blocks |\n|---|---|---|")
    samples = []
    for sample in answered(recognizer, arguments.hops):
        samples.append(sample)
        if sample.hop % (10 * EVERY) == 0:
            say(f"| {sample.hop} | {sample.resident / 1e6:.1f} | {sample.blocks} |")
    say(f"\n{verdict(samples)}; {time.monotonic() - start:.0f} s")
    if arguments.json:
        write_json(arguments.json, about, samples=samples)
    if arguments.plot:
        picture.draw_memory(arguments.plot, in_words(about), samples)
    return 0


def answered(recognizer: EmotionRecognizer, hops: int, every: int = EVERY) -> Iterator[Sample]:
    """Answer ``hops`` windows of one stream by the streaming step; after each ``every`` yield what is held."""
    process, step = psutil.Process(), recognizer.streaming_step()
    gc.freeze()  # to look through all that is imported at each sample would take longer than the hops
    try:
        for number, window in enumerate(itertools.islice(windows(recognizer.spec), hops), 1):
            recognizer.predict(window, step)
            if number % every == 0:
                gc.collect()
                yield Sample(number, process.memory_info().rss, sys.getallocatedblocks())
    finally:
        gc.unfreeze()


def windows(spec: InputSpec) -> Iterator[Window]:
    """Yield the window after each hop of a stream without end: the clip in a loop, a frame and its sound a hop."""
    files = jpegs(CLIP.name, 640, 360)
    speech, fps = sound(CLIP.name, spec.sample_rate), open_media(CLIP).fps
    stream, begin = AVWindow(spec), 0
    try:
        for number in itertools.count(1):
            now = number * spec.hop_seconds
            end = round(now * spec.sample_rate)
            chunk = speech.take(range(begin, end), axis=1, mode="wrap")
            stream.push_audio(chunk, spec.sample_rate, begin / spec.sample_rate, begin)
            rgb = cv2.imdecode(files[round(now * fps) % len(files)], cv2.IMREAD_COLOR_RGB)
            assert rgb is not None
            stream.push_frame(now, rgb)
            yield stream.window()
            begin = end
    finally:
        stream.close()


def growth(samples: Sequence[Sample], settled: int = SETTLED) -> tuple[float, float]:
    """Return the growth from hop ``settled`` to the last: of resident memory (MB), and of blocks, per hop."""
    late = [sample for sample in samples if sample.hop >= settled]
    first, last = late[:LEVEL], late[-LEVEL:]
    between = statistics.median(s.hop for s in last) - statistics.median(s.hop for s in first)
    resident = statistics.median(s.resident for s in last) - statistics.median(s.resident for s in first)
    blocks = statistics.median(s.blocks for s in last) - statistics.median(s.blocks for s in first)
    return resident / 1e6, blocks / between


def verdict(samples: Sequence[Sample]) -> str:
    """Return in words how much memory grew, and whether that is within the limit."""
    grown, blocks = growth(samples)
    return (
        f"from hop {SETTLED} to {samples[-1].hop} resident memory grew by {grown:+.1f} MB (limit {LIMIT_MB:g} MB: "
        f"{'met' if grown < LIMIT_MB else 'MISSED'}), Python's blocks by {blocks:+.3f} a hop"
    )


if __name__ == "__main__":
    sys.exit(main())
