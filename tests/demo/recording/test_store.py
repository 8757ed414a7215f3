"""The folder of recordings: how long one stays, who may have it, and what a killed server left there."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import av
import pytest

from demo.recording.archive import pieces
from demo.recording.recording import ANSWERS, MARKERS, METADATA, Asked
from demo.recording.recordings import Recordings
from demo.recording.store import RecordingStore
from tests.support.places import ROOT
from tests.support.recordings import table
from tests.support.waiting import until

ABOUT = {"labels": ["happiness"], "weights": "w", "trained": True, "engine": "e", "windowSeconds": 3.0}

TABLES = [ANSWERS, MARKERS, METADATA]


def made(folder: Path, hours: float = 24.0) -> Recordings:
    recordings = Recordings(RecordingStore(folder, hours))
    recordings.about = lambda: ABOUT
    recordings.open()
    return recordings


def test_one_source_has_one_recording(tmp_path: Path) -> None:
    recordings = made(tmp_path / "new" / "folder")
    recordings.begin(Asked("a/b ç", True, True))
    with pytest.raises(ValueError, match="recorded already"):
        recordings.begin(Asked("second", True, True))
    assert recordings.state()["running"]["name"] == "a/b ç"
    kept = recordings.finish()
    assert kept.file.startswith("session-a-b-ç-") and recordings.state()["kept"][0]["id"] == kept.id
    assert oct(kept.folder.stat().st_mode)[-3:] == "700"
    with pytest.raises(ValueError, match="Nothing is being recorded"):
        recordings.finish()
    held = zipfile.ZipFile(io.BytesIO(b"".join(pieces(kept))))
    assert held.testzip() is None and held.namelist() == [*TABLES, "answers.parquet", "report.html"]
    recordings.remove(kept.id)
    assert not kept.folder.exists() and recordings.state()["kept"] == []
    recordings.close()
    with pytest.raises(ValueError, match="server ends"):
        recordings.begin(Asked("late", True, True))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="Nothing can be recorded"):
        made(tmp_path / "file").begin(Asked("x", True, True))


def test_a_recording_goes_when_its_time_is_over(tmp_path: Path) -> None:
    recordings = made(tmp_path, hours=1.0)
    recordings.begin(Asked("x", True, True))
    kept = recordings.finish()
    assert not recordings.store.expire()
    os.utime(kept.folder / "metadata.json", (time.time() - 3700,) * 2)
    assert recordings.store.expire() and not kept.folder.exists()


def test_another_server_leaves_alone_what_is_being_written(tmp_path: Path) -> None:
    recordings = made(tmp_path)
    recordings.begin(Asked("x", True, True))
    command = (
        "import sys; from pathlib import Path; from demo.recording.store import RecordingStore;"
        "s = RecordingStore(Path(sys.argv[1])); s.look(); print(len(s.kept()))"
    )
    run = [sys.executable, "-c", command, str(tmp_path)]
    assert subprocess.run(run, cwd=ROOT, capture_output=True, text=True).stdout.strip() == "0"
    recordings.finish()
    assert subprocess.run(run, cwd=ROOT, capture_output=True, text=True).stdout.strip() == "1"


SERVER = """
import sys, time
from demo.recording.recording import ANSWERS, MARKERS, METADATA, Asked
from tests.support.live import running_app
with running_app(source=sys.argv[1], recordings=sys.argv[2]) as app:
    app.server.recordings.begin(Asked("cut", True, True))
    print("recording", flush=True)
    sys.stdin.readline()
"""


def server(clip: Path, folder: Path) -> Any:
    command = [sys.executable, "-c", SERVER, str(clip), str(folder)]
    started = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None and started.stdout.readline().strip() == "recording"
    return started


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_server_loses_a_second_at_most_and_offers_the_rest(clips: Path, tmp_path: Path) -> None:
    started = server(clips / "derived_face_jfk_6s_44k.mp4", tmp_path)
    (folder,) = tmp_path.iterdir()
    assert until(lambda: json.loads((folder / "metadata.json").read_text())["answers"] > 30, 60)
    about = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    started.send_signal(signal.SIGKILL)
    killed = time.time()
    started.wait(20)
    begin = time.mktime(time.strptime(about["startedUtc"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    length = killed - begin - float(about["startedUtc"][19:-1])
    with open(folder / "answers.csv", "a", encoding="utf-8") as file:
        file.write("video.webm,99.0,half a li")  # what a crash of the machine may leave

    recordings = made(tmp_path)
    (kept,) = recordings.store.kept()
    assert kept.about["ended"] == "recovered" and recordings.state()["kept"][0]["recovered"]
    held = zipfile.ZipFile(io.BytesIO(b"".join(pieces(kept))))
    answers = table(held, "answers.csv")
    assert len(answers) == kept.about["answers"] >= 30 and None not in answers[-1].values()
    assert length - float(answers[-1]["time_s"]) < 1.0, "more than a second of answers is lost"
    path = tmp_path / "video.webm"
    path.write_bytes(held.read("video.webm"))
    with av.open(str(path)) as file:
        assert file.duration and file.duration / 1e6 == pytest.approx(kept.about["seconds"], abs=0.2)
        ends = [[float(f.time) for f in file.decode(video=0)][-1]]
    with av.open(str(path)) as file:
        ends.append([float(f.time) for f in file.decode(audio=0)][-1])
    lost = [length - end for end in ends]
    assert max(lost) < 1.0, f"lost: picture {lost[0]:.2f} s, sound {lost[1]:.2f} s of {length:.2f} s"
    recordings.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for others")
def test_a_server_stopped_by_ctrl_c_keeps_all(clips: Path, tmp_path: Path) -> None:
    started = server(clips / "derived_face_jfk_6s_44k.mp4", tmp_path)
    (folder,) = tmp_path.iterdir()
    assert until(lambda: json.loads((folder / "metadata.json").read_text())["answers"] > 10, 60)
    assert started.stdin is not None
    started.stdin.close()  # leaves `running_app`, which closes the app as Ctrl-C does in `demo.live`
    started.wait(30)
    recordings = made(tmp_path)
    (kept,) = recordings.store.kept()
    assert kept.about["ended"] in ("the server ended", "the source ended") and kept.about["seconds"] > 1
    recordings.close()
