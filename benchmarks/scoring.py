"""Clips scored a second by pools of several sizes: `python -m benchmarks.scoring [--workers 1 2]`.

A folder of copies of one short real clip is scored through Ray, from nothing each time. The model is small, so that
what is measured is the way to it and back: decoding, faces, log-mel, Ray, Parquet; `--full` takes the real size.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mmadfer
from benchmarks.hops import SMALL
from benchmarks.support.clip import CLIP
from benchmarks.support.machine import in_words, machine, say, write_json
from mmadfer import cli
from mmadfer.backends import BACKENDS
from mmadfer.config import InputSpec
from mmadfer.models.mma_dfer import untrained_model
from mmadfer.scoring import pool, run
from mmadfer.scoring.input_files import find_clips
from mmadfer.scoring.worker import Job


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.scoring", "Clips scored a second by pools of several sizes.")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], metavar="N", help="sizes of the pool")
    parser.add_argument("--clips", type=int, default=24, metavar="N", help="copies of the clip")
    parser.add_argument("--hop", type=float, metavar="S", help="s between answers; window length / 16 where not given")
    parser.add_argument("--full", action="store_true", help="the model at full size, in place of a small one")
    parser.add_argument("--size", type=int, default=112, metavar="PX", help="face size")
    parser.add_argument("--backend", default="auto", choices=BACKENDS, help="engine that runs the model")
    parser.add_argument("--json", metavar="FILE", help="file to write the figures to")
    return cli.run(parser, _measure, argv)


def _measure(arguments: argparse.Namespace) -> int:
    if min(arguments.workers) < 1:
        raise ValueError(f"--workers must be 1 or more, got {min(arguments.workers)}")
    if arguments.clips < max(arguments.workers):
        raise ValueError(f"--clips must be at least the number of workers, got {arguments.clips}")
    about = machine()
    say(f"{in_words(about)}\n{arguments.clips} copies of {CLIP.name}, {'full' if arguments.full else 'small'} model\n")
    say("| workers | clips/s | s of video a second | against the first | start |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments)
    if arguments.json:
        write_json(arguments.json, about, throughput=found)
    return 0


def measure(folder: Path, arguments: argparse.Namespace) -> list[run.Throughput]:
    """Score copies of the clip in ``folder`` by each size of pool, printing a line each."""
    model = untrained_model(InputSpec(image_size=arguments.size), None if arguments.full else SMALL)
    weights = mmadfer.save_model(model, folder / "weights.safetensors")
    del model
    for number in range(arguments.clips):
        shutil.copy(CLIP, folder / f"{number}{CLIP.suffix}")
    clips = find_clips([str(folder)]).clips
    job = Job(str(weights), arguments.backend, "auto", "auto", arguments.hop)
    found: list[run.Throughput] = []
    with pool.cluster(pool.import_ray(), None):
        for workers in arguments.workers:
            done = run.score(clips, folder / f"{workers}.parquet", job, workers)
            if done is None or done.failed:
                raise ValueError("clips failed that should not: the figures would mean nothing")
            found.append(done)
            say(line(done, found[0]))
    return found


def line(done: run.Throughput, first: run.Throughput) -> str:
    """Return one line of the table."""
    rates, reference = done.figures(), first.figures()
    ratio = rates["clips_per_s"] / reference["clips_per_s"]
    return (
        f"| {done.workers} | {rates['clips_per_s']:.2f} | {rates['video_s_per_s']:.1f} | {ratio:.2f} | "
        f"{done.startup_s:.0f} s |"
    )


if __name__ == "__main__":
    sys.exit(main())
