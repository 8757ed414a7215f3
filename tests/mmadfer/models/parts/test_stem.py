"""The convolutional patch embedding, and patches of other sizes."""

import dataclasses

import numpy as np
import pytest
import torch

from export.parity import compare
from mmadfer.backends.openvino.backend import OpenVINOBackend
from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.config import InputSpec, MelSpec, ModelConfig
from mmadfer.graphs import graph
from mmadfer.models.mma_dfer import MMADFER, untrained_model
from mmadfer.models.parts.stem import ConvStem
from mmadfer.preprocess import frame_inputs
from mmadfer.weights import checkpoint
from tests.support.small_variants import SMALL, SPEC, clip, opened

CONV = dataclasses.replace(SMALL, depth=3, prompt_updates=(0,), stem="conv")


def conv_model(**changes):
    """Return a small model with a convolutional stem that has seen some data, and its input settings."""
    spec = dataclasses.replace(SPEC, **{key: changes.pop(key) for key in tuple(changes) if hasattr(SPEC, key)})
    model = opened(untrained_model(spec, dataclasses.replace(CONV, **changes)))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(generator=torch.Generator().manual_seed(1)).mul_(0.1)
            module.running_var.fill_(0.5)
    return model


@pytest.mark.parametrize(
    ("size", "patch", "grid"),
    [(48, 16, 3), (48, 8, 6), (48, 6, 8), (112, 16, 7), (112, 8, 14), (36, 12, 3), (27, 9, 3)],
)
@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_patches_of_every_size_that_divides_the_side(stem, size, patch, grid):
    spec = dataclasses.replace(SPEC, image_size=size)
    model = untrained_model(spec, dataclasses.replace(CONV, stem=stem, patch_size=patch))
    assert model.face.grid_size == (grid, grid)
    assert model.audio.grid_size == (3, 1)
    assert model.face.embed(torch.rand(2, 3, size, size)).shape == (2, 1 + grid**2 + 6, 32)
    assert model(torch.rand(1, 4, 3, size, size), clip(0, 1)[1]).shape == (1, 3)


def test_sizes_that_do_not_fit_are_refused():
    for changes, message in (
        ({"patch_size": 7}, r"multiples of the 7 px patch, got \(32, 32\)"),
        ({"audio_patch_size": 32}, r"multiples of the 32 px patch, got \(48, 16\)"),
    ):
        with pytest.raises(ValueError, match=message):
            MMADFER(SPEC, dataclasses.replace(CONV, **changes))
    with pytest.raises(ValueError, match="made of factors 2 and 3, such as 6, 8 or 16, got 10"):
        ConvStem((40, 40), 10, 3, 32)


def test_each_patch_sees_its_own_pixels_and_not_those_far_away():
    stem = ConvStem((64, 64), 8, 3, 32).eval()
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    stem(image)[0, 0].sum().backward()  # the first patch
    seen = image.grad[0].abs().sum(dim=0)
    assert (seen[:8, :8] > 0).all()
    assert (seen[48:, 48:] == 0).all()


def test_a_stage_at_full_size_and_more_pairs_keep_the_patches():
    plain = ConvStem((48, 48), 8, 3, 32)
    deeper = ConvStem((48, 48), 8, 3, 32, (2, 1, 1, 3))
    image = torch.rand(2, 3, 48, 48)
    assert plain(image).shape == deeper(image).shape == (2, 36, 32)
    assert [stage.shrink[0].stride for stage in deeper.stages] == [(1, 1), (2, 2), (2, 2), (2, 2)]
    assert [len(stage.mixes) for stage in deeper.stages] == [2, 1, 1, 3]


@pytest.mark.parametrize("pairs", [(1, 1), (1, 1, 1, 1, 1), (1, 0, 1)])
def test_pairs_that_are_not_those_of_the_stages_are_refused(pairs):
    with pytest.raises(ValueError, match="stem of 8 px patches has 3 stages, or one more at full size"):
        ConvStem((48, 48), 8, 3, 32, pairs)


