"""Many clips of any name, some of which fail, through Ray: a row for each, and nothing lost."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmadfer import predict
from mmadfer.files.names import original
from mmadfer.scoring import run
from mmadfer.scoring.worker import Job, ScoreWorker
from tests.support.made_media import gradient, write_media
from tests.support.scored import MUTE, by_file, options, part_times


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Return a clip that takes no time."""
    frames = [(k / 25, gradient(64, 48)) for k in range(5)]
    return write_media(tmp_path_factory.mktemp("short") / "short.mkv", frames)


def test_any_name_and_folder_has_its_rows(ray_here, weights, short, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder, other, out = Path("caf\udce9 10:30"), Path("b"), Path("r\udce9:1.parquet")
    odd = [b"caf\xe9", "caf\u00e9".encode(), rb"caf\xe9", b"a\nb", rb"a\nb", b"2026-01-02T10:30:00", b"-x%d#?*,\"'",
           "😀\t\x1b".encode(), b"x" * 250]  # fmt: skip
    for place, names in ((folder, odd), (other, [b"same"]), (folder / "deep", [b"same"])):
        place.mkdir()
        for name in names:
            os.link(short, os.fsencode(place) + b"/" + name + b".mkv")
    (folder / "broken\udce9.mkv").write_bytes(b"no video")
    (folder / "loop").symlink_to("..")
    (folder / "gone.mkv").symlink_to("nowhere")
    (folder / "again.mkv").symlink_to("../b/same.mkv")
    os.mkfifo(folder / "fifo.mkv")
    given = [str(other), "http://localhost:1/x.mp4", str(folder), "missing\n.mkv", "b/same.mkv", "./b/same.mkv"]
    assert predict.main([*given, *options(out, weights, "--workers", "1")]) == 2
    said = capsys.readouterr().err
    shown_folder = r"caf\xe9 10:30"
    for line in (
        rf"left out: {shown_folder}/gone.mkv (a link to nothing)",
        f"left out: {shown_folder}/fifo.mkv (neither a file nor a folder)",
        f"left out: {shown_folder}/loop (leads back to {tmp_path})",
        f"scored once: {shown_folder}/again.mkv is the same file as b/same.mkv",
        "scored once: ./b/same.mkv is the same file as b/same.mkv",
        "python -m mmadfer.predict: http://localhost:1/x.mp4 is an address, and nothing is fetched from networks; "
        "download it, and give that file",
        r"python -m mmadfer.predict: there is no file or folder missing\n.mkv; is it spelt right?",
        "python -m mmadfer.predict: 3 clips failed; the column error says why",
    ):
        assert line in said.splitlines(), said
    with open(out, "rb") as file:  # of a path Arrow wants text
        rows = by_file(file)
    good = {os.fsencode(folder) + b"/" + name + b".mkv" for name in (*odd, b"deep/same")} | {b"b/same.mkv"}
    assert {os.fsencode(original(name)) for name, found in rows.items() if not found[0]["error"]} == good
    failed = {original(name): found[0]["error"] for name, found in rows.items() if found[0]["error"]}
    broken = str(folder / "broken\udce9.mkv")
    assert set(failed) == {broken, "http://localhost:1/x.mp4", "missing\n.mkv"}
    assert failed[broken].startswith(rf"{shown_folder}/broken\xe9.mkv cannot be read as video")
    # The next run has nothing to do but what failed, and takes a file of the same name elsewhere for another one.
    before = part_times(out)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(other, elsewhere / "b")
    os.utime(elsewhere / "b" / "same.mkv", ns=(0, os.stat("b/same.mkv").st_mtime_ns))
    assert predict.main([str(other), *options(out, weights)]) == 0
    assert "all clips were scored before" in capsys.readouterr().err
    result = out.absolute()
    monkeypatch.chdir(elsewhere)
    assert predict.main([str(other), *options(result, weights, "--workers", "1")]) == 0
    assert "1 clips scored" in capsys.readouterr().err
    assert len(part_times(result)) == len([name for name in before if "failed" not in name]) + 1


def test_a_full_disk_is_one_sentence(ray_here, weights, short, tmp_path, monkeypatch, capsys):
    for number in range(3):
        os.link(short, tmp_path / f"{number}.mkv")
    out = tmp_path / "r.parquet"
    arguments = [str(tmp_path), *options(out, weights, "--workers", "1")]
    fsync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 2:  # the settings and the first clip
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert predict.main(arguments) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        f"python -m mmadfer.predict: {out}.parts cannot be written (No space left on device); make room or name "
        "another --out. What is scored already is kept: run the same command again to go on"
    )
    kept = part_times(out)
    assert len(kept) == 1 and not out.exists()
    assert predict.main(arguments) == 0
    assert len(by_file(out)) == 3 and kept.items() <= part_times(out).items()


def test_a_clip_that_fails_in_any_way_is_a_row(weights, clips, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "full"))  # where no notes can be made
    worker = ScoreWorker(Job(str(weights), "pytorch", "cpu", "fp32", 1.0, run="r"))
    for error in (RuntimeError, MemoryError, IndexError, SyntaxError, TypeError, SystemError, struct.error):

        def fail(*_, error=error, **__):
            raise error("x")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker._recognizer, "predict_file", fail)
            answer = worker({"key": "k", "name": r"a\n\xe9.mkv", "path": b"/a\n\xe9.mkv"})
        assert answer["failed"] and not answer["useless"]
        [row] = pq.read_table(pa.BufferReader(answer["part"])).to_pylist()
        assert row["file"] == r"a\n\xe9.mkv" and row["error"].startswith(r"a\n\xe9.mkv cannot be scored")
    assert not worker({"key": "k", "name": "a.mkv", "path": str(clips / MUTE)})["failed"]


def test_what_is_odd_about_a_clip_comes_back_with_it(weights, clips):
    worker = ScoreWorker(Job(str(weights), "pytorch", "cpu", "fp32", 1.0))
    real, path = worker._recognizer.predict_file, clips / MUTE

    def odd(*given, **how):
        logging.getLogger("mmadfer.media.media_file").warning("%s: a hole at %.1f s", path, 0.5)
        return real(*given, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker._recognizer, "predict_file", odd)
        answer = worker({"key": "k", "name": r"a\n.mkv", "path": str(path)})
    assert (answer["notes"], answer["failed"]) == (r"a\n.mkv: a hole at 0.5 s", False)


def test_a_file_that_went_away_is_a_row(tmp_path):
    with run.ScoredParts(tmp_path / "o.parquet", {}) as parts:
        keys = {parts.key(name, tmp_path / name) for name in ("a", "b")}
    assert len(keys) == 2
