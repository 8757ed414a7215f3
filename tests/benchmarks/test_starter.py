"""The starter weights' own benchmarks, over made data and tiny weights: all conditions, all engines, right sums."""

import itertools
import json

import numpy as np
import pytest

from benchmarks import starter, starter_engines
from mmadfer.config import DFEW_LABELS
from mmadfer.data.adapters.starter import read_faces, read_voices
from tests.support.tiny_starter import SPEC, TINY
from train.starter.__main__ import WEIGHTS
from train.starter.__main__ import main as train


@pytest.fixture(scope="module")
def trained(starter_data, tmp_path_factory):
    """Return the file of tiny weights trained on ``starter_data``."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.toml").write_text(TINY.replace("num_frames = 3", "num_frames = 4"))
    arguments = [str(starter_data), "--out", str(folder), "--recipe", str(folder / "tiny.toml"), "--accelerator", "cpu"]
    assert train(arguments) == 0
    return folder / WEIGHTS


def test_every_condition_is_scored_and_drawn(starter_data, trained, tmp_path, capsys):
    out, figures = tmp_path / "out.json", tmp_path / "figures"
    arguments = [str(starter_data), "--weights", str(trained), "--figures", str(figures), "--json", str(out)]
    assert starter.main(arguments) == 0
    written = json.loads(out.read_text())
    counts = {row["condition"]: row["clips"] for row in written["rows"]}
    assert counts == {
        "faces": 14,
        "voices": 8,
        "both": 14,
        "faces, live": 14,
        "voices, live": 8,
        "both, live": 14,
        "faces, silence": 14,
        "faces, quiet room": 14,
        "voices, female": 8,
    }
    for row in written["rows"]:
        recalls = [value for value in row["recalls"] if value == value]
        assert row["uar"] == pytest.approx(np.mean(recalls)), "calm counts as neutral: seven classes"
    assert [row["clips"] for row in written["calm"]] == [2, 2, 2, 7, 7, 7]
    assert [row["clips"] for row in written["disagreements"]] == [2, 2, 2, 2]
    assert {f.name for f in figures.iterdir()} == {
        f"starter-{kind}-{condition}.png"
        for kind in ("confusion", "reliability")
        for condition in ("faces", "voices", "both")
    }
    assert "| faces | 14 |" in capsys.readouterr().out


def test_every_engine_and_the_step_are_compared_on_the_same_clips(starter_data, trained, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert starter_engines.main([str(starter_data), "--weights", str(trained), "--clips", "8", "--json", str(out)]) == 0
    rows = {row["name"]: row for row in json.loads(out.read_text())["rows"]}
    engines = ("PyTorch fp32", "OpenVINO fp32", "OpenVINO bf16", "OpenVINO int8")
    wanted = {engine + way for engine in engines for way in (", exact", ", by the step")}
    assert set(rows) == wanted | {"FP16 (PyTorch on the CPU), exact"}
    reference = rows["PyTorch fp32, exact"]
    assert (reference["agreement"], reference["mean_difference"], reference["war_lost"]) == (1, 0, 0)
    assert rows["PyTorch fp32, by the step"]["mean_difference"] > 0, "kept frames saw other sound"
    assert rows["OpenVINO fp32, exact"]["mean_difference"] < 1e-4
    for row in rows.values():
        assert row["clips"] == 8
        assert row["war"] + row["war_lost"] == pytest.approx(reference["war"])
    assert "| PyTorch fp32, exact | 8 |" in capsys.readouterr().out


def test_a_stream_ends_with_its_voice_and_its_windows_follow_each_other(starter_data):
    faces, voices = read_faces(starter_data, "test"), read_voices(starter_data, "test")
    windows, label = next(starter_engines.streams(SPEC, faces, voices))
    assert DFEW_LABELS[label] == DFEW_LABELS[faces.labels[0]]
    assert len(windows) == SPEC.num_frames + 1
    assert not windows[0].waveform.any(), "silence comes first"
    assert np.abs(windows[-1].waveform[:, -2000:]).max() > 0.05
    for before, after in itertools.pairwise(windows):
        assert after.frame_times[:-1] == pytest.approx(before.frame_times[1:])
        assert all(np.array_equal(a, b) for a, b in zip(after.crops, before.crops[1:], strict=False))
    assert windows[-1].end == pytest.approx(2 * SPEC.window_seconds)
