"""Processes that share a machine get cores of their own."""

from __future__ import annotations

import os
import threading
import uuid

import pytest

from mmadfer.scoring.cores import claim_cores

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux keeps processes on cores")


def in_thread(count, group):
    """Claim in a thread of its own, which alone is bound; return the claim, and the cores that it is on then."""
    found = []
    thread = threading.Thread(target=lambda: found.extend((claim_cores(count, group), os.sched_getaffinity(0))))
    thread.start()
    thread.join()
    return found


def test_each_has_its_own_until_there_are_none():
    group, everything = uuid.uuid4().hex, os.sched_getaffinity(0)
    claims = [in_thread(1, group) for _ in everything]
    assert set().union(*(cores for _, cores in claims)) == everything
    assert all(len(cores) == 1 for _, cores in claims)
    assert in_thread(1, group) == [None, everything]
    claims[0][0].close()
    held, cores = in_thread(1, group)
    assert cores == claims[0][1], "what a process had is free when it ends"
    other, cores = in_thread(len(everything), uuid.uuid4().hex)
    assert cores == everything
    for claim in (held, other, *(claim for claim, _ in claims[1:])):
        claim.close()
    assert in_thread(len(everything) + 1, group) == [None, everything]
    assert os.sched_getaffinity(0) == everything
