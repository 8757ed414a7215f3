"""What is written about answers: one schema, three writers that agree, files whole or readable up to the last line."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from demo.app import App
from mmadfer.config import InputSpec
from mmadfer.files.names import original, shown
from mmadfer.outputs import parquet_file
from mmadfer.outputs.csv_file import CsvFile
from mmadfer.outputs.json_lines import JsonLines
from mmadfer.outputs.parquet_file import SCHEMA_KEY, whole_parquet
from mmadfer.outputs.place import Place
from mmadfer.outputs.schema import (
    CLASS,
    COLUMNS,
    SCHEMA_VERSION,
    Output,
    answer_row,
    check_classes,
    columns,
    failed_row,
)
from mmadfer.types import Box, Prediction, State, WeightsInfo
from tests.support.live import FollowingRecognizer
from tests.support.places import ROOT
from tests.support.waiting import until

LABELS = ("anger", 'sad, "quoted"', "=joy", "Über\u200braschung")
INFO = WeightsInfo("w\\eights\udce9", True)
NAMES = ("plain.mkv", 'a,"b";\n\r.mkv', "caf\udce9\\xe9 \u2028\u202e.mkv", "=1+1", "😀", " ")
BEFORE = ["file", "time_s", "label"]
AFTER = ["face_x", "face_y", "face_width", "face_height", "face_number", "face_count", "has_audio"]
AFTER += ["speech", "states"]
ALONE = [
    "smoothing_s",
    *(f"{half}_alone_{name}" for half in ("face", "voice") for name in ("anger", "joy")),
    "alone_age_s",
]
AFTER += ["rests_on", "temperature", "unsure", "latency_ms", "weights"]


def prediction(number: int, face: bool = True, trusted: bool = True, states: tuple[State, ...] = ()) -> Prediction:
    values = np.random.default_rng(number).dirichlet(np.ones(len(LABELS)))
    return Prediction(
        time=number * 0.1875,
        label=LABELS[int(values.argmax())],
        probabilities=dict(zip(LABELS, values.tolist(), strict=True)),
        face=Box(-1.25 * number, 2 / 3, 100 + number / 7, 99.95) if face else None,
        has_audio=face,
        latency_ms=1000 / (number + 3),
        states=states,
        trusted=trusted,
        speech=(number % 7) / 7 if face else None,
    )


ANSWERS = [
    prediction(0),
    prediction(1, face=False, trusted=False, states=(State.NO_FACE, State.UNTRAINED)),
    prediction(2, states=(State.SOUND_GAP,)),
    prediction(86_400),
]
ROWS = [answer_row(shown(name), answer, INFO) for name in NAMES for answer in ANSWERS]


def written(folder: Path, rows=ROWS):
    """Return what is read back from CSV, JSON lines and Parquet: lists of dicts."""
    with Place("--csv", str(folder / "o.csv")).open() as lines:
        table = CsvFile(lines, LABELS)
        for row in rows:
            table.write(row)
    with Place("--jsonl", str(folder / "o.jsonl")).open() as lines:
        objects = JsonLines(lines, LABELS)
        for row in rows:
            objects.write(row)
    with whole_parquet(folder / "o.parquet", LABELS) as file:
        for row in rows:
            file.write(row)
    return csv_rows(folder / "o.csv"), json_rows(folder / "o.jsonl"), pq.read_table(folder / "o.parquet").to_pylist()


def csv_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def json_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def in_csv(column, value):
    """Return the cell that says ``value``."""
    if value is None:
        return ""
    if column.type == "strings":
        return "; ".join(value)
    return str(int(value)) if column.type == "bool" else value


def off(cell: str, value: float) -> float:
    return abs(float(cell) - value)


def test_all_writers_say_the_same_value_by_value(tmp_path):
    from_csv, from_json, from_parquet = written(tmp_path)
    assert len(from_csv) == len(from_json) == len(from_parquet) == len(ROWS)
    for row, cells, values, typed in zip(ROWS, from_csv, from_json, from_parquet, strict=True):
        assert values == {column.name: row.get(column.name) for column in columns(Output.JSON_LINES, LABELS)}
        for column in columns(Output.PARQUET, LABELS):
            value = row.get(column.name)
            exact = value is None or column.type != "float32"
            assert typed[column.name] == (value if exact else np.float32(value)), column.name
        for column in columns(Output.CSV, LABELS):
            value = row.get(column.name)
            if value is None or column.decimals is None:
                assert cells[column.name] == in_csv(column, value), column.name
            else:
                assert off(cells[column.name], value) <= 0.5001 * 10**-column.decimals, column.name
    assert [original(cells["file"]) for cells in from_csv[:: len(ANSWERS)]] == [*NAMES]
    assert {cells["weights"] for cells in from_csv} == {shown(INFO.name)}
    assert [cells["label"] == "" for cells in from_csv[:4]] == [False, True, False, False]


def test_one_line_an_answer_whatever_the_names(tmp_path):
    written(tmp_path)
    assert len((tmp_path / "o.jsonl").read_bytes().split(b"\n")) == len(ROWS) + 1
    assert len((tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()) == len(ROWS), "by Unicode's rule, too"
    assert len((tmp_path / "o.csv").read_text(encoding="utf-8").splitlines()) == len(ROWS) + 1


def test_files_made_before_are_read_by_the_same_names():
    assert [column.name for column in columns(Output.CSV, ["anger", "joy"])] == [*BEFORE, "anger", "joy", *AFTER]
    parquet = [column.name for column in columns(Output.PARQUET, ["anger", "joy"])]
    assert parquet == [*BEFORE, "anger", "joy", *AFTER, "error"]
    page = [column.name for column in columns(Output.PAGE, ["anger", "joy"])]
    further = ["time_utc", "engine", "smoothed_anger", "smoothed_joy", *ALONE, "segment", "frame", "drift"]
    assert page == [*BEFORE, "anger", "joy", *AFTER, *further]


def test_the_version_is_in_json_lines_and_parquet(tmp_path):
    _, from_json, _ = written(tmp_path, [*ROWS[:1], failed_row("x.mkv", "it is broken", INFO)])
    assert [next(iter(row.items())) for row in from_json] == [("schema", SCHEMA_VERSION)] * 2
    assert pq.read_schema(tmp_path / "o.parquet").metadata[SCHEMA_KEY] == str(SCHEMA_VERSION).encode()
    broken = pq.read_table(tmp_path / "o.parquet").to_pylist()[1]
    told = {"file": "x.mkv", "weights": shown(INFO.name), "error": "it is broken"}
    assert {name: value for name, value in broken.items() if value is not None} == told


def test_untrained_weights_are_called_so():
    assert answer_row("x", ANSWERS[0], WeightsInfo("x", False))["weights"] == "UNTRAINED"


def test_the_page_lists_exactly_the_columns():
    page = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    block = page.split("## The columns")[1].split("\n## ")[0]
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines() if line[:1] == "|"]
    assert told[0] == ["column", "type", "unit", "decimals", "what", "where"]
    for cells, column in zip(told[2:], COLUMNS, strict=True):
        names = [output.value for output in Output if output in column.outputs]
        where = "all" if len(names) == len(Output) else ", ".join(names)
        decimals = "" if column.decimals is None else str(column.decimals)
        assert cells == [f"`{column.name}`", column.type, column.unit, decimals, column.meaning, where]
    assert f"Its version is **{SCHEMA_VERSION}**." in block


TAKEN = [column.name for column in COLUMNS if CLASS not in column.name]


@pytest.mark.parametrize("labels", [*[("anger", name) for name in TAKEN], ("anger", "smoothed_anger"), ("label", "x")])
def test_a_class_may_not_be_called_like_a_column(labels):
    [clash] = {*TAKEN, "smoothed_anger"} & {*labels}
    with pytest.raises(ValueError, match=f"the class '{clash}' is called like a column"):
        check_classes(labels)
    for output in Output:
        with pytest.raises(ValueError, match="is called like a column"):
            columns(output, labels)


@pytest.mark.parametrize("name", ["\ud800x", "a\nb", "a\rb", "a\u2028b", "a\x85b", "\x00"])
def test_a_class_may_not_break_lines_or_be_no_text(name):
    with pytest.raises(ValueError, match=r"the class .* has a line end or what is no text in its name") as error:
        check_classes(("anger", name))
    assert str(error.value).isprintable()


def test_the_live_app_says_so_too():
    class Clashing(FollowingRecognizer):
        def __init__(self):
            super().__init__()
            self.spec = InputSpec(image_size=112, labels=("anger", "error"))

    app = App(load=Clashing)
    app.worker.start()
    try:
        assert app.worker.loaded.wait(20)
        assert "the class 'error' is called like a column" in str(app.worker.error)
    finally:
        app.worker.stop()


WRITE = """
import sys
from pathlib import Path
from tests.mmadfer.outputs import test_writers as t
folder = Path(sys.argv[1])
with t.Place("--csv", str(folder / "o.csv")).open() as one, t.Place("--jsonl", str(folder / "o.jsonl")).open() as other:
    with t.whole_parquet(folder / "o.parquet", t.LABELS) as third:
        writers = t.CsvFile(one, t.LABELS), t.JsonLines(other, t.LABELS), third
        while True:
            for row in t.ROWS:
                for writer in writers:
                    writer.write(row)
