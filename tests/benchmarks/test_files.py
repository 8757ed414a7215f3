"""The short form of `benchmarks.files`: files of every kind, none read wrongly; and a judge that can say so."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks import files
from benchmarks.support import file_cases
from benchmarks.support.file_cases import Holds


def test_a_sample_of_every_kind_is_right_or_told() -> None:
    found = files.run(every=8)
    assert {verdict.verdict for verdict in found} == {"right", "told"}, [
        dataclasses.asdict(verdict) for verdict in found if verdict.verdict not in ("right", "told")
    ]
    assert len(found) > 30


def test_there_are_enough_of_them(tmp_path) -> None:
    assert sum(1 for _ in file_cases.cases(tmp_path)) >= 150


@pytest.mark.parametrize(
    ("holds", "words"),
    [
        (Holds((5, 6, 8), shape=(64, 96)), "pictures"),
        (Holds((5, 6, 7), shape=(96, 64)), "pictures of"),
        (Holds((5, 6, 7), fps=10), "off"),
        (Holds((5, 6, 7), onsets=(0.5,)), "no sound"),
        (None, "read without a word"),
    ],
)
def test_the_judge_notices_what_is_wrong(tmp_path, holds, words) -> None:
    case = next(c for c in file_cases.cases(tmp_path) if c.kind == "display matrix" and c.name == "2.mp4")
    case.make(tmp_path / case.name)
    assert files.judge(case, tmp_path / case.name).verdict == "right"
    verdict = files.judge(dataclasses.replace(case, holds=holds), tmp_path / case.name)
    assert verdict.verdict == "wrong" and words in verdict.words
