"""Whole runs of the command: it learns, goes on where it was killed, and runs on several devices as on one."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from finetune_support import MILD, ROOT, SCRATCH, TINY_MODEL, arguments, command, finetune, run_process
from made_datasets import prepared_set

from mmadfer import EmotionRecognizer, load_model

LEARNING = ("epochs=8", "lr=0.003", "batch_size=12", "warmup=1", *MILD)


@pytest.fixture(scope="module")
def learnable(tmp_path_factory):
    """Three classes that picture and sound tell apart; one fold of 48 training and 24 test clips."""
    return prepared_set(tmp_path_factory.mktemp("learnable"), clips_per_class=32, size=40).folder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """As few clips as make a run; two folds."""
    return prepared_set(tmp_path_factory.mktemp("small"), clips_per_class=6, size=32, folds=("1", "2")).folder


@pytest.fixture(scope="module")
def learned(learnable, tmp_path_factory):
    out = tmp_path_factory.mktemp("learned")
    start = time.perf_counter()
    assert finetune(learnable, out, *LEARNING) == 0
    return out / "fold-1", time.perf_counter() - start


def rows(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def weights(folder):
    model = load_model(folder / "weights.safetensors")
    return dict(model.named_parameters()), model


def test_a_tiny_model_learns_a_separable_task(learned):
    folder, seconds = learned
    last = rows(folder)[-1]
    assert float(last["test/war"]) > 0.95, f"after {seconds:.0f} s: {rows(folder)}"
    assert float(last["test/uar"]) > 0.95
    assert seconds < 180


def test_the_last_epoch_is_reported_with_what_it_was_made_by(learned):
    folder, _ = learned
    record = json.loads((folder / "run.json").read_text())
    table = rows(folder)
    assert [row["epoch"] for row in table] == [str(k) for k in range(1, 9)]
    assert record["result"] == {name: float(value) for name, value in table[-1].items()}
    assert record["finished"] >= record["started"]
    assert record["recipe"]["lr"] == 0.003
    assert record["seed"] == 1
    assert record["data"]["clips"]["train"] == {"happiness": 24, "sadness": 24, "neutral": 24}
    assert record["packages"]["torch"] == torch.__version__.split("+")[0]
    assert record["parameters"]["trained"] <= record["parameters"]["all"]
    assert any(name.startswith("events") for name in os.listdir(folder / "tensorboard"))


def test_the_weights_score_as_the_last_epoch_did_and_run_in_the_live_recogniser(learned, learnable):
    from mmadfer.data.dataset import ClipDataset
    from mmadfer.data.prepared import PreparedSet
    from mmadfer.data.sampling import Sampling
    from train import augment

    folder, _ = learned
    _, model = weights(folder)
    prepared = PreparedSet(learnable)
    dataset = ClipDataset(prepared, prepared.indices("1", "test"), model.spec, Sampling(train=False))
    with torch.inference_mode():
        right = [
            model(augment.apply(item.frames[None], None, 32), item.spectrogram[None]).argmax().item() == item.label
            for item in dataset
        ]
    assert np.mean(right) == float(rows(folder)[-1]["test/war"])
    assert model.info.trained
    assert model.info.name == "made fold 1 (paper)"
    assert (model.spec.image_size, model.spec.sample_rate, model.spec.labels) == (32, 16_000, prepared.labels)
    recognizer = EmotionRecognizer.from_pretrained(folder / "weights.safetensors", backend="pytorch", device="cpu")
    recognizer.warmup()
    recognizer.close()


SWITCHES = ("epochs=3", "lr=0.003", "batch_size=6", "modality_dropout=0.3", "ema=0.8", "precision=bf16")


def test_a_run_that_was_killed_ends_bit_equal_to_an_uninterrupted_one(small, tmp_path):
    settings = (*SWITCHES, "frame_order=natural", "span_matched=true", "tail_frames=true", "calibration=0.2")
    assert finetune(small, tmp_path / "whole", *settings) == 0

    killed = tmp_path / "killed"
    with subprocess.Popen(
        command(*arguments(small, killed, *settings)), cwd=ROOT, stderr=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + 120
        while not (killed / "fold-2" / "last.ckpt").exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    assert not (killed / "fold-2" / "weights.safetensors").exists(), "it ended before it could be killed"
    first = (killed / "fold-1" / "weights.safetensors").stat().st_mtime_ns
    assert finetune(small, killed, *settings, start=(*SCRATCH, "--resume")) == 0

    assert (killed / "fold-1" / "weights.safetensors").stat().st_mtime_ns == first, "a finished fold was trained again"
    for fold in ("fold-1", "fold-2"):
        (ours, whole), (theirs, again) = (weights(tmp_path / run / fold) for run in ("whole", "killed"))
        differences = {name: (ours[name] - theirs[name]).abs().max().item() for name in ours}
        assert max(differences.values()) == 0, f"{fold} differs by {max(differences.values()):.1e}"
        assert (whole.spec, whole.info) == (again.spec, again.info)
        tables = [rows(tmp_path / run / fold) for run in ("whole", "killed")]
        for table in tables:
            for row in table:
                del row["seconds"]
        assert tables[0] == tables[1]
        states = [
            torch.load(tmp_path / run / fold / "last.ckpt", weights_only=True)["optimizer_states"][0]["state"]
            for run in ("whole", "killed")
        ]
        torch.testing.assert_close(*states, rtol=0, atol=0)


def test_two_processes_end_as_one(small, tmp_path):
    settings = ("epochs=2", "lr=0.003", "batch_size=6", "modality_dropout=0.3", "ema=0.8")
    start = ("--scratch", "--size", "32", "--model", *TINY_MODEL, "drop_path=0")  # drawn in each process
    assert finetune(small, tmp_path / "one", *settings, start=start) == 0
    args = [*arguments(small, tmp_path / "two", *settings, start=start), "--devices", "2"]
    done = run_process(*args)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("fold 1: WAR") == 1, done.stdout
    for fold in ("fold-1", "fold-2"):
        (one, _), (two, _) = (weights(tmp_path / run / fold) for run in ("one", "two"))
        # The bias of the attention's keys has no gradient but rounding, which AdamW makes as large as any other.
        names = [name for name in one if not name.endswith("qkv.bias")]
        difference, name = max(((one[name] - two[name]).abs().max().item(), name) for name in names)
        assert difference < 1e-4, f"{fold} differs by {difference:.1e} in {name}"
        for first, second in zip(*(rows(tmp_path / run / fold) for run in ("one", "two")), strict=True):
            assert first["test/war"] == second["test/war"]
            for name in ("train/loss", "test/loss"):
                assert abs(float(first[name]) - float(second[name])) < 1e-4, f"{name}: {first[name]} and {second[name]}"
    record = json.loads((tmp_path / "two" / "fold-2" / "run.json").read_text())
    assert record["devices"] == 2
