"""Batches loaded ahead by threads: the sampler's order, whole, and whatever goes wrong where its batch would come."""

import threading

import pytest
import torch
from torch.utils.data import SequentialSampler

from train.input.batches import Batches


class Numbers:
    """Clips that are their own positions."""

    def __init__(self, count, broken=()):
        self._count, self._broken = count, broken
        self.threads, self.loaded = set(), []

    def __len__(self):
        return self._count

    def batch(self, positions):
        self.threads.add(threading.current_thread().name)
        self.loaded.append(list(positions))
        if set(positions) & set(self._broken):
            raise ValueError(f"clip {self._broken[0]} is broken")
        return (torch.tensor(positions),)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_batches_come_whole_and_in_the_samplers_order(threads):
    order = [5, 3, 9, 0, 1, 2, 8]
    batches = Batches(Numbers(10), 3, order, threads)
    assert len(batches) == 3
    for _ in range(2):
        assert [batch.tolist() for (batch,) in batches] == [[5, 3, 9], [0, 1, 2], [8]]


def test_a_sampler_is_asked_anew_for_each_pass():
    batches = Batches(Numbers(4), 2, SequentialSampler(range(4)), 2)
    assert len(batches) == 2
    assert [[batch.tolist() for (batch,) in batches] for _ in range(2)] == [[[0, 1], [2, 3]]] * 2


def test_threads_load_ahead_but_not_everything():
    clips = Numbers(100)
    passing = iter(Batches(clips, 1, None, 2))
    next(passing)
    passing.close()
    assert 1 < len(clips.loaded) <= 5, f"{len(clips.loaded)} batches were loaded for one that was taken"
    assert all(name.startswith("clips") for name in clips.threads)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("clips")], "threads are left"


@pytest.mark.parametrize("threads", [0, 2])
def test_a_broken_clip_is_raised_where_its_batch_would_come(threads):
    taken = []
    with pytest.raises(ValueError, match="clip 4 is broken"):
        for (batch,) in Batches(Numbers(8, broken=(4,)), 2, None, threads):
            taken.extend(batch.tolist())
    assert taken == [0, 1, 2, 3]
