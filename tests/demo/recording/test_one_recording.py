"""One recording on the server: who offers never waits, what is lost is counted, and what was written stays."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from demo.recording import media
from demo.recording.marker import Marker, marker_of
from demo.recording.recording import MOST_FRAMES, Asked, Recording
from mmadfer.stream.intake import Frame, Sound
from tests.support.places import ROOT
from tests.support.programs import answer
from tests.support.waiting import until

ABOUT = {
    "labels": ["happiness", "anger"],
    "weights": "of a test",
    "trained": True,
    "engine": "test",
    "windowSeconds": 3.0,
}
TOLD = Asked("of a test", True, True)
RATE = 16_000


def frame(number: int, begin: float, fps: int = 10) -> Frame:
    return Frame(number, begin + number / fps, np.full((48, 64, 3), 50 + number % 100, np.uint8))


def sound(number: int, begin: float, channels: int = 1) -> Sound:
    samples = np.random.default_rng(number).normal(0, 0.2, (channels, RATE // 10)).clip(-1, 1).astype(np.float32)
    return Sound(number * RATE // 10, begin + number / 10, samples, RATE)


def ended(recording: Recording) -> dict[str, Any]:
    recording.stop()
    assert recording.join(30)
    return dict(json.loads((recording.folder / "metadata.json").read_text(encoding="utf-8")))


def rows(recording: Recording, name: str) -> list[dict[str, str]]:
    with open(recording.folder / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_nobody_records_before_people_are_told() -> None:
    for told in (False, 1, "yes", None):
        with pytest.raises(ValueError, match="have been told"):
            Asked("x", True, told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("picture", "heard", "file", "streams"),
    [
        (True, True, "video.webm", ["video", "audio"]),
        (True, False, "video.webm", ["video"]),
        (False, True, "sound.webm", ["audio"]),
        (False, False, None, []),
    ],
    ids=["both", "no sound track", "no camera", "neither"],
)
def test_what_the_source_lacks_is_told(
    picture: bool, heard: bool, file: str | None, streams: list[str], tmp_path: Path
) -> None:
    recording = Recording(tmp_path, TOLD, ABOUT)
    begin = time.monotonic()
    for k in range(20):
        if picture:
            recording.offer(frame(k, begin))
        if heard:
            recording.offer(sound(k, begin, channels=8))
        recording.offer(answer(time_s=begin + k / 10))
    assert until(lambda: recording.about["answers"] == 20)
    absent = [name for name, there in (("picture", picture), ("sound", heard)) if not there]
    assert recording.lacks == absent
    about = ended(recording)
    assert (about["media"] and about["media"]["file"]) == file
    assert {row["file"] for row in rows(recording, "answers.csv")} == {file or "none"}
    if file:
        with av.open(str(tmp_path / file)) as held:
            assert [stream.type for stream in held.streams] == streams
    assert about["told"] and about["ended"] == "ended"


def test_a_slow_encoder_delays_nobody_and_its_losses_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    push = media.MediaWriter.push_frame
    monkeypatch.setattr(media.MediaWriter, "push_frame", lambda *args: go_on.wait(30) and push(*args))
    begin = time.monotonic()
    recording = Recording(tmp_path, TOLD, ABOUT)
    recording.offer(sound(0, begin))
    waits = []
    for k in range(MOST_FRAMES + 60):
        before = time.perf_counter()
        recording.offer(frame(k, begin, 100))
        recording.offer(answer(time_s=begin + k / 100))
        waits.append(time.perf_counter() - before)
    assert float(np.median(waits)) < 0.001
    go_on.set()
    about = ended(recording)
    with av.open(str(tmp_path / "video.webm")) as held:
        written = sum(1 for _ in held.decode(video=0))
    assert written + about["losses"]["frames"] == MOST_FRAMES + 60 and about["losses"]["frames"] >= 50
    assert about["answers"] == MOST_FRAMES + 60, "an answer was lost with the frames"


def test_ten_thousand_markers_and_hostile_text_are_kept(tmp_path: Path) -> None:
    recording = Recording(tmp_path, TOLD, ABOUT)
    begin = time.monotonic()
    recording.offer(frame(0, begin))
    recording.offer(sound(0, begin))
    texts = ['=1+1,"quoted"', "<b>", "a\x00b\nc\u2028d", "\ud800 half", "日本"]
    for number in range(10_000):
        recording.offer(marker_of({"text": f"{number} {texts[number % len(texts)]}"}))
    recording.offer(Marker("3", "", time.time() - 3600))  # long before the beginning
    about = ended(recording)
    found = rows(recording, "markers.csv")
    assert len(found) == about["markers"] == 10_000
    assert [row["text"] for row in found[:5]] == ['0 =1+1,"quoted"', "1 <b>", "2 a b c d", "3   half", "4 日本"]
    assert all(0 <= float(row["time_s"]) < 30 for row in found)


LIMITED = """
import resource, sys, time
from pathlib import Path
import numpy as np
from demo.recording.recording import Asked, Recording
from mmadfer.stream.intake import Frame
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, -1))
begin, noise = time.monotonic(), np.random.default_rng(0)
about = {"labels": ["happiness"], "weights": "w", "trained": True, "engine": "e", "windowSeconds": 3.0}
recording = Recording(Path(sys.argv[1]), Asked("x", True, True), about)
for k in range(400):
    if not recording.running:
        break
    recording.offer(Frame(k, begin + k / 25, noise.integers(0, 255, (240, 320, 3), np.uint8)))
    time.sleep(0.01)
recording.join(20)
print(recording.trouble)
"""


def test_a_full_disk_ends_it_in_words_and_keeps_what_came_before(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert "could not be written any further (File too large): what came before is kept." in done.stdout, done.stderr
    about = json.loads((tmp_path / "metadata.json").read_text(encoding="utf-8"))
    assert about["ended"] == "failed" and "File too large" in about["trouble"]
    with av.open(str(tmp_path / "video.webm")) as held:
        frames = []
        try:
            frames += [float(frame.time) for frame in held.decode(video=0)]
        except av.error.FFmpegError:
            pass  # the last piece is not whole
        assert len(frames) > 5 or (tmp_path / "video.webm").stat().st_size > 150_000
