"""The benchmark of training: it measures what it says, and says where there is no GPU."""

import json

import pytest
import torch

from benchmarks import training
from benchmarks.support import training_step
from mmadfer.config import InputSpec, ModelConfig

TINY = ModelConfig(width=32, depth=2, heads=2, bottleneck=8, prompt_updates=(0,), temporal_width=32, temporal_mlp=32)


def test_the_data_path_is_measured_and_makes_the_same_outputs(tmp_path, capsys):
    figures = tmp_path / "figures.json"
    sizes = ["--sizes", "64", "224", "--clips", "8", "--rounds", "1", "--workers", "0"]
    threads = torch.get_num_threads()
    assert training.main(["data", *sizes, "--json", str(figures)]) == 0
    assert torch.get_num_threads() == threads, "what runs next in this process is slower"
    rows = json.loads(figures.read_text())["data"]["rows"]
    assert [row["size"] for row in rows] == [64, 224]
    for row in rows:
        assert row["frames_error"] <= 1.001, f"frames differ by {row['frames_error']}/255"
        assert row["sound_error"] < 0.002, f"log-mels differ by {row['sound_error']}"
        assert row["ratio"] == pytest.approx(row["ours"] / row["official"])
        assert row["loaded"] > 0
    assert capsys.readouterr().out.count("\n| 64 | ") == 1


def test_without_a_gpu_the_command_is_named(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert training.main(["gpu", "--batches", "16", "--compile"]) == 0
    said = capsys.readouterr().out
    assert "no GPU here" in said
    assert "python -m benchmarks.training gpu --batches 16 --steps 20 --compile" in said


@pytest.mark.parametrize("size, gflop", [(112, 411), (160, 701), (224, 1247)])
def test_the_operations_of_a_step_are_those_counted_before(size, gflop):
    """The known figures leave out the products within attention: 2 forward and 4 backward in each of 12 blocks."""
    video, sound = (size // 16) ** 2 + 7, 256 + 7
    attention = 12 * 6 * 2 * 768 * (16 * video**2 + sound**2) / 1e9
    counted = training_step.flops_per_clip(InputSpec(image_size=size)) / 1e9
    assert counted == pytest.approx(gflop + attention, rel=0.003), f"{counted:.1f} GFLOP"


def test_a_step_is_timed(monkeypatch):
    monkeypatch.setattr(training_step, "matmul_rate", lambda _: 2e12)
    row = training_step.measure(InputSpec(image_size=32), 2, torch.device("cpu"), 1, False, TINY)
    assert row.clips_per_s > 0 and row.epoch_s == pytest.approx(9352 / row.clips_per_s)
    assert row.share == pytest.approx(row.tflops / 2.0) and row.tflops > 0
    assert "MISSED" not in training_step.table([row])


def test_matrix_products_are_timed():
    assert 1e6 < training_step.matmul_rate(torch.device("cpu"), side=64, runs=2) < 1e15


@pytest.mark.gpu
def test_a_gpu_tells_its_memory():
    row = training_step.measure(InputSpec(image_size=112), 4, torch.device("cuda"), 2, False)
    assert row.clip_mb is not None and row.peak_mb is not None
    assert 50 < row.clip_mb < row.peak_mb


@pytest.mark.parametrize(
    "arguments, message",
    [(["speed"], "no section 'speed'"), (["data", "--rounds", "0"], "--rounds must be 1 or more, got 0")],
)
def test_wrong_arguments_are_refused(arguments, message, capsys):
    assert training.main(arguments) == 2
    assert message in capsys.readouterr().err
