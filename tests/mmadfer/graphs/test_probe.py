"""The probe: a clip that never changes, the model's own answer to it, and how far from that is too far."""

import dataclasses

import numpy as np
import pytest
import torch

from mmadfer.backends.base import Encoded
from mmadfer.backends.proof import TOLERANCES, Unproven, distance, prove, tolerance
from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.config import InputSpec
from mmadfer.graphs import probe
from mmadfer.graphs.probe import Reference
from mmadfer.models.mma_dfer import untrained_model
from tests.support.small_models import SPEC, TINY, small_model

NAN = float("nan")


@pytest.fixture(scope="module")
def reference():
    """Return the small model's own answer."""
    return Reference.of_model(small_model())


@pytest.fixture(scope="module")
def other():
    """Return the answer of other weights."""
    return Reference.of_model(untrained_model(SPEC, TINY, seed=1)).answers


@pytest.mark.parametrize("spec", [InputSpec(), SPEC, dataclasses.replace(SPEC, color="grey", num_frames=1)])
def test_the_clip_is_realistic_fixed_and_of_the_inputs_shape(spec):
    frames, spectrogram = probe.inputs(spec)
    assert frames.shape == (spec.num_frames, 3, spec.image_size, spec.image_size)
    assert spectrogram.shape == (1, 1, spec.mel.frames, spec.mel.bins)
    assert (frames.dtype, spectrogram.dtype) == (torch.float32, torch.float32)
    assert 0 <= frames.min() < 0.3 and 0.7 < frames.max() <= 1
    assert -2 < spectrogram.min() < 0 < spectrogram.max() < 2
    assert torch.equal(spectrogram[..., -1, :], torch.full((1, 1, spec.mel.bins), spec.mel.padding))
    again = probe.inputs(spec)
    assert torch.equal(frames, again[0]) and torch.equal(spectrogram, again[1])
    if spec.num_frames > 1:
        assert (frames[1:] - frames[:-1]).abs().mean() > 0.001, "nothing moves"


def test_a_changed_clip_must_be_a_new_format():
    # Answers that are kept are those to this clip: who changes it changes `probe.FORMAT`, and then these numbers.
    frames, spectrogram = probe.inputs(SPEC)
    sums = [frames.double().sum().item(), frames[3, 1].double().sum().item(), spectrogram.double().sum().item()]
    assert probe.FORMAT == "mmadfer-probe-1"
    assert sums == pytest.approx([23332.7079, 472.449788, -2212.32557], rel=1e-5)


def test_the_reference_is_the_models_own_answer_and_outlives_the_disk(reference, tmp_path):
    model, (frames, spectrogram) = small_model(), probe.inputs(SPEC)
    with torch.no_grad():
        whole = model(frames.unsqueeze(0), spectrogram)
    assert sorted(reference.answers) == [1, 16]
    for count, answer in reference.answers.items():
        difference = (answer["logits"] - whole).abs().max().item()
        assert difference < 1e-5, f"with {count} new frames and the others' means kept it is off by {difference:.1e}"
        assert answer["means"].shape == (count, TINY.depth, TINY.bottleneck)
    reference.save(tmp_path / probe.FILE)
    found = Reference.load(tmp_path / probe.FILE)
    assert all(
        torch.equal(found.answers[k][n], t) for k, answer in reference.answers.items() for n, t in answer.items()
    )


@pytest.mark.parametrize(
    ("spec", "config", "counts"),
    [
        (dataclasses.replace(SPEC, num_frames=1), TINY, [1]),
        (SPEC, dataclasses.replace(TINY, temporal="both"), [16]),
        (SPEC, dataclasses.replace(TINY, modalities=("audio",), temporal="none"), [1, 16]),
        (SPEC, dataclasses.replace(TINY, modalities=("face",)), [1, 16]),
        (SPEC, dataclasses.replace(TINY, fusion="concatenation"), [16]),
    ],
)
def test_every_shape_of_model_can_be_asked(spec, config, counts):
    assert sorted(Reference.of_model(untrained_model(spec, config)).answers) == counts
    assert PyTorchBackend(untrained_model(spec, config), "cpu", "bf16").precision == "bf16"


@pytest.mark.parametrize(
    ("change", "expected_distance"),
    [
        (lambda t, scale: t, 0.0),
        (lambda t, scale: t + scale * torch.eye(2, 4), pytest.approx(0.5)),
        (lambda t, scale: -t, pytest.approx(2.0)),
        (lambda t, scale: 0 * t, pytest.approx(1.0)),
        (lambda t, scale: t * torch.tensor([[1.0], [0.0]]), pytest.approx(1.0)),
    ],
)
def test_the_distance_is_that_of_the_worst_row_in_units_of_a_row(change, expected_distance):
    for scale in (1, 1000, 1e-4):
        rows = scale * torch.tensor([[1.0, -1, 1, -1], [1, 1, -1, -1]])
        assert distance(change(rows, scale), rows) == expected_distance


@pytest.mark.parametrize("value", [NAN, float("inf"), float("-inf")])
def test_what_is_not_finite_has_no_distance(value):
    rows = torch.ones(2, 4)
    other = rows.clone()
    other[1, 2] = value
    assert np.isnan(distance(other, rows))


class _Saved:
    """An engine that answers what it was given."""

    description, config = "The engine", TINY

    def __init__(self, spec, reference, change=lambda name, tensor: tensor):
        self.spec, self._reference, self._change = spec, reference, change

    def encode(self, frames, spectrogram, kept_sum):
        self._answer = {n: self._change(n, t) for n, t in self._reference.answers[len(frames)].items()}
        return Encoded(**{n: t for n, t in self._answer.items() if n != "logits"})

    def head(self, cls, audio_cls):
        assert len(cls) == self.spec.num_frames
        return self._answer["logits"]


@pytest.mark.parametrize("name", probe.NAMES)
@pytest.mark.parametrize("key", sorted(TOLERANCES), ids="-".join)
def test_each_engines_tolerance_tells_right_from_wrong_in_every_part_of_the_answer(key, name, reference, other):
    allowed = tolerance(*key)

    def changed(how):
        return _Saved(SPEC, reference, lambda part, tensor: how(tensor) if part == name else tensor)

    prove(changed(lambda t: t), reference, allowed)
    prove(changed(lambda t: t * (1 + 0.5 * allowed)), reference, allowed)
    wrong = {
        "is off by": [lambda t: -t, lambda t: 0 * t, lambda t: other[16 if len(t) == 16 else 1][name]],
        "is not finite numbers": [lambda t: t * NAN, lambda t: t.index_fill(-1, torch.tensor(0), float("inf"))],
    }
    for words, ways in wrong.items():
        for way in ways:
            with pytest.raises(Unproven, match=f"The engine answers the probe wrongly: with .* its {name} {words}"):
                prove(changed(way), reference, allowed)
