"""A pool of scoring workers on Ray: on this machine alone, or on a cluster by its address."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmadfer.scoring.worker import Job, ScoreWorker

_log = logging.getLogger(__name__)

_CORES_PER_WORKER = 4
"""Of a worker without a GPU, where the user does not say: decoding and faces keep one busy, the model the rest."""
_OBJECT_STORE = 128 << 20
"""Memory that Ray's processes share, bytes: only answers pass through it, never a video."""

_STARTS = 3


@dataclass(frozen=True)
class Pool:
    """How many workers there are, and what each of them gets."""

    workers: int
    cpus: int
    gpus: float


def import_ray() -> Any:
    """Return the package ray with nothing sent anywhere. Raises ImportError that says what to install."""
    # Read when ray is imported or started: no usage reports, no upload of the working directory under `uv run`, and
    # none of its C++ part's warnings between the lines of our bar.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError(
            f"scoring into Parquet needs the package ray ({error}): pip install 'mmadfer[train]'"
        ) from error
    return ray


@contextlib.contextmanager
def cluster(ray: Any, address: str | None) -> Iterator[None]:
    """Connect to the cluster at ``address``, or start one on this machine; stay in the one that the process is in.

    Raises ConnectionError or ValueError where there is no such cluster.
    """
    if ray.is_initialized():
        yield
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        # "local", for RAY_ADDRESS in the environment must not send anybody's videos to another machine's workers.
        _start(ray, num_cpus=cores, object_store_memory=_OBJECT_STORE, **quiet)
    else:
        ray.init(address, **quiet)
    try:
        yield
    finally:
        ray.shutdown()


def _start(ray: Any, **settings: Any) -> None:
    """Start a cluster on this machine; where that takes Ray too long, once more. Raises OSError after several times."""
    for _ in range(_STARTS):
        with _TooSlow():
            ray.init("local", include_dashboard=False, **settings)
            return
        _log.warning("Ray did not start in time, for this machine is busy")
        ray.shutdown()
    raise OSError(
        f"Ray did not start in time, {_STARTS} times: this machine is too busy. Try again when it is quieter, or score "
        "without --out, which needs no Ray"
    )


class _TooSlow:
    """Passes over what Ray raises where one of its processes is not up after 15 s: a bare Exception, and no kind of it.

    See https://github.com/ray-project/ray/issues/65983.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is Exception


def share(nodes: Sequence[Mapping[str, Any]], workers: int | None, device: str) -> Pool:
    """Return how ``workers`` share the machines that `ray.nodes` lists; None: one a GPU, or one for some cores.

    Raises ValueError where there is no GPU but one was asked for, or fewer cores than workers.
    """
    machines = [(int(r.get("CPU", 0)), int(r.get("GPU", 0))) for r in (n["Resources"] for n in nodes if n["Alive"])]
    gpus = 0 if device == "cpu" else sum(gpu for _, gpu in machines)
    if device == "cuda" and not gpus:
        raise ValueError("device 'cuda' was asked for, but Ray sees no GPU; use cpu")
    if gpus:
        count = workers or gpus
        on_each = math.ceil(count / gpus)
        cpus = min(cpu // (gpu * on_each) for cpu, gpu in machines if gpu)
        return Pool(count, _some(cpus, count, sum(cpu for cpu, gpu in machines if gpu)), 1 / on_each)
    cores = sum(cpu for cpu, _ in machines)
    count = workers or max(1, cores // _CORES_PER_WORKER)
    shares = range(max(1, cores // count), 0, -1)
    cpus = next((share for share in shares if sum(cpu // share for cpu, _ in machines) >= count), 0)
    return Pool(count, _some(cpus, count, cores), 0)


def _some(cpus: int, workers: int, cores: int) -> int:
    if not cpus:
        raise ValueError(
            f"{workers} workers were asked for, but there are {cores} CPU cores for them; give --workers less"
        )
    return cpus


def answers(ray: Any, clips: Sequence[Mapping[str, str | bytes]], job: Job, pool: Pool) -> Iterator[dict[str, Any]]:
    """Yield what `ScoreWorker` says of each of ``clips``, as they come; nothing of one that ran into a mistake of ours.

    Raises OSError where Ray itself gives up.
    """
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler) and type(handler).__module__.startswith("ray."):
            handler.setLevel(logging.CRITICAL)  # the file keeps all; the screen belongs to our own bar
    # A block for each clip: an answer leaves its worker when it is known, not when others are.
    clips_in_ray = ray.data.from_items(list(clips), override_num_blocks=len(clips))
    context = clips_in_ray.context
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1
    answered = clips_in_ray.map(
        ScoreWorker,
        fn_constructor_args=(replace(job, cores=pool.cpus),),
        # A worker that dies is replaced and its clip tried again; none should wait at it meanwhile.
        compute=ray.data.ActorPoolStrategy(size=pool.workers, max_tasks_in_flight_per_actor=1),
        num_cpus=pool.cpus,
        num_gpus=pool.gpus,
    )
    try:
        for block in answered.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield from block.to_pylist()
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise OSError(f"Ray gave up ({reason}); what is scored is kept: run the same command again") from error
