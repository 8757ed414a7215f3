"""The model against the official implementation's numbers."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmadfer.config import InputSpec
from mmadfer.models.mma_dfer import MMADFER, untrained_model
from mmadfer.weights.official import key_table, resize_pos_embed
from tests.support.golden import golden_model, inputs, largest_difference
from tests.support.places import GOLDEN
from tests.support.small_models import TINY


@pytest.mark.parametrize("size", [112, 160, 224])
def test_forward_equals_the_official_code(size):
    golden = np.load(GOLDEN / f"forward_{size}_7.npz")
    model = golden_model(size)
    with torch.inference_mode():
        fused = model.fuse(*model.encode(*inputs(size, len(golden["logits"])))[:2])
        token = model.clip_token(fused)
        logits = model.classifier(token)
        assert torch.equal(model(*inputs(size, len(golden["logits"]))), logits)
    for name, value in (("fused_cls", fused), ("temporal_cls", token), ("logits", logits)):
        difference = largest_difference(value, golden[name])
        assert difference < 1e-4, f"{name} is off by {difference:.2e} at {size} px"


def test_gradients_equal_the_official_code():
    golden = json.loads((GOLDEN / "gradients_112_7.json").read_text())
    model = golden_model(112)
    loss = F.cross_entropy(model(*inputs(112, 2)), torch.tensor(golden["targets"]))
    assert abs(loss.item() - golden["loss"]) < 1e-4
    loss.backward()
    ours = dict(model.named_parameters())
    table = key_table(model.config)
    tunable = {name for name, parameter in ours.items() if parameter.requires_grad}
    assert tunable == {table[key] for key in golden["grad_norm"]}
    assert sum(p.numel() for p in model.tunable_parameters()) == golden["tunable_parameters"]
    for key, norm in golden["grad_norm"].items():
        gradient = ours[table[key]].grad
        if norm is None:
            assert gradient is None, f"{key} should not be reached"
        else:
            assert gradient is not None, f"{key} was not reached"
            relative = abs(gradient.norm().item() - norm) / norm
            assert relative < 1e-3, f"the gradient of {key} is off by {relative:.2e}"


@pytest.mark.parametrize(("size", "tunable"), [(112, 7_519_519), (160, 7_558_687), (224, 7_632_415)])
def test_count_of_tunable_parameters(size, tunable):
    with torch.device("meta"):
        model = MMADFER(InputSpec(image_size=size))
    assert sum(p.numel() for p in model.tunable_parameters()) == tunable
    assert {id(p) for p in model.tunable_parameters()} == {id(p) for p in model.parameters() if p.requires_grad}


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("mae_face", (14, 14), {"vision_112": (7, 7), "vision_160": (10, 10), "vision_224": (14, 14)}),
        ("audiomae", (64, 8), {"audio": (32, 8)}),
    ],
)
def test_resized_position_embeddings_equal_the_official_code(kind, old, new):
    from tests.support.golden import fill

    source = torch.from_numpy(fill.fill(f"{kind}.pos_embed", (1, 1 + old[0] * old[1], 768)))
    golden = np.load(GOLDEN / "pos_embed.npz")
    for name, grid in new.items():
        difference = largest_difference(resize_pos_embed(source, old, grid), golden[name])
        assert difference < 1e-5, f"{name} is off by {difference:.2e}"


def test_a_step_with_exact_means_equals_the_whole_pass():
    model = untrained_model(InputSpec(image_size=32), TINY)
    for fusion in model.fusion:
        fusion.face_gate.data.fill_(0.5)
        fusion.audio_gate.data.fill_(0.5)
    frames, spectrogram = torch.rand(2, 16, 3, 32, 32), torch.randn(2, 1, 512, 128)
    face_cls, audio_cls, means, audio_means = model.encode(frames, spectrogram)
    for k in (1, 2, 15):
        step = model.encode(frames[:, -k:], spectrogram, means[:, :-k].sum(dim=1))
        faces = model.encode_faces(frames[:, -k:], audio_means)
        expected = (face_cls[:, -k:], audio_cls, means[:, -k:], audio_means, face_cls[:, -k:], means[:, -k:])
        names = ("face", "audio", "means", "audio means", "face alone", "means alone")
        for name, ours, whole in zip(names, (*step, *faces), expected, strict=True):
            difference = (ours - whole).abs().max().item()
            assert difference < 1e-5, f"{name} of the step with {k} new frames is off by {difference:.1e}"


@pytest.mark.parametrize("num_classes", [2, 7, 11])
def test_any_class_count(num_classes):
    spec = InputSpec(image_size=32, labels=tuple(f"class {i}" for i in range(num_classes)))
    logits = untrained_model(spec, TINY)(torch.rand(2, 16, 3, 32, 32), torch.randn(2, 1, 512, 128))
    assert logits.shape == (2, num_classes)


def test_clips_of_a_batch_do_not_see_each_other():
    model = untrained_model(InputSpec(image_size=32), TINY)
    for fusion in model.fusion:  # gates start at 0, which would hide a leak between clips
        fusion.face_gate.data.fill_(1.0)
        fusion.audio_gate.data.fill_(1.0)
    frames, spectrogram = torch.rand(2, 16, 3, 32, 32), torch.randn(2, 1, 512, 128)
    together = model(frames, spectrogram)
    alone = torch.cat([model(frames[i : i + 1], spectrogram[i : i + 1]) for i in range(2)])
    difference = (together - alone).abs().max().item()
    assert difference < 1e-5, f"off by {difference:.2e}"


def test_face_and_voice_reach_each_other_only_through_open_gates():
    model = untrained_model(InputSpec(image_size=32), TINY)
    frames, spectrogram = torch.rand(1, 16, 3, 32, 32), torch.randn(1, 1, 512, 128)
    other = torch.randn(1, 1, 512, 128)
    closed = [model.encode(frames, sound)[0] for sound in (spectrogram, other)]
    assert torch.equal(*closed)
    model.fusion[0].face_gate.data.fill_(1.0)
    opened = [model.encode(frames, sound)[0] for sound in (spectrogram, other)]
    assert not torch.allclose(*opened)


@pytest.mark.parametrize(
    ("frames", "spectrogram", "message"),
    [
        (
            (1, 8, 3, 32, 32),
            (1, 1, 512, 128),
            r"frames must have the shape \(clips, 16, 3, 32, 32\).*got \(1, 8, 3, 32, 32\)",
        ),
        ((1, 16, 3, 48, 32), (1, 1, 512, 128), "frames must have the shape"),
        ((1, 16, 3, 32, 32), (1, 1, 298, 128), "spectrogram must have the shape"),
    ],
)
def test_a_wrong_shape_is_refused_with_both_shapes(frames, spectrogram, message):
    model = untrained_model(InputSpec(image_size=32), TINY)
    with pytest.raises(ValueError, match=message):
        model(torch.rand(frames), torch.rand(spectrogram))


def test_exports_without_in_place_writes():
    model = untrained_model(InputSpec(image_size=32), TINY)
    program = torch.export.export(model, (torch.rand(1, 16, 3, 32, 32), torch.randn(1, 1, 512, 128)))
    written = [
        str(node.target) for node in program.graph.nodes if "scatter" in str(node.target) or "copy_" in str(node.target)
    ]
    assert written == []


def test_untrained_weights_are_the_same_each_time_and_leave_the_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = untrained_model(InputSpec(image_size=32), TINY)
    assert torch.equal(torch.rand(3), expected)
    second = untrained_model(InputSpec(image_size=32), TINY)
    assert torch.equal(first.classifier.weight, second.classifier.weight)
    assert not first.info.trained
