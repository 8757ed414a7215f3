"""The table beside the starter weights: it is about them, and later weights may not be worse."""

import dataclasses
import re

import pytest

from benchmarks import starter as benchmark
from benchmarks.support.starter_table import POINTS, Table, worse
from mmadfer.files import checksums
from mmadfer.weights import starter

NAMED = (
    "faces: accuracy",
    "faces: UAR",
    "voices: UAR",
    "both: accuracy",
    "faces: calibration error",
    "both: calibration error",
    "neutral and still face, silence: neutral on top",
    "neutral and still face, silence: another above 0.4",
)


def test_the_table_is_about_the_weights_of_the_package():
    assert Table.read().sha256 == checksums.sha256(starter.FILE), (
        "these weights were never measured: python -m benchmarks.starter DATA --table mmadfer/assets/starter.json"
    )


def test_the_weights_of_the_package_are_not_worse_than_those_before():
    table = Table.read()
    assert worse(table.rows, table.before) == []
    assert set(NAMED) <= set(table.rows)
    assert set(NAMED) <= set(table.before)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("faces: accuracy", -1.2, r"faces: accuracy: \d+\.\d, was \d+\.\d"),
        ("faces: calibration error", 1.2, "faces: calibration error"),
        ("neutral and still face, silence: another above 0.4", 1.2, "another above"),
        ("both: accuracy", None, r"both: accuracy: not measured any more, was \d+\.\d"),
    ],
)
def test_a_row_that_is_worse_or_gone_is_told(name, change, words):
    rows = Table.read().rows
    changed = {key: value for key, value in rows.items() if key != name}
    if change is not None:
        changed[name] = rows[name] + change
    (found,) = worse(changed, rows)
    assert re.search(words, found)


def test_a_row_may_be_a_little_worse_and_any_better():
    rows = Table.read().rows
    for points in (POINTS - 0.1, 0):
        changed = {n: v + (points if "error" in n or "another above" in n else -points) for n, v in rows.items()}
        assert worse(changed, rows) == []
    better = {n: v - 20 if "error" in n or "another above" in n else v + 20 for n, v in rows.items()}
    assert worse(better, rows) == []


def test_calibration_is_compared_as_recalls_are():
    rows = {"voices: UAR": 60.0, "voices: calibration error": 10.0, "voices, Berlin: calibration error": 9.0}
    assert worse(rows | {"voices: calibration error": 3.0}, rows) == []
    assert len(worse(rows | {"voices: calibration error": 30.0}, rows)) == 1
    assert len(worse(rows | {"voices: UAR": 50.0, "voices, Berlin: calibration error": 19.0}, rows)) == 2


def test_a_table_can_be_written_and_read_and_another_file_is_refused(tmp_path):
    path = tmp_path / "table.json"
    table = Table("ab" * 32, {"faces: accuracy": 61.0}, "by hand", {"faces: accuracy": 60.0})
    table.write(path)
    assert Table.read(path) == table
    path.write_text("[1]")
    with pytest.raises(ValueError, match="is no table of the starter weights' numbers"):
        Table.read(path)


def test_the_benchmark_writes_the_table_and_refuses_worse_weights(tmp_path, monkeypatch, capsys):
    better = dataclasses.replace(Table.read(), sha256="0" * 64)
    monkeypatch.setattr(benchmark.Table, "read", classmethod(lambda cls: better))
    rows = dict(better.rows)
    assert benchmark._tabled(tmp_path / "same.json", "1" * 64, "here", rows) == 0
    rows["faces: UAR"] -= 3
    assert benchmark._tabled(tmp_path / "worse.json", "1" * 64, "here", rows) == 1
    assert "worse than before: faces: UAR" in capsys.readouterr().out
