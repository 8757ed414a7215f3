"""The benchmark of scoring: its line, and what it refuses."""

from __future__ import annotations

import pytest

from benchmarks import scoring as benchmark
from mmadfer import cli
from mmadfer.scoring.run import Throughput


def test_rates_and_their_ratio_to_the_first():
    one = Throughput(scored=8, failed=0, video_s=48.0, seconds=16.0, startup_s=20.4, workers=1)
    two = Throughput(scored=8, failed=0, video_s=48.0, seconds=10.0, startup_s=12.0, workers=2)
    assert benchmark.line(one, one) == "| 1 | 0.50 | 3.0 | 1.00 | 20 s |"
    assert benchmark.line(two, one) == "| 2 | 0.80 | 4.8 | 1.60 | 12 s |"


@pytest.mark.parametrize(
    ("workers", "clips", "message"),
    [("2", "1", "the number of workers, got 1"), ("0", "4", "or more, got 0")],
)
def test_what_cannot_be_measured_is_refused(workers, clips, message, capsys):
    assert benchmark.main(["--workers", workers, "--clips", clips]) == cli.USAGE_ERROR
    assert message in capsys.readouterr().err
