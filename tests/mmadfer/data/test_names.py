"""File names of any bytes and characters, from the folder through the prepared set to the report."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from mmadfer.data.manifest import Clip, read_manifest, write_manifest
from mmadfer.data.prepared import PreparedSet
from mmadfer.files.json_text import json_lines, to_json
from tests.support import made_trees as trees
from train.prepare import main
from train.scoring.predictions import Predictions, Subject, load_predictions

NAMES = [
    os.fsdecode(b"caf\xe9"),
    os.fsdecode(b"\xff\xfe"),
    "café",
    "cafe\u0301",
    "two\nlines",
    "tab\tand\rreturn",
    "line\u2028para\u2029next\x85",
    "\x1b[31mred",
    "a,\"quoted\"; 'b'",
    "😀👩\u200d👧",
    "-rf",
    "2026-01-02T10:30:00",
    " led and ended by spaces ",
    "back\\slash",
    "%s {0} %d",
    "\u202egpj.exe",
    "x" * 200,
    "#1",
    "@1-2",
    "CON",
]


def folder(root: Path) -> Path:
    """Make a folder of two classes in which every clip of face crops has one of `NAMES`."""
    for k, name in enumerate(NAMES):
        clip = trees.pictures(root / ("anger", "fear")[k % 2] / name, ["1.jpg"], (16, 16))
        (clip / os.fsdecode(b"\xe9.jpg")).write_bytes(trees.jpeg(k, (16, 16)))
    return root


def prepare(root, out, *options):
    return main(["folder", str(root), "--out", str(out), "--workers", "1", "--size", "16", *options])


def test_every_name_comes_through(tmp_path, capsys):
    root, out = folder(tmp_path / "own"), tmp_path / "out"
    (root / "anger" / os.fsdecode(b"lost\xe9.txt")).write_bytes(b"")
    assert prepare(root, out) == 0
    expected = {f"{('anger', 'fear')[k % 2]}/{name}" for k, name in enumerate(NAMES)}
    assert {clip.clip_id for clip in PreparedSet(out).clips} == expected
    assert {clip.clip_id for clip in read_manifest(out / "manifest.jsonl")} == expected
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    (left,) = (found["clips"] for found in report["findings"] if found["kind"] == "no video")
    assert os.fsencode(left[0]["clip"]) == b"anger/lost\xe9.txt"
    text = capsys.readouterr().out
    assert r"anger/lost\xe9.txt" in text and all(line.isprintable() for line in text.splitlines())
    assert prepare(root, out) == 0, "what is there is gone on with"


def test_a_table_names_them_all(tmp_path):
    root, out = folder(tmp_path / "own"), tmp_path / "out"
    clips = [f"{('anger', 'fear')[k % 2]}/{name}" for k, name in enumerate(NAMES)]
    rows = "".join('"{}",{}\n'.format(clip.replace('"', '""'), clip.split("/")[0]) for clip in clips)
    (root / "labels.csv").write_bytes(b"path,label\n" + rows.encode("utf-8", "surrogateescape"))
    assert prepare(root, out) == 0
    assert {clip.clip_id for clip in PreparedSet(out).clips} == set(clips)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_of_any_encoding_gets_the_report(tmp_path, monkeypatch, encoding):
    root = folder(tmp_path / os.fsdecode(b"own\xe9"))
    trees.text(root / "anger/😀 ł.txt", "")
    terminal = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(terminal, encoding, errors="strict", write_through=True))
    assert prepare(root, tmp_path / "out") == 0
    expected = "😀 ł.txt" if encoding == "utf-8" else r"\U0001f600 \u0142.txt"
    assert f"anger/{expected}" in terminal.getvalue().decode(encoding)


def test_errors_name_odd_files_in_one_line(tmp_path, capsys):
    name = os.fsdecode(b"caf\xe9\n.mp4")
    root = tmp_path / os.fsdecode(b"own\xe9")
    trees.text(root / name, "")
    assert prepare(root, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and r"caf\xe9\n.mp4" in error and r"own\xe9" in error


def test_json_is_text_that_reads_back(tmp_path):
    for value in (*NAMES, "".join(map(chr, range(0x2100)))):
        text = to_json({"name": value})
        assert json.loads(text) == {"name": value} and text.encode() and len(text.splitlines()) == 1
    assert json_lines("") == [] and json_lines("a\nb\n") == ["a", "b"]
    clips = [Clip(name, "anger", speaker=name) for name in NAMES]
    write_manifest(clips, tmp_path / "m.jsonl")
    assert read_manifest(tmp_path / "m.jsonl") == clips


def test_predictions_keep_every_name(tmp_path):
    subject = Subject("made", "1", "test", "uniform", "w", "0", True, 16, "cpu", classes=("anger", "fear"))
    count = len(NAMES)
    scores = np.full((count, 2), 0.5)
    Predictions(subject, tuple(NAMES), np.zeros(count, int), scores.astype(np.float32), scores).save(tmp_path / "p.npz")
    assert load_predictions(tmp_path / "p.npz").clip_ids == tuple(NAMES)


def test_a_known_set_is_read_from_an_odd_place(tmp_path):
    root, out = (tmp_path / os.fsdecode(name) for name in (b"DFEW\xe9", b"out\xe9"))
    trees.dfew(root, folds="1")
    assert main(["dfew", str(root), "--out", str(out), "--workers", "1"]) == 0
    assert len(PreparedSet(out).clips) == 4
