"""A preparation that is interrupted, wherever that happens, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mmadfer.data.prepared import PreparedSet
from mmadfer.files import whole
from tests.support import made_trees as trees
from tests.support.made_trees import crops_folder
from tests.support.places import ROOT
from tests.support.prepare import left_out, prepare
from train.preparing.shard_work import CLIPS_PER_SHARD

SHARDS = 5


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def differences(folder: Path, other: Path) -> list[str]:
    ours, theirs = content(folder), content(other)
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_run_that_ends_anywhere_is_finished_by_the_next(tmp_path, monkeypatch):
    """The process ends before the n-th file is put in its place, for every n; the next run makes the same bytes."""
    root = crops_folder(tmp_path / "own", 2 * CLIPS_PER_SHARD + 3)
    assert prepare("folder", root, tmp_path / "whole") == 0
    commits = len([name for name in content(tmp_path / "whole") if name != ".lock"])
    replace = os.replace
    for n in range(commits):
        out, left = tmp_path / f"out{n}", [n]

        def stop(source, target, left=left):
            if not left[0]:
                raise Killed
            left[0] -= 1
            replace(source, target)

        monkeypatch.setattr(whole.os, "replace", stop)
        with pytest.raises(Killed):
            prepare("folder", root, out)
        monkeypatch.undo()
        with pytest.raises(FileNotFoundError) if n < commits - 1 else pytest.MonkeyPatch.context():
            PreparedSet(out)  # until the index is there, nothing reads it
        (out / "shards").mkdir(parents=True, exist_ok=True)
        (out / "shards/00001.bin.part").write_bytes(b"what a killed process left")
        done = content(out / "done") if (out / "done").is_dir() else {}
        times = {name: (out / "done" / name).stat().st_mtime_ns for name in done}
        assert prepare("folder", root, out) == 0
        assert differences(out, tmp_path / "whole") == []
        assert times == {name: (out / "done" / name).stat().st_mtime_ns for name in done}, "finished work is kept"


def start(root, out, *options):
    command = [
        sys.executable,
        "-m",
        "train.prepare",
        "folder",
        str(root),
        "--out",
        str(out),
        "--workers",
        "2",
        *options,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_record(process, out: Path, count: int = 1) -> None:
    deadline = time.monotonic() + 200
    while len(list((out / "done").glob("*.json"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no shard was done"
        time.sleep(0.002)


def slow_folder(root: Path) -> Path:
    """Make a folder that takes some seconds: large crops to be resized, and a video whose faces are to be cut."""
    crops_folder(root, SHARDS * CLIPS_PER_SHARD, frames=4, size=400)
    trees.put(trees.FACE, root / "anger/000.mp4")
    return root


def test_a_killed_run_ends_byte_equal_to_one_that_was_not(tmp_path):
    root = slow_folder(tmp_path / "own")
    process = start(root, tmp_path / "out")
    wait_for_record(process, tmp_path / "out")
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)  # it ends where no worker holds its pipes any more
    gone, alive = psutil.wait_procs(workers, timeout=20)
    assert len(gone) >= 2 and not alive, "the workers end with their parent"
    done = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out/done").glob("*.json")}
    assert 1 <= len(done) < SHARDS, "it was killed in the middle"
    with pytest.raises(FileNotFoundError, match="not finished"):
        PreparedSet(tmp_path / "out")
    assert prepare("folder", root, tmp_path / "out") == 0
    assert prepare("folder", root, tmp_path / "whole") == 0
    assert differences(tmp_path / "out", tmp_path / "whole") == []
    assert all((tmp_path / "out/done" / name).stat().st_mtime_ns == at for name, at in done.items())


def test_a_killed_worker_is_told_and_what_is_done_stays(tmp_path):
    root = slow_folder(tmp_path / "own")
    process = start(root, tmp_path / "out")
    wait_for_record(process, tmp_path / "out")
    spawned = [p for p in psutil.Process(process.pid).children() if "spawn_main" in " ".join(p.cmdline())]
    spawned[0].kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert (
        errors.strip()
        .splitlines()[-1]
        .endswith(
            "a worker process was killed, perhaps for want of memory; finished work is kept: "
            "run the same command again, with fewer --workers"
        )
    )
    assert list((tmp_path / "out/done").glob("*.json"))


def test_a_full_disk_is_told_and_what_is_done_stays(tmp_path, capsys):
    root = crops_folder(tmp_path / "own", 3 * CLIPS_PER_SHARD)
    (tmp_path / "out/shards").mkdir(parents=True)
    # A device that is always full stands where the second shard is to be written.
    (tmp_path / "out/shards/00001.bin.part").symlink_to("/dev/full")
    assert prepare("folder", root, tmp_path / "out") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "cannot be written (No space left on device); finished work is kept: make room" in error
    assert [path.name for path in (tmp_path / "out/done").iterdir()] == ["00000.json"]
    assert prepare("folder", root, tmp_path / "out") == 0
    assert prepare("folder", root, tmp_path / "whole") == 0
    assert differences(tmp_path / "out", tmp_path / "whole") == []


def test_files_that_change_are_packed_anew_and_others_are_not(tmp_path):
    root, out = crops_folder(tmp_path / "own", 2 * CLIPS_PER_SHARD), tmp_path / "out"
    clip = root / "anger/000"
    hidden = clip.rename(tmp_path / "hidden")
    names = [f"{label}/{k:03d}" for k in range(2 * CLIPS_PER_SHARD) for label in (("anger", "fear")[k % 2],)]
    rows = "".join(f"{name},{name.split('/')[0]},train\n" for name in names)
    trees.text(root / "labels.csv", f"path,label,split\n{rows}")
    assert prepare("folder", root, out) == 0
    assert left_out(out) == {"anger/000"}
    times = {path.name: path.stat().st_mtime_ns for path in (out / "done").iterdir()}
    hidden.rename(clip)  # the missing clip comes
    trees.text(root / "labels.csv", f"path,label,split\n{rows}".replace("fear/015,fear,train", "fear/015,anger,test"))
    assert prepare("folder", root, out) == 0
    prepared = PreparedSet(out)
    assert left_out(out) == set() and len(prepared.clips) == 2 * CLIPS_PER_SHARD
    changed = {path.name for path in (out / "done").iterdir() if path.stat().st_mtime_ns != times[path.name]}
    assert changed == {"00000.json"}, "a corrected label needs no packing"
    last = next(clip for clip in prepared.clips if clip.clip_id == "fear/015")
    assert (last.label, last.splits) == ("anger", {"1": "test"})


def test_an_index_does_not_outlive_the_shards_that_it_was_made_for(tmp_path, monkeypatch):
    root, out = crops_folder(tmp_path / "own", 2), tmp_path / "out"
    assert prepare("folder", root, out) == 0
    trees.pictures(root / "anger/000", ["9.jpg"])

    def stop(*_):
        raise Killed

    monkeypatch.setattr("train.preparing.shard_work.write_shard", stop)
    with pytest.raises(Killed):
        prepare("folder", root, out)
    with pytest.raises(FileNotFoundError, match="not finished"):
        PreparedSet(out)
    monkeypatch.undo()
    assert prepare("folder", root, out) == 0
    assert [clip.num_frames for clip in PreparedSet(out).clips] == [5, 4]
