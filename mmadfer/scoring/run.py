"""Thousands of clips scored by a pool of workers into one Parquet file; an interrupted run goes on where it was."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mmadfer.files.names import shown
from mmadfer.outputs.schema import check_classes, failed_row
from mmadfer.scoring import pool as ray_pool
from mmadfer.scoring.input_files import Clip
from mmadfer.scoring.parts import ScoredParts, encoded
from mmadfer.scoring.worker import Job
from mmadfer.types import WeightsInfo
from mmadfer.weights.lazy import LazyModel

_NO_ANSWER = "there was no answer, through a mistake in the program: please report it, with Ray's log"


@dataclass(frozen=True)
class Throughput:
    """What one run did, and how fast once its first worker was ready."""

    scored: int
    failed: int
    video_s: float
    """Length of the clips scored, s."""
    seconds: float
    """From the first worker's being ready to the last answer."""
    startup_s: float
    """Until the first worker was ready: starting Ray, importing, loading the weights."""
    workers: int

    def figures(self) -> dict[str, float]:
        """Return everything, and the rates, as it goes into the result's metadata."""
        return {**asdict(self), "clips_per_s": self.scored / self.seconds, "video_s_per_s": self.video_s / self.seconds}

    def __str__(self) -> str:
        """Return a line for people."""
        figures = self.figures()
        return (
            f"{self.scored} clips scored and {self.failed} failed in {self.seconds:.1f} s by {self.workers} "
            f"worker{'s' if self.workers > 1 else ''}: {figures['clips_per_s']:.2f} clips/s, "
            f"{figures['video_s_per_s']:.1f} s of video a second; {self.startup_s:.1f} s to start"
        )


def score(
    clips: Sequence[Clip],
    out: str | os.PathLike[str],
    job: Job,
    workers: int | None = None,
    address: str | None = None,
    tell: Callable[[WeightsInfo], None] | None = None,
) -> Throughput | None:
    """Score ``clips`` into the Parquet file ``out``: a row a hop, or one with the reason for a clip that failed.

    Each clip's rows are kept in the folder ``out``.parts as they come; the next run leaves out what is there.

    Args: workers: None: one for each GPU, or for every few cores; address: of a Ray cluster, None: this machine;
    tell: called with what is known of the weights, before they are used.
    Returns what was done, None where nothing was left to do.
    Raises ValueError, OSError or ImportError in one sentence; what is scored by then is kept.
    """
    check_name(out)
    if job.device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"workers share out all GPUs, but device {job.device!r} was given; choose auto, cpu or cuda")
    if workers is not None and workers < 1:
        raise ValueError(f"there must be 1 worker or more, got {workers}")
    ray = ray_pool.import_ray()  # before the weights are read: what is missing should be told at once
    model = LazyModel.named(job.weights)
    check_classes(model.spec.labels)  # before anything starts
    if tell:
        tell(model.info)
    hop = model.spec.hop_seconds if job.hop is None else job.hop
    job = replace(job, weights=_whole(job.weights), hop=hop, run=uuid.uuid4().hex)
    with ScoredParts(Path(out), _settings(model, job)) as parts:
        keyed = {parts.key(clip.name, clip.path): clip for clip in clips}
        todo = {key: clip for key, clip in keyed.items() if not parts.is_scored(key)}
        for clip_key in [key for key, clip in todo.items() if clip.refused]:
            row = failed_row(shown(todo[clip_key].name), todo.pop(clip_key).refused, model.info)
            parts.add(clip_key, encoded([row], model.spec.labels, ""), failed=True)
        run = _Run(parts, todo, len(keyed))
        done = None
        if todo:
            started = time.monotonic()
            with ray_pool.cluster(ray, address):
                pool = ray_pool.share(ray.nodes(), workers, job.device)
                run.take(ray_pool.answers(ray, run.asked(), job, pool))
            for clip_key in run.unanswered:
                row = failed_row(shown(todo[clip_key].name), _NO_ANSWER, model.info)
                parts.add(clip_key, encoded([row], model.spec.labels, ""), failed=True)
            done = run.throughput(started, pool.workers)
            parts.note_throughput(done.figures())
        parts.write_result(keyed, model.spec.labels)
    return done


def check_name(out: str | os.PathLike[str]) -> None:
    """Raise ValueError unless ``out`` is called as a result may be."""
    if Path(out).suffix != ".parquet":
        raise ValueError(f"the result must be called something.parquet, got {shown(out) or 'an empty name'}")


def _whole(name_or_path: str | None) -> str | None:
    """Return a path that holds in a worker's folder too; a name stays, for each machine keeps its own files by it."""
    return str(Path(name_or_path).resolve()) if name_or_path and Path(name_or_path).is_file() else name_or_path


def _settings(model: LazyModel, job: Job) -> dict[str, Any]:
    return {
        "weights": f"{shown(model.info.name)}, SHA-256 {model.fingerprint}",
        "backend": job.backend,
        "precision": job.precision,
        "hop": job.hop,
        "voice_activity": job.voice_activity,
        "version": importlib.metadata.version("mmadfer"),
    }


class _Run:
    """One run: takes answers as they come, keeps each at once, and counts."""

    def __init__(self, parts: ScoredParts, todo: Mapping[str, Clip], total: int) -> None:
        self.unanswered = dict(todo)
        self._parts, self._total = parts, total
        self._scored = self._failed = 0
        self._video_s = 0.0
        self._ready = self._last = 0.0

    def asked(self) -> list[dict[str, str | bytes]]:
        # The path as bytes: it may hold some that are no text, which Ray's tables refuse.
        return [
            {"key": key, "name": shown(clip.name), "path": os.fsencode(clip.path)}
            for key, clip in self.unanswered.items()
        ]

    def take(self, answers: Iterable[Mapping[str, Any]]) -> None:
        bar = tqdm(total=self._total, initial=self._total - len(self.unanswered), unit="clip")
        with bar:
            for answer in answers:
                if answer["useless"]:
                    raise ValueError(f"no worker can start: {answer['useless']}")
                for note in answer["notes"].splitlines():
                    bar.write(note, file=sys.stderr)
                self._last = time.monotonic()
                self._ready = self._ready or self._last - answer["busy_s"]
                self._parts.add(answer["key"], answer["part"], answer["failed"])
                del self.unanswered[answer["key"]]
                self._scored += not answer["failed"]
                self._failed += answer["failed"]
                self._video_s += answer["video_s"]
                bar.update()
                bar.set_postfix({"failed": self._failed}, refresh=False)

    def throughput(self, started: float, workers: int) -> Throughput:
        ready, last = self._ready or time.monotonic(), self._last or time.monotonic()
        return Throughput(
            scored=self._scored,
            failed=self._failed + len(self.unanswered),
            video_s=self._video_s,
            seconds=max(last - ready, 1e-6),
            startup_s=ready - started,
            workers=workers,
        )
