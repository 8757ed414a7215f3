"""Batches of clips, loaded ahead by threads.

Threads and not processes: what takes time, decoding JPEGs, leaves Python's lock to others, and what it makes need not
be carried from one process to another, which takes half as long again.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch.utils.data import Sampler

Loaded = TypeVar("Loaded", bound=tuple[Any, ...], covariant=True)

_AHEAD = 2
"""Batches for each thread that are loaded or being loaded before they are asked for."""


class Clips(Protocol[Loaded]):
    """What can be loaded in batches. Threads load several at a time."""

    def __len__(self) -> int:
        """Return how many there are."""

    def batch(self, positions: Sequence[int]) -> Loaded:
        """Return the clips at ``positions``, as tensors with one more dimension in front."""


class Batches(Generic[Loaded]):
    """One pass over chosen clips after another, each in the order that the sampler gives it."""

    def __init__(
        self,
        clips: Clips[Loaded],
        batch_size: int,
        sampler: Sampler[int] | Sequence[int] | None = None,
        threads: int = 0,
    ) -> None:
        """Args: sampler: positions of clips, all in order where None; threads: that load ahead; 0: nothing is."""
        self.sampler: Sampler[int] | Sequence[int] = range(len(clips)) if sampler is None else sampler
        self.batch_sampler = None  # what has a sampler is asked for it by the trainer
        self._clips, self._batch_size, self._threads = clips, batch_size, threads

    def __len__(self) -> int:
        """Return the number of batches, the last of which may be smaller."""
        return -(-len(self.sampler) // self._batch_size)  # type: ignore[arg-type]  # ours all have a length

    def __iter__(self) -> Iterator[Loaded]:
        """Yield the batches; what goes wrong in a thread is raised where its batch would have come."""
        order = list(self.sampler)
        chunks = (order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size))
        if not self._threads:
            yield from map(self._load, chunks)
            return
        pool = ThreadPoolExecutor(self._threads, "clips")
        try:
            waiting: deque[Future[Loaded]] = deque()
            for chunk in itertools.islice(chunks, _AHEAD * self._threads):
                waiting.append(pool.submit(self._load, chunk))
            while waiting:
                batch = waiting.popleft().result()
                waiting.extend(pool.submit(self._load, chunk) for chunk in itertools.islice(chunks, 1))
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)

    def _load(self, positions: Sequence[int]) -> Loaded:
        batch = self._clips.batch(positions)
        if torch.cuda.is_available():  # from such memory a GPU fetches while it computes
            pinned = (part.pin_memory() if isinstance(part, torch.Tensor) else part for part in batch)
            return type(batch)(*pinned) if hasattr(batch, "_fields") else type(batch)(pinned)
        return batch