def test_the_faces_stem_alone_is_deeper():
    config = dataclasses.replace(CONV, patch_size=8, face_stem=(1, 1, 1, 1))
    model = untrained_model(InputSpec(image_size=48, num_frames=2), config)
    assert len(model.face.patch_embed.stages) == 4
    assert all(len(stage.mixes) == 1 for stage in model.audio.patch_embed.stages)
    assert ModelConfig.from_json(config.to_json()) == config


def test_a_stem_that_is_trained_follows_its_batches_and_a_frozen_one_does_not():
    for frozen in (True, False):
        model = conv_model()
        if not frozen:
            for parameter in model.parameters():
                parameter.requires_grad_(True)
        before = {key: value.clone() for key, value in model.state_dict().items() if "running" in key}
        assert len(before) == 2 * 2 * 3 * 4
        model.train()
        model(*clip(0)).sum().backward()
        same = [torch.equal(model.state_dict()[key], value) for key, value in before.items()]
        assert all(same) if frozen else not any(same)
        gradients = [p.grad is not None and p.grad.abs().sum() > 0 for p in model.face.patch_embed.parameters()]
        assert not any(gradients) if frozen else all(gradients)
        model.eval()
        together, alone = model(*clip(0)), torch.cat([model(*(t[i : i + 1] for t in clip(0))) for i in range(2)])
        off = (together - alone).abs().max().item()
        assert off < 1e-5, f"clips of a batch see each other: off by {off:.1e}"


def test_weights_with_batch_statistics_survive_the_file(tmp_path):
    model = conv_model(patch_size=8)
    again = checkpoint.load_model(checkpoint.save_model(model, tmp_path / "conv.safetensors"))
    assert again.config == model.config
    assert again.state_dict()["face.patch_embed.stages.0.mixes.0.1.num_batches_tracked"].dtype == torch.int64
    off = (again(*clip(0)) - model(*clip(0))).abs().max()
    assert off == 0, f"off by {off:.1e}"
    again.train()  # may go on being trained, and be written again
    checkpoint.save_model(again, tmp_path / "again.safetensors")


@pytest.mark.parametrize(("size", "patch"), [(48, 8), (48, 16), (48, 6), (112, 16)])
def test_graphs_with_a_convolutional_stem_equal_pytorch(size, patch, tmp_path):
    model = conv_model(image_size=size, patch_size=patch, num_frames=16, depth=1)
    parity = compare(OpenVINOBackend(graph.write(model, tmp_path), "fp32"), PyTorchBackend(model, "cpu", "fp32"))
    assert parity.encoded < 1e-4, f"encoders are off by {parity.encoded:.1e}"
    assert parity.probability < 1e-5, f"probabilities are off by {parity.probability:.1e}"


def test_half_precision_stays_close():
    model = conv_model(image_size=48, patch_size=8)
    frames, sound = torch.rand(1, 4, 3, 48, 48), clip(0, 1)[1]
    expected = model(frames, sound).softmax(-1)
    off = (PyTorchBackend(model, "cpu", "bf16")(frames, sound).softmax(-1) - expected).abs().max().item()
    assert off < 0.01, f"off by {off:.1e}"


def test_grey_faces_are_three_equal_channels_for_either_stem():
    spec = InputSpec(image_size=48, color="grey", num_frames=4, mel=MelSpec(bins=16, frames=48))
    crop = np.random.RandomState(0).randint(0, 256, (60, 60, 3), dtype=np.uint8)
    frames = frame_inputs([crop] * 4, spec)
    assert frames.shape == (4, 3, 48, 48)
    assert torch.equal(frames[:, 0], frames[:, 1])
    assert torch.equal(frames[:, 0], frames[:, 2])
    for stem in ("patch", "conv"):
        config = dataclasses.replace(CONV, stem=stem, patch_size=8)
        assert untrained_model(spec, config)(frames[None], clip(0, 1)[1]).shape == (1, 7)


def test_a_small_model_is_small():
    """Width 192, 6 blocks, 48 px, 36 tokens: under 4 M parameters an encoder."""
    config = ModelConfig(width=192, depth=6, heads=3, patch_size=8, prompt_updates=(0, 3), stem="conv")
    with torch.device("meta"):
        model = MMADFER(InputSpec(image_size=48), config)
    assert model.face.patch_embed.num_patches == 36
    assert 3.5e6 < sum(p.numel() for p in model.face.parameters()) < 4e6