"""


def test_a_killed_process_leaves_lines_that_can_be_read_and_no_parquet(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path)], env=environment)
    lines = tmp_path / "o.jsonl"
    try:
        assert until(lambda: lines.exists() and lines.stat().st_size > 1_000_000, 60)
        assert not (tmp_path / "o.parquet").exists(), "not before it is whole"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "o.parquet").exists()
    for path, read in ((tmp_path / "o.csv", csv_rows), (lines, json_rows)):
        whole = path.read_bytes()
        path.write_bytes(whole[: whole.rfind(b"\n") + 1])
        rows = read(path)
        assert len(rows) > 1000
        assert [row["file"] for row in rows] == [ROWS[n % len(ROWS)]["file"] for n in range(len(rows))], path.name
        assert all(row["weights"] == shown(INFO.name) for row in rows), "each line to its end"


def test_each_line_is_there_as_it_comes(tmp_path):
    one, other = tmp_path / "o.csv", tmp_path / "o.jsonl"
    with Place("--csv", str(one)).open() as cells, Place("--jsonl", str(other)).open() as objects:
        writers = CsvFile(cells, LABELS), JsonLines(objects, LABELS)
        for number, row in enumerate(ROWS[:3], 1):
            for writer in writers:
                writer.write(row)
            assert (len(csv_rows(one)), len(json_rows(other))) == (number, number)


@pytest.mark.parametrize("rest", [b"", b"half.mkv,0.2", b"0.1,\n"])
def test_what_goes_on_begins_a_line_of_its_own(rest, tmp_path):
    path = tmp_path / "o.csv"
    path.write_bytes(b"file,time_s\na.mkv,0.1\n" + rest)
    with Place("--csv", str(path)).open(more=True) as lines:
        lines.write("b.mkv,0.3\n")
    kept = rest if rest.endswith(b"\n") else b""
    assert path.read_bytes() == b"file,time_s\na.mkv,0.1\n" + kept + b"b.mkv,0.3\n"


def test_a_parquet_appears_whole_or_the_old_one_stays(tmp_path):
    path = tmp_path / "o:1 \udce9.parquet"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), whole_parquet(path, LABELS) as file:
        file.write(ROWS[0])
        raise KeyError
    with pytest.raises(ValueError, match="called like a column"), whole_parquet(path, ("file",)) as file:
        pass
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]
    with whole_parquet(path, LABELS) as file:
        file.write(ROWS[0])
        assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with open(path, "rb") as opened:
        assert pq.read_table(opened).num_rows == 1
    with whole_parquet(path, LABELS):
        pass
    with open(path, "rb") as opened:
        assert pq.read_table(opened).num_rows == 0, "a table without rows is one"


def test_rows_go_to_the_disk_group_by_group(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_file, "ROW_GROUP", 2_000)
    path, number = tmp_path / "o.parquet", 0
    with whole_parquet(path, LABELS) as file:
        for number in range(4_500):
            file.write(answer_row(str(number), ANSWERS[0], INFO))
            if number == 2_100:
                assert path.with_name("o.parquet.part").stat().st_size > 1_000, "in memory alone"
    found = pq.ParquetFile(path)
    assert [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)] == [2_000, 2_000, 500]
    assert found.read(["file"])["file"].to_pylist() == [*map(str, range(4_500))]


def test_what_is_written_knows_nothing_of_who_answers():
    code = (
        "import sys; from mmadfer.outputs import csv_file, json_lines, parquet_file, place, schema;"
        "print([name for name in sys.modules if name in ('torch', 'mmadfer.recognizer') or 'mmadfer.s' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr
