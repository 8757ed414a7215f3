"""What goes wrong in a training run: one sentence and exit code 2, and what is finished stays."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmadfer import load_model, save_model
from mmadfer.config import InputSpec, ModelConfig
from mmadfer.data.dataset import ClipDataset
from mmadfer.models.mma_dfer import untrained_model
from tests.support.finetune import SCRATCH, TINY_MODEL, finetune
from tests.support.made_datasets import prepared_set
from train.loop import callbacks
from train.loop.trainer import make_trainer
from train.recipe import Recipe

SETTINGS = ("epochs=3", "lr=0.003", "batch_size=6")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return prepared_set(tmp_path_factory.mktemp("small"), clips_per_class=6, size=32).folder


@pytest.fixture
def sentence(capsys):
    """Return the one line that a command ended with."""

    def read() -> str:
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m")]
        assert len(lines) == 1, lines
        return lines[0]

    return read


def epochs_kept(out: Path) -> int:
    return torch.load(out / "fold-1" / callbacks.CHECKPOINT, weights_only=True)["epoch"] + 1


def from_epoch(epoch: int, do):
    """Return a `ClipDataset._load` that calls ``do`` with the log-mel from training epoch ``epoch`` (from 0) on."""
    load = ClipDataset._load

    def loading(self, index, frames):
        spectrogram = load(self, index, frames)
        return do(spectrogram) if self.sampling.train and int(self._epoch) >= epoch else spectrogram

    return loading


def test_a_loss_that_is_not_finite_stops_at_its_batch_and_keeps_the_epochs_before(
    small, tmp_path, monkeypatch, sentence
):
    calls = itertools.count()

    def spoil(spectrogram):
        return spectrogram * np.nan if next(calls) >= 6 else spectrogram

    monkeypatch.setattr(ClipDataset, "_load", from_epoch(1, spoil))
    assert finetune(small, tmp_path, *SETTINGS) == 2
    message = sentence()
    assert "the loss is not a finite number in epoch 2, batch 2 of 2" in message
    assert f"finished epochs are kept in {tmp_path / 'fold-1'}, and --resume goes on from them" in message
    assert epochs_kept(tmp_path) == 1
    monkeypatch.undo()
    assert finetune(small, tmp_path, *SETTINGS, start=(*SCRATCH, "--resume")) == 0
    assert load_model(tmp_path / "fold-1" / "weights.safetensors").info.trained


def test_weights_that_are_not_finite_are_not_kept(small, tmp_path, monkeypatch, sentence):
    from train.loop.module import FineTuning

    def spoil(self):
        if self.current_epoch == 1 and self.trainer.is_last_batch:
            self.model.classifier.weight.grad.fill_(float("inf"))

    monkeypatch.setattr(FineTuning, "on_after_backward", spoil)
    assert finetune(small, tmp_path, *SETTINGS) == 2
    assert "weights are not finite after epoch 2, batch 2" in sentence()
    assert epochs_kept(tmp_path) == 1


def test_a_full_disk_leaves_the_epoch_before_whole(small, tmp_path, monkeypatch, sentence):
    write = callbacks.LastCheckpoint.on_train_epoch_end

    def full_from_the_second_epoch(self, trainer, pl_module):
        part = self._path.with_name(f"{self._path.name}.part")
        if trainer.current_epoch == 1:
            part.symlink_to("/dev/full")
        write(self, trainer, pl_module)

    monkeypatch.setattr(callbacks.LastCheckpoint, "on_train_epoch_end", full_from_the_second_epoch)
    assert finetune(small, tmp_path, *SETTINGS) == 2
    assert "No space left on device; finished epochs are kept in" in sentence()
    assert epochs_kept(tmp_path) == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_clip_is_named_without_a_traceback(workers, small, tmp_path, monkeypatch, sentence):
    def broken(item):
        raise ValueError("frame 3 of clip x is no JPEG")

    monkeypatch.setattr(ClipDataset, "_load", from_epoch(0, broken))
    assert finetune(small, tmp_path, *SETTINGS, workers=workers) == 2
    assert sentence().startswith("python -m train.finetune: frame 3 of clip x is no JPEG; finished epochs are kept")


def test_a_run_is_not_written_over(small, tmp_path, sentence):
    assert finetune(small, tmp_path, *SETTINGS[1:], "epochs=1") == 0
    assert finetune(small, tmp_path, *SETTINGS[1:], "epochs=1") == 2
    assert f"{tmp_path / 'fold-1'} holds a run already; add --resume to go on with it" in sentence()
    assert finetune(small, tmp_path, *SETTINGS[1:], "epochs=2", start=(*SCRATCH, "--resume")) == 2
    assert "belongs to another run (recipe epochs was 1, is 2)" in sentence()
    (tmp_path / "fold-1" / "last.ckpt").write_bytes(b"nonsense")
    assert finetune(small, tmp_path, *SETTINGS[1:], "epochs=1", start=(*SCRATCH, "--resume")) == 2
    assert "last.ckpt is damaged or no checkpoint of this program; delete it to start anew" in sentence()


def test_a_run_killed_just_before_its_weights_were_written_gets_them(small, tmp_path):
    settings = (*SETTINGS[1:], "epochs=2", "ema=0.5", "calibration=0.2")
    assert finetune(small, tmp_path, *settings) == 0
    folder = tmp_path / "fold-1"
    expected = load_model(folder / "weights.safetensors")
    (folder / "weights.safetensors").unlink()
    record = (folder / "run.json").read_text()
    (folder / "run.json").write_text(record.replace('"finished": "2', '"finished": "", "then": "2'))
    assert finetune(small, tmp_path, *settings, start=(*SCRATCH, "--resume")) == 0
    again = load_model(folder / "weights.safetensors")
    assert again.info == expected.info
    for name, value in expected.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_weights_of_other_classes_need_a_new_classifier(small, tmp_path, sentence):
    config = ModelConfig(
        width=32, depth=2, heads=2, bottleneck=8, prompt_updates=(0,), temporal_width=32, temporal_heads=2
    )
    theirs = untrained_model(InputSpec(image_size=32, labels=("calm", "angry")), config)
    theirs.info = replace(theirs.info, trained=True)
    path = save_model(theirs, tmp_path / "theirs.safetensors")
    start = ("--init", str(path))
    assert finetune(small, tmp_path / "a", *SETTINGS, start=start) == 2
    assert (
        "theirs.safetensors has 2 classes (calm, angry), but made has 3 (happiness, sadness, neutral); add "
        "--new-classifier to train a new last layer for them" in sentence()
    )
    assert finetune(small, tmp_path / "a", "epochs=1", "batch_size=6", start=(*start, "--new-classifier")) == 0
    model = load_model(tmp_path / "a" / "fold-1" / "weights.safetensors")
    assert model.spec.labels == ("happiness", "sadness", "neutral")
    assert torch.equal(model.face.blocks[0].attn.qkv.weight, theirs.face.blocks[0].attn.qkv.weight)
    other = save_model(untrained_model(theirs.spec, config, seed=1), tmp_path / "other.safetensors")
    again = ("--init", str(other), "--new-classifier", "--resume")
    assert finetune(small, tmp_path / "a", "epochs=1", "batch_size=6", start=again) == 2
    assert "belongs to another run (frozen weights was " in sentence()


def test_a_run_with_other_classes_is_not_gone_on_with(small, tmp_path, sentence):
    assert finetune(small, tmp_path, "epochs=1", "batch_size=6") == 0
    other = prepared_set(tmp_path / "other", clips_per_class=6, labels=("anger", "fear"), size=32).folder
    assert finetune(other, tmp_path, "epochs=1", "batch_size=6", start=(*SCRATCH, "--resume")) == 2
    assert "input labels was ['happiness', 'sadness', 'neutral'], is ['anger', 'fear']" in sentence()


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ((), "say what to start from: either --face and --audio"),
        (("--scratch", "--init", "w"), "say what to start from"),
        (("--face", "f"), "--face and --audio belong together"),
        (("--init", "nowhere.safetensors"), "there is no weights file nowhere.safetensors"),
        (("--init", "w", "--model", "depth=2"), "--model cannot change the shape of the weights given by --init"),
        (("--scratch", "--new-classifier"), "--new-classifier replaces the classifier of --init"),
        (("--scratch", "--model", "deep=2"), "--model: there is no setting 'deep'; there are width, depth"),
        (("--scratch", "--model", "width=wide"), "--model: width must be a whole number, got 'wide'"),
        (("--scratch", "--model", "width=33"), "width must be a multiple of heads, got 33 and 12"),
        (("--scratch", "--size", "33", "--model", *TINY_MODEL), "input sides must be multiples of the 16 px patch"),
        (("--scratch", "--input", "labels=a,b"), "--input cannot change labels; it takes color, "),
        (("--scratch", "--recipe", "papers"), "there is no recipe papers; there are paper, v2, or a file"),
        (("--scratch", "--set", "epoch=3"), "--set: there is no setting 'epoch'"),
        (("--scratch", "--folds", "3"), "made has no fold 3; it has 1, or all"),
        (("--scratch", "--devices", "0"), "--devices must be 1 or more, got 0"),
    ],
)
def test_wrong_arguments(small, tmp_path, start, message, sentence):
    assert finetune(small, tmp_path / "out", start=start) == 2
    assert message in sentence()
    assert not (tmp_path / "out").exists()


def test_a_device_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match="--accelerator gpu --devices 1 is not to be had here"):
        make_trainer(Recipe(), tmp_path, [], "gpu", 1, 1)


def test_no_prepared_set(tmp_path, sentence):
    assert finetune(tmp_path, tmp_path / "out") == 2
    assert "is no prepared set" in sentence()
