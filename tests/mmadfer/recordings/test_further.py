"""What is made of a recording is read by programs that others wrote, and says what the tables say."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mmadfer.recordings.command import main
from mmadfer.recordings.further import ALWAYS, FORMATS, add, make
from mmadfer.recordings.plain_text import plain
from mmadfer.recordings.recording import Recording, parse
from mmadfer.recordings.summary import summary_of
from tests.support import recording_tables as recordings

LABEL_SPANS = [(0.2, 1.2, "happiness"), (4.2, 5.2, "anger"), (5.2, 6.0, "happiness")]
GAPS = [(0.0, 0.2, "no answer"), (3.0, 4.2, "no answer")]
NO_FACE = [(1.2, 3.0, "no face")]
SILENCE = [(1.2, 3.0, "silence"), (4.2, 5.2, "silence")]
POINTS = [(0.5, "3"), (2.0, f"{plain(recordings.HOSTILE)} / 1"), (5.5, 'say "cheese"')]


@pytest.fixture(scope="module")
def recording() -> Recording:
    return of(recordings.short())


def of(files: dict[str, bytes]) -> Recording:
    return parse(files["answers.csv"], files.get("markers.csv"), files["metadata.json"])


def close(found: Sequence[tuple[Any, ...]], wanted: Sequence[tuple[Any, ...]]) -> bool:
    return [each[-1] for each in found] == [each[-1] for each in wanted] and [
        pytest.approx(each[:-1], abs=1e-6) for each in wanted
    ] == [each[:-1] for each in found]


def test_the_summary_is_that_of_the_rows(recording: Recording) -> None:
    summary = summary_of(recording)
    assert summary.seconds["happiness"] == pytest.approx(1.8) and summary.seconds["anger"] == pytest.approx(1.0)
    assert summary.shares["anger"] == pytest.approx(1 / 2.8) and summary.shares["fear"] == 0
    assert summary.transitions == {("anger", "happiness"): 1}, "a gap or a missing face parts what it lies between"
    assert summary.longest is not None and (summary.longest.name, summary.longest.start) == ("happiness", 0.2)
    assert close([(gap.start, gap.end, gap.name) for gap in summary.gaps], GAPS)
    assert summary.states == pytest.approx({"no face": 1.8, "silence": 2.8})


def test_parquet_holds_the_rows_with_their_types(recording: Recording) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    table = parquet.read_table(io.BytesIO(make(recording, ["parquet"])["answers.parquet"]))
    rows = table.to_pylist()
    assert len(rows) == 18 and table.column_names == [column.name for column in recording.columns]
    assert rows[0]["time_s"] == 0.2 and rows[0]["label"] == "happiness" and rows[0]["has_audio"] is True
    assert rows[5]["label"] is None and rows[5]["states"] == ["no face", "silence"] and rows[5]["unsure"] is None
    assert rows[0]["happiness"] == pytest.approx(0.7) and rows[0]["face_x"] is None
    assert json.loads(table.schema.metadata[b"mmadfer.recording"])["name"] == recording.about["name"]


def test_pympi_reads_the_file_for_elan(recording: Recording, tmp_path: Path) -> None:
    pympi = pytest.importorskip("pympi", reason="pympi-ling is not installed")
    file = tmp_path / "recording.eaf"
    file.write_bytes(make(recording, ["elan"])["recording.eaf"])
    read = pympi.Elan.Eaf(str(file))
    tiers = {
        name: [(start / 1000, end / 1000, words) for start, end, words in read.get_annotation_data_for_tier(name)]
        for name in read.get_tier_names()
    }
    assert list(tiers) == ["label", "no answer", "markers", "state: no face", "state: silence"]
    assert close(tiers["label"], LABEL_SPANS) and close(tiers["no answer"], GAPS)
    assert close(tiers["state: no face"], NO_FACE) and close(tiers["state: silence"], SILENCE)
    assert [(start, words) for start, _, words in tiers["markers"]] == POINTS
    (media,) = read.get_linked_files()
    assert (media["RELATIVE_MEDIA_URL"], media["MIME_TYPE"]) == ("./video.webm", "video/webm")


def test_praat_reads_the_textgrid(recording: Recording, tmp_path: Path) -> None:
    parselmouth = pytest.importorskip("parselmouth", reason="praat-parselmouth is not installed")
    file = tmp_path / "recording.TextGrid"
    file.write_bytes(make(recording, ["textgrid"])["recording.TextGrid"])
    grid = parselmouth.read(str(file))
    assert (grid.xmin, grid.xmax) == (0, 6)
    call = parselmouth.praat.call
    names = [call(grid, "Get tier name", n) for n in range(1, 1 + call(grid, "Get number of tiers"))]
    assert names == ["label", "no answer", "state: no face", "state: silence", "markers"]
    for number, wanted in enumerate([LABEL_SPANS, GAPS, NO_FACE, SILENCE], 1):
        count = call(grid, "Get number of intervals", number)
        ask = [[call(grid, f"Get {what}", number, i) for i in range(1, count + 1)] for what in _INTERVAL]
        assert close([each for each in zip(*ask, strict=True) if each[-1]], wanted)
    count = call(grid, "Get number of points", 5)
    marks = [
        (call(grid, "Get time of point", 5, i), call(grid, "Get label of point", 5, i)) for i in range(1, count + 1)
    ]
    assert marks == POINTS


_INTERVAL = ("start time of interval", "end time of interval", "label of interval")


def test_the_project_for_boris_is_of_its_documented_form(recording: Recording) -> None:
    project = json.loads(make(recording, ["boris"])["recording.boris"])
    assert project["project_format_version"] == "7.0" and project["time_format"] == "hh:mm:ss"
    ethogram = {behavior["code"]: behavior for behavior in project["behaviors_conf"].values()}
    assert len(ethogram) == len(project["behaviors_conf"])
    (name, observation), *_ = project["observations"].items()
    assert name == "A <b>/ç" and observation["type"] == "MEDIA" and observation["file"]["1"] == ["video.webm"]
    assert observation["media_info"]["length"] == {"video.webm": 6.0}
    events = observation["events"]
    assert [event[0] for event in events] == sorted(event[0] for event in events)
    assert {event[2] for event in events} <= set(ethogram)
    for code, behavior in ethogram.items():
        times = [event[0] for event in events if event[2] == code]
        if behavior["type"] == "State event":
            assert len(times) % 2 == 0, "a state that does not end"
        assert behavior["category"] in project["behavioral_categories"]
    pairs = [event[0] for event in events if event[2] == "happiness"]
    assert pairs == [0.2, 1.2, 5.2, 6.0]
    points = [(event[0], event[4]) for event in events if event[2] == "marker"]
    assert points == [(0.5, "3"), (2.0, plain(recordings.HOSTILE)), (2.0, "1"), (5.5, 'say "cheese"')]


ODD = ("a,b", "a;b", 'c|"d" & <e>', "marker", "state: no answer", "ärger 笑")


@pytest.mark.parametrize("name", FORMATS)
def test_odd_classes_and_an_empty_recording_make_every_file(name: str) -> None:
    odd = [recordings.answer(i / 5, ODD[i % len(ODD)], ODD) for i in range(12)]
    files = {"answers.csv": recordings.answers(odd, ODD), "metadata.json": recordings.metadata(3, ODD, media=None)}
    assert make(of(files), [name])
    if name == "boris":
        codes = [b["code"] for b in json.loads(make(of(files), [name])["recording.boris"])["behaviors_conf"].values()]
        assert len(set(codes)) == len(codes), "two behaviours of one name"
    empty = {"answers.csv": recordings.answers([]), "metadata.json": recordings.metadata(0, media=None)}
    assert make(of(empty), [name])


def test_files_go_into_the_zip_and_leave_the_rest_as_it_was(tmp_path: Path, capsys: Any) -> None:
    files = {"video.webm": bytes(range(256)) * 500, **recordings.short()}
    path = recordings.write_zip(tmp_path / "session.zip", files)
    for _ in range(2):  # again, which replaces them
        assert main([str(path), "--elan", "--boris", "--textgrid"]) == 0
        with zipfile.ZipFile(path) as held:
            assert held.testzip() is None
            assert held.namelist() == [*files, *(format.file for format in FORMATS.values())]
            assert {name: held.read(name) for name in files} == files
    assert "report.html" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["session.zip"]
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    assert add(folder) == [FORMATS[name].file for name in ALWAYS]
    assert (folder / "report.html").read_bytes().startswith(b"<!doctype html>")
