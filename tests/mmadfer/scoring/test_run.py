"""Many clips through Ray into one Parquet file: the same answers, nothing dropped, resumed after a kill."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from mmadfer import predict, save_model
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.scoring import pool as ray_pool
from mmadfer.scoring import run
from mmadfer.scoring.parts import METADATA
from mmadfer.scoring.worker import Job, ScoreWorker
from mmadfer.types import WeightsInfo
from tests.support.scored import FACE, MUTE, by_file, options, part_times
from tests.support.small_models import SPEC, small_model


def test_a_folder_gets_the_recognisers_own_answers(ray_here, weights, clips, tmp_path, capsys):
    folder, out = tmp_path / "videos", tmp_path / "out.parquet"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(clips / MUTE, folder / "10.mkv")
    shutil.copy(clips / FACE, folder / "deep" / "2.mp4")
    shutil.copy(clips / FACE, folder / "2.MP4")
    (folder / "9.mp4").write_bytes(b"no video")
    (folder / "labels.csv").write_text("path,label\n")
    assert predict.main([str(folder), str(folder / "10.mkv"), *options(out, weights, "--workers", "1")]) == 2
    said = capsys.readouterr().err
    assert "left out: 1 .csv" in said and "1 clips failed; the column error says why" in said and "4/4" in said
    rows = by_file(out)
    assert list(rows) == [str(folder / name) for name in ("2.MP4", "9.mp4", "10.mkv", "deep/2.mp4")]
    [broken] = rows.pop(str(folder / "9.mp4"))
    assert "9.mp4 cannot be read as video or sound" in broken["error"] and broken["time_s"] is None
    recognizer = EmotionRecognizer.from_pretrained(weights, "pytorch", "cpu")
    for name, found in rows.items():
        expected = recognizer.predict_file(name, 1.0)
        assert [row["time_s"] for row in found] == [p.time for p in expected]
        pairs = zip(found, expected, strict=True)
        off = max(abs(row[label] - p.probabilities[label]) for row, p in pairs for label in SPEC.labels)
        assert off < 1e-3, f"off by {off:.1e}"
        for row, p in zip(found, expected, strict=True):
            assert (row["label"], row["has_audio"], row["states"]) == (
                p.label,
                p.has_audio,
                [s.value for s in p.states],
            )
            assert (row["face_x"], row["weights"], row["error"]) == (pytest.approx(p.face.x), "small", None)
    about = json.loads(pq.read_schema(out).metadata[METADATA])
    assert about["hop"] == 1.0 and about["weights"].startswith("small, SHA-256 ") and "PyTorch" in about["engines"][0]
    figures = about["throughput"]
    assert (figures["scored"], figures["failed"], figures["workers"]) == (3, 1, 1)
    seconds = sum(found[-1]["time_s"] for found in rows.values())
    assert figures["video_s_per_s"] == pytest.approx(seconds / figures["seconds"])
    assert figures["clips_per_s"] == pytest.approx(3 / figures["seconds"])

    # What is scored is not scored again, and other settings do not come between.
    before = part_times(out)
    assert predict.main([str(folder / "2.MP4"), *options(out, weights)]) == 0
    assert "all clips were scored before" in capsys.readouterr().err
    assert {name: at for name, at in before.items() if "failed" not in name} == part_times(out)
    assert list(by_file(out)) == [str(folder / "2.MP4")]
    assert json.loads(pq.read_schema(out).metadata[METADATA])["throughput"] == figures
    other = small_model()
    other.info = WeightsInfo("small", True, temperature=3.0)
    others = save_model(other, tmp_path / "other.safetensors")
    refused = [("weights", options(out, others)), ("hop", options(out, weights, "--hop", "2"))]
    refused.append(("voice_activity", options(out, weights, "--no-voice-activity")))
    for what, arguments in (*refused, ("backend", options(out, weights, "--backend", "auto"))):
        assert predict.main([str(folder), *arguments]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert f"holds answers with {what} " in error and "name another --out, or delete that folder" in error
    assert {name: at for name, at in before.items() if "failed" not in name} == part_times(out)


def test_nothing_is_uploaded_to_workers(ray_here):
    assert os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] == "0"
    assert not {"working_dir", "py_modules"} & set(ray_here.get_runtime_context().runtime_env)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_killed_run_goes_on_where_it_was(ray_here, weights, clips, tmp_path, capsys):
    folder, out = tmp_path / "videos", tmp_path / "out.parquet"
    folder.mkdir()
    for number in range(8):
        shutil.copy(clips / MUTE, folder / f"{number}.mkv")
    arguments = [str(folder), *options(out, weights, "--hop", "0.05", "--workers", "1")]
    address = ray_here.get_runtime_context().gcs_address
    command = [sys.executable, "-m", "mmadfer.predict", *arguments, "--address", address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while not part_times(out):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no clip was scored in time"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = part_times(out)
    assert 1 <= len(before) < 8 and not out.exists(), "it was killed in the middle"
    (out.with_name("out.parquet.parts") / "half.parquet.part").write_bytes(b"what a killed process left")
    assert predict.main(arguments) == 0
    assert f"{8 - len(before)} clips scored and 0 failed" in capsys.readouterr().err
    after = part_times(out)
    assert {name: after[name] for name in before} == before and len(after) == 8, "finished work is kept"
    assert not list(out.with_name("out.parquet.parts").glob("*.part"))
    rows = by_file(out)
    assert list(rows) == [str(folder / f"{number}.mkv") for number in range(8)]
    assert len({len(found) for found in rows.values()}) == 1


def test_a_clip_that_ends_its_worker_is_given_up(weights, clips, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    worker = ScoreWorker(Job(str(weights), "pytorch", "cpu", "fp32", 1.0, run="r"))
    clip = {"key": "k", "name": "a.mkv", "path": str(clips / MUTE)}

    def die(*_, **__):
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker._recognizer, "predict_file", die)
        for _ in range(2):  # the process ends; the pool starts another and gives it the same clip
            with pytest.raises(SystemExit):
                worker(clip)
    answer = worker(clip)
    assert answer["failed"]
    assert b"its worker died 2 times" in answer["part"]
    assert not worker(clip)["failed"] and not list(tmp_path.iterdir()), "the next run starts anew"


def test_a_worker_that_cannot_start_says_why(tmp_path):
    worker = ScoreWorker(Job(str(tmp_path / "nothing.pth"), "pytorch", "cpu", "fp32", 1.0))
    assert "nothing.pth" in worker({"key": "k", "name": "a", "path": "a"})["useless"]


@pytest.mark.parametrize(
    ("errors", "outcome"),
    [
        ([Exception("The current node timed out"), Exception("again"), None], None),
        ([Exception("The current node timed out")] * 3, "Ray did not start in time, 3 times: this machine is too busy"),
        ([ValueError("no such setting")], "no such setting"),
    ],
)
def test_a_busy_machine_gets_another_try(errors, outcome):
    tries = iter(errors)

    class Ray:
        is_initialized = staticmethod(lambda: False)
        shutdown = staticmethod(lambda: None)

        @staticmethod
        def init(*_, **__):
            if error := next(tries):
                raise error

    with contextlib.ExitStack() as stack:
        if outcome:
            stack.enter_context(pytest.raises((OSError, ValueError), match=outcome))
        stack.enter_context(ray_pool.cluster(Ray, None))
    assert not list(tries)


@pytest.mark.parametrize(
    ("machines", "workers", "device", "pool"),
    [
        ([(8, 0)], None, "auto", (2, 4, 0)),
        ([(2, 0)], None, "auto", (1, 2, 0)),
        ([(2, 0)], 2, "cpu", (2, 1, 0)),
        ([(3, 0), (3, 0)], 3, "auto", (3, 1, 0)),  # 2 each would leave room for two
        ([(16, 4)], None, "auto", (4, 4, 1)),
        ([(16, 2), (64, 0)], 4, "cuda", (4, 4, 0.5)),
        ([(16, 4)], 2, "cpu", (2, 8, 0)),
    ],
)
def test_workers_share_the_machines(machines, workers, device, pool):
    nodes = [{"Alive": True, "Resources": {"CPU": float(cpu), "GPU": float(gpu)}} for cpu, gpu in machines]
    nodes.append({"Alive": False, "Resources": {"CPU": 99.0}})
    assert ray_pool.share(nodes, workers, device) == ray_pool.Pool(*pool)


@pytest.mark.parametrize(("workers", "device", "message"), [(3, "auto", "3 workers .* 2 CPU"), (1, "cuda", "no GPU")])
def test_what_is_not_there_cannot_be_shared(workers, device, message):
    with pytest.raises(ValueError, match=message):
        ray_pool.share([{"Alive": True, "Resources": {"CPU": 2.0}}], workers, device)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{clip}", "--out", "o.csv"], "must be called something.parquet, got o.csv"),
        (["nowhere", "--out", "o.parquet"], "there is no file or folder nowhere"),
        (["{empty}", "--out", "o.parquet"], "there is no video or sound file in"),
        (["{clip}", "--out", "o.parquet", "--csv", "o.csv"], "either --csv or --out"),
        (["{clip}", "--workers", "2"], "belong to --out"),
        (["{empty}"], "is a folder; score its clips with --out"),
        (["{clip}", "--out", "o.parquet", "--workers", "0"], "1 worker or more, got 0"),
        (["{clip}", "--out", "o.parquet", "--hop", "-1"], "hop must be above 0 seconds, got -1"),
        (["{clip}", "--out", "o.parquet", "--device", "cuda:1"], "choose auto, cpu or cuda"),
        (["{clip}", "--out", "o.parquet", "--weights", "no.pth"], "there is no file no.pth"),
        (["{clip}", "--out", ""], "must be called something.parquet, got an empty name"),
        (["{clip}", "--out", "{folder}", "--weights", "{weights}"], "folder.parquet is a folder; name a file to write"),
        (["{clip}", "--out", "{link}", "--weights", "{weights}"], "is there already and was not made here"),
        (["{own}", "--out", "{own}", "--weights", "{weights}"], "there is no video or sound file in"),
        (["{clip}", "--out", "/proc/o.parquet", "--weights", "{weights}"], "/proc/o.parquet.parts cannot be written"),
        (["{clip}", "--out", "{empty}/no/o.parquet", "--weights", "{weights}"], "there is no folder"),
        (["{clip}", "--out", "{own}", "--weights", "{weights}"], "is there already and was not made here"),
    ],
)
def test_mistakes_are_one_sentence(arguments, message, weights, clips, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "own.parquet").write_bytes(b"precious")
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "link.parquet").symlink_to("own.parquet")
    names = {name: tmp_path / f"{name}.parquet" for name in ("own", "folder", "link")}
    names |= {"clip": clips / MUTE, "weights": weights, "empty": tmp_path / "empty"}
    before = sorted(os.listdir(tmp_path))
    assert predict.main([a.format(**names) for a in arguments]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert sorted(os.listdir(tmp_path)) == before, "nothing was written"
    assert (tmp_path / "own.parquet").read_bytes() == b"precious"


def test_one_run_at_a_time(weights, tmp_path):
    settings = {"hop": 1.0}
    with run.ScoredParts(tmp_path / "o.parquet", settings):
        with pytest.raises(ValueError, match="another run is at work on"):
            run.ScoredParts(tmp_path / "o.parquet", settings).__enter__()
