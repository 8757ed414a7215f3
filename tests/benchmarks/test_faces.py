"""What reading several faces costs."""

from __future__ import annotations

import re

import pytest

from benchmarks import faces
from benchmarks.faces import Cost, ratio


def test_four_faces_cost_less_than_two_and_a_half_times_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert faces.main(["--seconds", "8", "--runs", "1"]) == 0
    told = capsys.readouterr().out
    (others,) = re.findall(r"four faces: .* ([\d.]+)/s about each other face", told)
    assert float(others) > 0.5, told
    (found,) = re.findall(r"ratio ([\d.]+)", told)
    assert 1.0 < float(found) < 2.5, told


def test_pairs_are_compared() -> None:
    one, four = [Cost(0.2, 5, 0), Cost(0.5, 5, 0), Cost(0.2, 5, 0)], [Cost(0.4, 5, 1), Cost(0.5, 5, 1), Cost(0.6, 5, 1)]
    assert ratio(one, four) == pytest.approx(2.0)


@pytest.mark.parametrize("arguments", [["--seconds", "1"], ["--runs", "0"], ["--seconds", "nan"]])
def test_what_cannot_be_measured_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert faces.main(arguments) != 0
    assert "--seconds must be 5 or more" in capsys.readouterr().err
