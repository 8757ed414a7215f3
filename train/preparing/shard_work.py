"""The work of preparing a set, shard by shard, in several processes; a shard is done when its record is there."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any

from mmadfer.data.lists.listing import Finding
from mmadfer.data.prepared import PreparedSettings
from mmadfer.data.shards import PackedClip, write_shard
from mmadfer.files.json_text import to_json
from mmadfer.files.whole import write_atomically

from .packing import Packer, Task

RECORDS = "done"
CLIPS_PER_SHARD = 16
"""Few, as a killed process loses the shard that it was at. One number for all, so that every run ends the same."""
CUT_CLIPS_PER_SHARD = 4
"""Of clips whose faces have to be cut from the video, which takes seconds each."""


@dataclass(frozen=True)
class Job:
    """What every shard of one run shares."""

    root: Path
    folder: Path
    """Where the prepared set is written."""
    settings: PreparedSettings
    unpadded_frames: bool = False


@dataclass(frozen=True)
class Shard:
    """A run of clips that are written together."""

    number: int
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Record:
    """What became of a shard."""

    fingerprint: str
    """Of its clips' files: where it differs, the shard is made again."""
    entries: list[dict[str, Any]]
    """For the index."""
    findings: list[Finding]


def shards(tasks: list[Task]) -> list[Shard]:
    """Return ``tasks`` in shards that each take a few seconds to some tens."""
    # By the most, not by all: one folder that is missing today must not change every shard.
    cut = sum(not task.clip.frames for task in tasks)
    per_shard = CUT_CLIPS_PER_SHARD if 2 * cut > len(tasks) else CLIPS_PER_SHARD
    starts = range(0, len(tasks), per_shard)
    return [Shard(k, tuple(tasks[start : start + per_shard])) for k, start in enumerate(starts)]


def record_path(folder: Path, number: int) -> Path:
    """Return the file of a shard's record."""
    return folder / RECORDS / f"{number:05d}.json"


def finished(job: Job, shard: Shard) -> Record | None:
    """Return the record of ``shard`` where it is done and nothing that it was made from has changed."""
    path = record_path(job.folder, shard.number)
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        record = Record(values["fingerprint"], values["entries"], [Finding(**item) for item in values["findings"]])
    except (KeyError, TypeError, ValueError):
        return None  # of another version: made again
    return record if record.fingerprint == _fingerprint(job, shard) else None


def make_shard(job: Job, shard: Shard, packer: Packer) -> Record:
    """Pack and write one shard. Raises OSError where it cannot be written; it is then not done."""
    path = record_path(job.folder, shard.number)
    path.unlink(missing_ok=True)  # first: an old record must not stand for new data
    findings: list[Finding] = []

    def packed() -> Iterator[PackedClip]:
        for task in shard.tasks:
            clip, found = packer.pack(task)
            findings.extend(found)
            if clip is not None:
                yield clip

    fingerprint = _fingerprint(job, shard)
    record = Record(fingerprint, write_shard(job.folder, shard.number, packed()), findings)
    write_atomically(path, to_json(dataclasses.asdict(record)).encode())
    return record


def make_shards(job: Job, missing: list[Shard], workers: int) -> Iterator[tuple[Shard, Record]]:
    """Yield each shard of ``missing`` with its record as it gets done, in any order.

    Args: workers: processes; 1 works in this one.
    Raises OSError in one sentence where the disk is full or a worker was killed; what is done stays.
    """
    try:
        if workers == 1:
            packer = Packer(job.root, job.settings, job.unpadded_frames)
            for shard in missing:
                yield shard, make_shard(job, shard, packer)
        else:
            yield from _in_processes(job, missing, min(workers, len(missing)))
    except BrokenProcessPool as error:
        raise OSError(
            "a worker process was killed, perhaps for want of memory; finished work is kept: "
            "run the same command again, with fewer --workers"
        ) from error
    except OSError as error:
        raise OSError(
            f"{job.folder} cannot be written ({error.strerror or error}); finished work is kept: "
            "make room, then run the same command again"
        ) from error


def _in_processes(job: Job, missing: list[Shard], workers: int) -> Iterator[tuple[Shard, Record]]:
    # "spawn": MediaPipe and PyTorch have threads of their own, which do not survive a fork.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (job,))
    try:
        waiting = iter(missing)
        running: dict[Future[Record], Shard] = {}
        while True:
            # Not all at once: a full disk should stop the work, not meet thousands of shards.
            for shard in _up_to(2 * workers - len(running), waiting):
                running[pool.submit(_work, shard)] = shard
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _up_to(count: int, shards: Iterator[Shard]) -> Iterator[Shard]:
    for _ in range(count):
        shard = next(shards, None)
        if shard is None:
            return
        yield shard


_in_worker: list[tuple[Job, Packer]] = []
"""The one job of a worker process, set at its start."""


def _start_worker(job: Job) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)  # there are as many processes as cores
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # MediaPipe's notes would tear the progress bar
    os.close(quiet)
    _in_worker.append((job, Packer(job.root, job.settings, job.unpadded_frames)))


def _end_with_parent() -> None:
    """End this process when its parent is gone, even killed: else it would wait for work for ever."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _work(shard: Shard) -> Record:
    job, packer = _in_worker[0]
    return make_shard(job, shard, packer)


def _fingerprint(job: Job, shard: Shard) -> str:
    """Return a digest of what the clips are made from: names, sizes and times of their files."""
    state: list[tuple[object, ...]] = []
    for task in shard.tasks:
        # Not of label and splits: they go into the index alone, and may be corrected without packing anew.
        clip, names = task.clip, (task.clip.frames, task.clip.video, task.clip.audio)
        state.append((clip.clip_id, names, clip.start, clip.end, task.frame_count))
        state.append(tuple(_state(job.root / name) for name in names if name))
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
