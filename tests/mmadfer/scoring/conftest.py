"""What tests of scoring share."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from mmadfer.scoring import pool


@pytest.fixture(scope="module")
def ray_here() -> Iterator[ModuleType]:
    """Ray, started once: that takes seconds, and every run stays in the cluster that its process is in."""
    ray = pool.import_ray()
    with pool.cluster(ray, None):
        yield ray
