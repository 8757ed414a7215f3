"""Cores of its own for each of several processes: engines start a thread for every core that they see."""

from __future__ import annotations

import os
import socket


def claim_cores(count: int, group: str) -> socket.socket | None:
    """Keep the calling thread, and those it starts, on ``count`` cores that no other process of ``group`` has.

    Returns what holds the claim until it is closed or the process ends, however it ends; None where the system cannot
    do it or too few cores are left: then nothing has changed.
    """
    if not hasattr(os, "sched_setaffinity") or count < 1:
        return None
    cores = sorted(os.sched_getaffinity(0))
    for first in range(0, len(cores) - count + 1, count):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0mmadfer-{group}-{first}")  # in Linux' abstract names: no file that could be left behind
        except OSError:  # taken by another process
            claim.close()
            continue
        os.sched_setaffinity(0, cores[first : first + count])
        return claim
    return None
