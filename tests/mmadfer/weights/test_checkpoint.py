"""Weights on disk: official files, pre-trained encoders, our own; and every way in which one can be wrong."""

import argparse
import dataclasses
import json
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file

import mmadfer
from mmadfer import convert
from mmadfer.config import MAFW_LABELS, InputSpec, ModelConfig
from mmadfer.files import checksums
from mmadfer.models.mma_dfer import untrained_model
from mmadfer.types import WeightsInfo
from mmadfer.weights import checkpoint, header, official
from tests.support.golden import inputs, largest_difference, official_state
from tests.support.places import GOLDEN
from tests.support.small_models import TINY

ENVELOPE = GOLDEN / "official_checkpoint_envelope.pth"


class RecorderMeter:
    """As the authors' training code pickles it."""

    def __init__(self):
        import numpy as np

        self.epoch_losses = np.zeros((2, 2), dtype=np.float32)


@pytest.fixture(scope="module")
def official_file(tmp_path_factory):
    """Return a whole official checkpoint: 11 classes, 112 px, "module." keys, recorder and optimiser."""
    path = tmp_path_factory.mktemp("official") / "mafw_fold1.pth"
    RecorderMeter.__module__ = "__main__"
    import __main__

    __main__.RecorderMeter = RecorderMeter
    state = {f"module.{key}": value for key, value in official_state(112, num_classes=11).items()}
    torch.save({"epoch": 25, "state_dict": state, "best_acc": torch.tensor(50.0), "recorder": RecorderMeter()}, path)
    del __main__.RecorderMeter
    return path


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """Return a small file of our own."""
    model = untrained_model(InputSpec(image_size=32, labels=("calm", "not calm")), TINY)
    model.info = WeightsInfo("small", True, "a test", 1.5)
    return checkpoint.save_model(model, tmp_path_factory.mktemp("ours") / "small.safetensors")


def test_official_file_loads_without_running_its_code(official_file):
    model = mmadfer.load_model(official_file)
    assert model.spec.image_size == 112
    assert model.spec.labels == MAFW_LABELS
    assert not model.spec.level_eyes
    assert model.info == WeightsInfo("mafw_fold1", True, "mafw_fold1.pth")
    assert not model.training
    assert torch.equal(
        model.state_dict()["fusion.3.audio_down.weight"], official_state(112)["image_encoder.audio_proj_pre.3.0.weight"]
    )
    assert model(*inputs(112, 1)).shape == (1, 11)


def test_convert_keeps_every_value_and_the_spec(official_file, tmp_path, capsys):
    out = tmp_path / "mafw.safetensors"
    assert convert.main([str(official_file), str(out), "--name", "MAFW fold 1"]) == 0
    assert checksums.sha256(out) in capsys.readouterr().out
    before, after = mmadfer.load_model(official_file), mmadfer.load_model(out)
    assert after.spec == before.spec
    assert after.config == before.config
    assert after.info == dataclasses.replace(before.info, name="MAFW fold 1")
    for key, value in before.state_dict().items():
        assert torch.equal(after.state_dict()[key], value), key
    assert list(tmp_path.iterdir()) == [out]  # no temporary file stays behind
    plain = tmp_path / "plain"
    plain.touch()
    assert out.stat().st_mode == plain.stat().st_mode  # readable to whom other files are


def test_bare_keys_load_like_prefixed_ones(official_file, tmp_path):
    path = tmp_path / "bare.pth"
    torch.save(official_state(160), path)
    model = mmadfer.load_model(path)
    assert (model.spec.image_size, len(model.spec.labels), model.spec.level_eyes) == (160, 7, True)


def test_the_official_envelope_is_read_and_found_partial():
    content = official.read_pickle(ENVELOPE)
    assert set(content["state_dict"]) == {
        "module.our_classifier.weight",
        "module.our_classifier.bias",
        "module.image_encoder.all_gate.0",
    }
    with pytest.raises(
        ValueError, match=r"official_checkpoint_envelope.pth is not a whole MMA-DFER checkpoint: .*missing"
    ):
        mmadfer.load_model(ENVELOPE)


