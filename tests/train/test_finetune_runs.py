"""Whole runs of the command: it learns, goes on where it was killed, and runs on several devices as on one."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time

import numpy as np
import psutil
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmadfer import EmotionRecognizer, load_model
from mmadfer.data.dataset import ClipDataset
from mmadfer.data.prepared import PreparedSet
from mmadfer.data.sampling import Sampling
from mmadfer.postprocess import softmax
from mmadfer.weights.official import PRETRAINED_GRIDS
from tests.support.finetune import MILD, SCRATCH, TINY_MODEL, arguments, command, finetune, run_process
from tests.support.made_datasets import prepared_set
from tests.support.places import ROOT
from train.calibrate import calibrated
from train.input import augment
from train.input.splits import class_counts, fold_parts

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
    counts = {part: set(classes.values()) for part, classes in record["data"]["clips"].items()}
    assert counts == {"train": {24}, "held_out": {0}, "test": {8}}
    assert record["packages"]["torch"] == torch.__version__.split("+")[0]
    assert record["parameters"]["trained"] <= record["parameters"]["all"]
    curves = EventAccumulator(str(folder / "tensorboard")).Reload()
    for name in ("train/loss", "test/war", "test/uar"):
        assert len(curves.Scalars(name)) == 8
    assert curves.Scalars("test/war")[-1].value == pytest.approx(float(table[-1]["test/war"]))


def test_the_weights_score_as_the_last_epoch_did_and_run_in_the_live_recogniser(learned, learnable):
    folder, _ = learned
    model = weights(folder)[1]
    prepared = PreparedSet(learnable)
    logits, labels = scored(model, prepared, prepared.indices("1", "test"))
    assert np.mean(logits.argmax(1) == labels) == float(rows(folder)[-1]["test/war"])
    assert model.info.trained
    assert model.info.name == "made fold 1 (paper)"
    assert (model.spec.image_size, model.spec.sample_rate, model.spec.labels) == (32, 16_000, prepared.labels)
    recognizer = EmotionRecognizer.from_pretrained(folder / "weights.safetensors", backend="pytorch", device="cpu")
    recognizer.warmup()
    recognizer.close()


def scored(model, prepared, clips):
    """Return logits and labels of ``clips``, made without the training engine."""
    dataset = ClipDataset(prepared, clips, model.spec, Sampling(train=False))
    with torch.inference_mode():
        logits = [model(augment.apply(item.frames[None], None, 32), item.spectrogram[None]) for item in dataset]
    return torch.cat(logits).numpy(), np.array([item.label for item in dataset])


def test_the_calibration_is_fitted_on_what_is_held_out(learnable, tmp_path):
    settings = ("epochs=3", "lr=0.003", "batch_size=12", "calibration=0.3", "logit_adjustment=0.5", *MILD)
    assert finetune(learnable, tmp_path, *settings) == 0
    folder = tmp_path / "fold-1"
    model = weights(folder)[1]
    prepared = PreparedSet(learnable)
    parts = fold_parts(prepared, "1", 0.3, seed=1)
    held_out = scored(model, prepared, list(parts.held_out))
    counts = list(class_counts(prepared, parts.train).values())
    expected = calibrated(model.info, *held_out, counts, 0.5)
    assert expected.temperature != 1, "these clips do not settle it"
    assert model.info.temperature == pytest.approx(expected.temperature, rel=1e-3)
    assert model.info.logit_bias == pytest.approx(expected.logit_bias, rel=1e-3)
    assert len(set(counts)) > 1, "without a difference in frequency there is nothing to adjust"
    stored = json.loads((folder / "run.json").read_text())["stored"]
    assert stored["temperature"] == model.info.temperature
    after = softmax(scored(model, prepared, list(parts.test))[0], model.info.temperature, model.info.logit_bias)
    assert stored["test/war"] == np.mean(after.argmax(1) == scored(model, prepared, list(parts.test))[1])


SWITCHES = ("epochs=3", "lr=0.003", "batch_size=6", "modality_dropout=0.3", "ema=0.8", "precision=bf16")


def test_a_run_that_was_killed_ends_bit_equal_to_an_uninterrupted_one(small, tmp_path):
    settings = (*SWITCHES, "frame_order=natural", "span_matched=true", "tail_frames=true", "calibration=0.2")
    assert finetune(small, tmp_path / "whole", *settings) == 0

    killed = tmp_path / "killed"
    same = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}  # sums of other parts differ in the last bit
    with subprocess.Popen(
        command(*arguments(small, killed, *settings)), cwd=ROOT, env=same, stderr=subprocess.DEVNULL
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


def test_a_batch_in_parts_ends_as_one(small, tmp_path):
    settings = ("epochs=2", "lr=0.003", "batch_size=6")
    start = ("--folds", "1", "--scratch", "--size", "32", "--model", *TINY_MODEL, "drop_path=0")
    assert finetune(small, tmp_path / "one", *settings, start=start) == 0
    assert finetune(small, tmp_path / "parts", *settings, "accumulate=3", start=start) == 0
    (one, _), (parts, _) = (weights(tmp_path / run / "fold-1") for run in ("one", "parts"))
    difference = max((one[name] - parts[name]).abs().max().item() for name in one if not name.endswith("qkv.bias"))
    assert difference < 1e-4, f"it differs by {difference:.1e}"


def pretrained_encoder(path, kind, width, depth):
    """Write a file of the layout of MAE-Face or AudioMAE, of another size."""
    rows, columns = PRETRAINED_GRIDS[kind]
    channels = {"face": 3, "audio": 1}[kind]
    shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + rows * columns, width),
        "patch_embed.proj.weight": (width, channels, 16, 16),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    for i in range(depth):
        for part, out, ins in (
            ("attn.qkv", 3 * width, width),
            ("attn.proj", width, width),
            ("mlp.fc1", 4 * width, width),
            ("mlp.fc2", width, 4 * width),
        ):
            shapes |= {f"blocks.{i}.{part}.weight": (out, ins), f"blocks.{i}.{part}.bias": (out,)}
        for part in ("norm1", "norm2"):
            shapes |= {f"blocks.{i}.{part}.weight": (width,), f"blocks.{i}.{part}.bias": (width,)}
    generator = torch.Generator().manual_seed(0)
    state = {name: 0.1 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    torch.save({"model": state}, path)
    return state


def test_from_pretrained_encoders_all_but_those_is_trained(small, tmp_path):
    states = {kind: pretrained_encoder(tmp_path / f"{kind}.pth", kind, 32, 2) for kind in ("face", "audio")}
    files = ("--face", str(tmp_path / "face.pth"), "--audio", str(tmp_path / "audio.pth"))
    start = ("--folds", "1", *files, "--size", "32", "--model", *TINY_MODEL)
    settings = ("epochs=3", "lr=0.01", "batch_size=6", "calibration=0.3", "logit_adjustment=0.5", "ema=0.5")
    assert finetune(small, tmp_path, *settings, start=start) == 0
    trained = weights(tmp_path / "fold-1")[0]
    for kind, state in states.items():
        for name, value in state.items():
            if name != "pos_embed":
                assert torch.equal(trained[f"{kind}.{name}"], value), f"{kind}.{name} is frozen"
    saved = torch.load(tmp_path / "fold-1" / "last.ckpt", weights_only=True)
    held = {name.removeprefix("model.") for name in saved["state_dict"]}
    assert held == {name for name, value in trained.items() if value.requires_grad and "unused" not in name}
    for name in held:
        assert torch.equal(saved["state_dict"][f"model.{name}"], trained[name]), "what is saved is the average"
    assert any(
        not torch.equal(saved["current_model_state"][name], value) for name, value in saved["state_dict"].items()
    )


def test_a_process_that_is_lost_ends_the_run_in_one_sentence(small, tmp_path):
    args = [*arguments(small, tmp_path, "epochs=200", "batch_size=6"), "--devices", "2"]
    with subprocess.Popen(command(*args), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 120
        while not (tmp_path / "fold-1" / "last.ckpt").exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        (other,) = psutil.Process(process.pid).children()
        other.kill()
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    sentences = [line for line in errors.splitlines() if line.startswith("python -m")]
    assert len(sentences) == 1, errors
    assert "another process of this run has ended" in sentences[0]
    assert f"finished epochs are kept in {tmp_path}" in sentences[0]
    assert torch.load(tmp_path / "fold-1" / "last.ckpt", weights_only=True)["epoch"] >= 0