def test_pretrained_encoders_fill_the_frozen_part(tmp_path):
    shapes = json.loads((GOLDEN / "keys_224_7.json").read_text())
    for kind, prefix, tokens in (("face", "image_encoder.", 197), ("audio", "audio_model.", 513)):
        plain = ("cls_token", "patch_embed", "blocks", "norm.")
        keys = [key.removeprefix(prefix) for key in shapes if key.startswith(tuple(prefix + part for part in plain))]
        model = {key: torch.rand(shapes[prefix + key]) for key in keys}
        model |= {"pos_embed": torch.rand(1, tokens, 768), "decoder_pos_embed": torch.rand(1, tokens, 8)}
        torch.save({"model": model, "epoch": 3, "args": argparse.Namespace(lr=1.0)}, tmp_path / f"{kind}.pth")
    loaded = mmadfer.load_pretrained(tmp_path / "face.pth", tmp_path / "audio.pth", InputSpec(image_size=112))
    saved = torch.load(tmp_path / "audio.pth", weights_only=False)["model"]
    assert torch.equal(loaded.audio.blocks[11].mlp.fc2.weight, saved["blocks.11.mlp.fc2.weight"])
    assert torch.equal(loaded.audio.pos_embed[:, 0], saved["pos_embed"][:, 0])
    assert 0.8 < loaded.face.pos_embed[:, -6:].std() < 1.2  # prompt slots from N(0, 1)
    assert not loaded.face.blocks[0].attn.qkv.weight.requires_grad
    assert loaded.face.pos_embed.requires_grad
    with pytest.raises(
        ValueError, match=r"is no face encoder: its pos_embed has the shape \(1, 513, 768\), expected \(1, 197, 768\)"
    ):
        mmadfer.load_pretrained(tmp_path / "audio.pth", tmp_path / "audio.pth")
    with pytest.raises(ValueError, match=r"mae_pretrain_envelope.pth is not a whole pre-trained face encoder"):
        mmadfer.load_pretrained(GOLDEN / "mae_pretrain_envelope.pth", tmp_path / "audio.pth")
    with pytest.raises(ValueError, match=r"face.pth is no MMA-DFER checkpoint"):
        mmadfer.load_model(tmp_path / "face.pth")


def test_our_file_carries_spec_config_and_origin(ours):
    model = mmadfer.load_model(ours)
    assert model.spec == InputSpec(image_size=32, labels=("calm", "not calm"))
    assert model.config == TINY
    assert model.info.temperature == 1.5
    frames, spectrogram = torch.rand(1, 16, 3, 32, 32), torch.randn(1, 1, 512, 128)
    difference = (model(frames, spectrogram) - untrained_model(model.spec, TINY)(frames, spectrogram)).abs().max()
    assert difference == 0, f"off by {difference:.2e}"
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {
        n for n, p in untrained_model(model.spec, TINY).named_parameters() if p.requires_grad
    }


def test_a_bias_for_another_number_of_classes_is_refused(tmp_path):
    model = untrained_model(InputSpec(image_size=32), TINY)
    model.info = WeightsInfo("w", logit_bias=(0.5, -0.5))
    path = mmadfer.save_model(model, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="2 logit biases for 7 classes"):
        mmadfer.load_model(path)


class Bomb:
    """A pickle that would run code."""

    def __reduce__(self):
        return (eval, ("open('exploded', 'w')",))


def _wrong_files(folder, ours):
    def write(name, content):
        path = folder / name
        path.write_bytes(content)
        return path

    whole, zipped = ours.read_bytes(), ENVELOPE.read_bytes()
    yield write("empty.pth", b""), "empty.pth is empty"
    yield write("empty.safetensors", b""), "empty.safetensors is empty"
    yield write("text.pth", b"<!DOCTYPE html><html>quota exceeded</html>"), "text.pth is no PyTorch checkpoint"
    yield write("short.pth", zipped[: len(zipped) // 2]), "short.pth is damaged or cut short"
    yield write("noise.pth", bytes(range(256)) * 40), "noise.pth is (damaged|no PyTorch)"
    yield write("short.safetensors", whole[: len(whole) // 2]), "short.safetensors is damaged"
    yield write("stub.safetensors", whole[:6]), "stub.safetensors is damaged"
    with zipfile.ZipFile(folder / "zip.pth", "w") as archive:
        archive.writestr("holiday.txt", "no weights")
    yield folder / "zip.pth", "zip.pth is damaged"
    torch.save([1, 2], folder / "list.pth")
    yield folder / "list.pth", "list.pth holds a list, not a dict of weights"
    torch.save({"epoch": 1}, folder / "bare.pth")
    yield folder / "bare.pth", "bare.pth is no MMA-DFER checkpoint"
    torch.save({"resnet.conv1": torch.zeros(1)}, folder / "resnet.pth")
    torch.save({0: torch.zeros(1)}, folder / "numbers.pth")
    yield folder / "numbers.pth", "numbers.pth is no MMA-DFER checkpoint: it holds 0"
    flat = ("our_classifier.weight", "image_encoder.pos_embed", "image_encoder.learnable_prompts_init")
    torch.save({key: torch.zeros(()) for key in (*flat, "image_encoder.temporal_pre.0.weight")}, folder / "flat.pth")
    yield folder / "flat.pth", r"flat.pth: our_classifier.weight has the shape \(\), expected 2 sides"
    yield folder / "resnet.pth", "resnet.pth is no MMA-DFER checkpoint: its keys are resnet.conv1"
    torch.save({"state_dict": {}, "bomb": Bomb()}, folder / "bomb.pth")
    yield folder / "bomb.pth", r"bomb.pth holds a Python object \(.*eval\) that would have to run code"
    (folder / "old.pth").write_bytes(pickle.dumps(Bomb(), protocol=2))
    yield folder / "old.pth", "old.pth (holds a Python object|is no PyTorch|is damaged)"
    save_file({"a": torch.zeros(1)}, folder / "foreign.safetensors")
    yield folder / "foreign.safetensors", "foreign.safetensors was not written by this version"
    yield folder / "absent.pth", "there is no weights file .*absent.pth"
    yield folder, "is a folder"


def test_wrong_files_are_refused_in_one_sentence(tmp_path, ours, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, message in _wrong_files(tmp_path, ours):
        with pytest.raises((ValueError, OSError), match=message) as caught:
            mmadfer.load_model(path)
        assert "\n" not in str(caught.value)
        assert str(path.name) in str(caught.value)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classifier.bias": None}, r"1 missing keys \(such as classifier.bias\)"),
        ({"extra": torch.zeros(1)}, r"1 unknown keys \(such as extra\)"),
        ({"classifier.bias": torch.zeros(3)}, r"classifier.bias has the shape \(3,\), expected \(2,\)"),
        ({"classifier.bias": torch.tensor([0.0, float("nan")])}, r"not finite \(in classifier.bias\)"),
    ],
)
def test_our_file_with_other_content_is_refused(ours, tmp_path, change, message):
    tensors, spec, config, info = checkpoint.read_safetensors(ours)
    tensors = {key: value for key, value in (tensors | change).items() if value is not None}
    path = tmp_path / "changed.safetensors"
    metadata = {"format": header.FORMAT, "spec": spec.to_json(), "config": config.to_json(), "info": info.to_json()}
    save_file(tensors, path, metadata)
    with pytest.raises(ValueError, match=message):
        mmadfer.load_model(path)
    save_file(tensors, path, metadata | {"spec": '{"image_size": 32}'})
    with pytest.raises(ValueError, match="no usable settings in its metadata"):
        mmadfer.load_model(path)
    save_file(tensors, path, metadata | {"spec": dataclasses.replace(spec, image_size=40).to_json()})
    with pytest.raises(ValueError, match=r"changed.safetensors does not fit together: .*multiples of the 16 px patch"):
        mmadfer.load_model(path)


def test_convert_says_what_is_wrong_and_exits_with_2(tmp_path, ours, capsys):
    for arguments, message in (
        ([str(tmp_path / "no.pth"), "out.safetensors"], "there is no weights file"),
        ([str(ours), str(tmp_path / "out.pth")], "written as .safetensors"),
        ([str(ours), str(tmp_path / "nowhere" / "out.safetensors")], "there is no folder"),
    ):
        assert convert.main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    with pytest.raises(SystemExit) as caught:
        convert.main([])
    assert caught.value.code == 2


def test_key_table_names_each_tensor_once():
    table = official.key_table(ModelConfig())
    assert len(set(table.values())) == len(table)
    assert set(table) | set(official.UNUSED_KEYS) == set(json.loads((GOLDEN / "keys_224_7.json").read_text()))


def test_largest_difference_sees_a_difference():
    assert largest_difference(torch.zeros(2), torch.tensor([0.0, 1.0]).numpy()) == 1.0
