"""The parts of a training run, one by one: what is trained, in which order, on what."""

from __future__ import annotations

import ctypes
import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from mmadfer import preprocess
from mmadfer.config import InputSpec, ModelConfig
from mmadfer.data.dataset import ClipDataset
from mmadfer.data.prepared import PreparedSet
from mmadfer.data.sampling import Sampling
from mmadfer.models.mma_dfer import untrained_model
from mmadfer.weights.official import key_table
from tests.support.finetune import finetune
from tests.support.golden import golden_model, inputs
from tests.support.made_datasets import prepared_set
from tests.support.places import GOLDEN
from train.input.loaders import ScoringSampler, TrainSampler
from train.input.splits import Parts, fold_parts
from train.loop.module import Batch, FineTuning, missing_modality, without
from train.recipe import Recipe
from train.runs.start import Start, build

SPEC = InputSpec(image_size=32, labels=("happiness", "sadness", "neutral"), sample_rate=16_000)
TINY = ModelConfig(
    width=32,
    depth=2,
    heads=2,
    bottleneck=8,
    prompt_updates=(0, 1),
    temporal_width=32,
    temporal_heads=2,
    temporal_mlp=32,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return prepared_set(tmp_path_factory.mktemp("made"), clips_per_class=8, size=32, folds=("1", "2"))


def batch(count: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(count, 16, 3, 32, 32, generator=generator)
    spectrogram = torch.randn(count, 1, 512, 128, generator=generator)
    return Batch(frames, spectrogram, torch.arange(count) % 3, torch.arange(count))


def test_gradients_through_the_module_equal_the_official_code():
    golden = json.loads((GOLDEN / "gradients_112_7.json").read_text())
    model = golden_model(112)
    module = FineTuning(model, Recipe())
    model.eval()  # the reference was made without dropping paths
    loss = module.loss(Batch(*inputs(112, 2), torch.tensor(golden["targets"]), torch.arange(2)))
    assert abs(loss.item() - golden["loss"]) < 1e-4
    loss.backward()
    ours, table = dict(model.named_parameters()), key_table(model.config)
    for key, norm in golden["grad_norm"].items():
        gradient = ours[table[key]].grad
        assert (gradient is None) == (norm is None), key
        if gradient is not None:
            relative = abs(gradient.norm().item() - norm) / norm
            assert relative < 1e-3, f"the gradient of {key} is off by {relative:.2e}"
    reached = {table[key] for key, norm in golden["grad_norm"].items() if norm is not None}
    assert {name for name, parameter in ours.items() if parameter.requires_grad} == reached


def test_a_step_equals_one_of_plain_pytorch():
    recipe = Recipe(lr=1e-2, label_smoothing=0.1)
    module = FineTuning(untrained_model(SPEC, TINY), recipe)
    plain = untrained_model(SPEC, TINY)
    for model in (module.model, plain):
        model.eval()
    optimizer = module.configure_optimizers()["optimizer"]
    trained = [parameter for parameter in plain.parameters() if parameter.requires_grad]
    reference = torch.optim.AdamW(trained, lr=1e-2, weight_decay=1e-2)
    data = batch()
    for _ in range(3):
        for model, steps, loss in (
            (module, optimizer, lambda: module.loss(data)),
            (plain, reference, lambda: F.cross_entropy(plain(*data[:2]), data.label, label_smoothing=0.1)),
        ):
            model.zero_grad()
            loss().backward()
            steps.step()
    theirs = dict(plain.named_parameters())
    for name, parameter in module.model.named_parameters():
        difference = (parameter - theirs[name]).abs().max().item()
        assert difference == 0, f"{name} differs by {difference:.1e}"


def test_what_no_gradient_reaches_is_frozen_and_nothing_else():
    model = untrained_model(SPEC, TINY)
    before = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    FineTuning(model, Recipe())
    after = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    norms = {f"temporal.block.unused_norms.{i}.{kind}" for i in (0, 1) for kind in ("weight", "bias")}
    assert before - after == norms
    assert after < before
    model(*batch()[:2]).sum().backward()
    assert {name for name, parameter in model.named_parameters() if parameter.grad is not None} == after


@pytest.mark.parametrize("change", [{"modalities": ("face",)}, {"modalities": ("audio",)}, {"fusion": "none"}])
def test_an_ablation_trains_what_it_uses(change):
    model = untrained_model(SPEC, replace(TINY, **change))
    FineTuning(model, Recipe())
    model(*batch()[:2]).sum().backward()
    assert all((parameter.grad is not None) == parameter.requires_grad for parameter in model.parameters())


def test_a_checkpoint_holds_what_is_trained_and_nothing_else():
    module = FineTuning(untrained_model(SPEC, TINY), Recipe())
    state = module.state_dict()
    assert set(state) == {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    other = FineTuning(untrained_model(SPEC, TINY, seed=1), Recipe())
    other.load_state_dict(state)
    assert torch.equal(other.model.classifier.weight, module.model.classifier.weight)
    assert not torch.equal(other.model.face.norm.weight + other.model.face.cls_token, module.model.face.cls_token + 1)
    average = AveragedModel(module)
    assert not [name for name in average.state_dict() if "blocks" in name]
    average.load_state_dict(average.state_dict())
    del state["model.classifier.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*model\.classifier\.weight"):
        other.load_state_dict(state)


def test_frozen_blocks_drop_paths_as_the_recipe_says():
    class OneEpoch(FineTuning):
        current_epoch, global_rank = 0, 0

        def log(self, *args, **kwargs):
            pass

    for switch in (True, False):
        module = OneEpoch(untrained_model(SPEC, TINY), Recipe(drop_path_on_frozen=switch))
        module.on_train_epoch_start()
        first, second = (module.model(*batch()[:2]) for _ in range(2))
        assert torch.equal(first, second) != switch
        assert module.model.temporal.training
    all_trained = build(Start(scratch=True, size=32), _Any(), Recipe(drop_path_on_frozen=False))
    assert all(parameter.requires_grad for parameter in all_trained.parameters())


class _Any:
    """As much of a prepared set as a start reads."""

    labels, mel, sample_rate, image_size, clips = SPEC.labels, SPEC.mel, 16_000, 32, ()

    class settings:
        level_eyes = False


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_all_processes_together_see_the_batches_of_one(made, world_size):
    dataset = ClipDataset(made, list(range(22)), SPEC, Sampling(train=True))
    recipe = Recipe(batch_size=8)
    alone = TrainSampler(dataset, recipe)
    samplers = [TrainSampler(dataset, recipe, rank, world_size) for rank in range(world_size)]
    orders = []
    for epoch in range(3):
        for sampler in (alone, *samplers):
            sampler.set_epoch(epoch)
        order, shares = list(alone), [list(sampler) for sampler in samplers]
        each = 8 // world_size
        for number in range(2):
            together = [k for share in shares for k in share[number * each : (number + 1) * each]]
            assert together == order[number * 8 : (number + 1) * 8]
        assert len(set(order)) == len(order) == 16 == len(alone) == world_size * len(samplers[0])
        orders.append(tuple(order))
    assert len(set(orders)) == 3, "each epoch has an order of its own"
    assert {k for order in orders for k in order} > set(orders[0]), "other clips are left out in each epoch"


def test_the_last_smaller_batch_may_be_kept(made):
    dataset = ClipDataset(made, list(range(21)), SPEC, Sampling(train=True))
    recipe = Recipe(batch_size=8, drop_last=False)
    assert sorted(TrainSampler(dataset, recipe)) == list(range(21))
    shares = [list(TrainSampler(dataset, recipe, rank, 2)) for rank in range(2)]
    assert len(shares[0]) == len(shares[1]) == 10
    assert len({*shares[0], *shares[1]}) == 20


def test_batches_that_cannot_be_made_are_refused(made):
    dataset = ClipDataset(made, list(range(6)), SPEC, Sampling(train=True))
    with pytest.raises(
        ValueError, match="a batch of 8 cannot be divided over 3 devices; set batch_size to a multiple of 3"
    ):
        TrainSampler(dataset, Recipe(), 0, 3)
    with pytest.raises(ValueError, match="over 4 devices in 4 parts each; set batch_size to a multiple of 16"):
        TrainSampler(dataset, Recipe(accumulate=4), 0, 4)
    with pytest.raises(ValueError, match="6 training clips make no whole batch of 8; set a smaller batch_size"):
        TrainSampler(dataset, Recipe())


@pytest.mark.parametrize(("count", "world_size"), [(5, 2), (1, 4), (8, 4), (7, 3)])
def test_scored_clips_are_shared_out_equally_and_none_is_missed(count, world_size):
    shares = [list(ScoringSampler(count, rank, world_size)) for rank in range(world_size)]
    assert len({len(share) for share in shares}) == 1
    assert {k for share in shares for k in share} == set(range(count))
    assert [len(ScoringSampler(count, rank, world_size)) for rank in range(world_size)] == [len(shares[0])] * world_size


def test_a_clip_that_several_processes_scored_counts_once():
    class Gathered(FineTuning):
        def all_gather(self, tensor):
            return torch.stack([tensor, torch.roll(tensor, 1, 0)])  # the other process had the same clips

        def log_dict(self, *args, **kwargs):
            pass

    module = Gathered(untrained_model(SPEC, TINY), Recipe(), ("test",))
    module.eval()
    module.on_validation_epoch_start()
    data = batch(3)
    with torch.inference_mode():
        module.validation_step(data._replace(clip=torch.tensor([7, 3, 5])), 0)
        module.on_validation_epoch_end()
    scores = module.scores["test"]
    assert scores.clips.tolist() == [3, 5, 7]
    assert scores.labels.tolist() == [1, 2, 0]
    logits = module.model(*data[:2]).detach().numpy()[[1, 2, 0]]
    assert np.abs(scores.logits - logits).max() < 1e-6
    assert module.results["test/war"] == np.mean(logits.argmax(1) == [1, 2, 0])


def test_a_lost_modality_is_what_the_recogniser_gives_without_it():
    data = batch(3)
    frames, spectrogram = without(data.frames, data.spectrogram, ["face", "", "audio"], SPEC)
    black, silence = preprocess.model_inputs([], None, SPEC.sample_rate, SPEC)
    assert torch.equal(frames[0], black[0])
    assert torch.equal(spectrogram[2], silence[0])
    assert torch.equal(frames[1:], data.frames[1:])
    assert torch.equal(spectrogram[:2], data.spectrogram[:2])


def test_modality_dropout_takes_its_share_and_is_the_same_again():
    recipe = Recipe(modality_dropout=0.2)
    drawn = [missing_modality(recipe, epoch, clip) for epoch in range(20) for clip in range(250)]
    shares = {name: drawn.count(name) / len(drawn) for name in ("face", "audio", "")}
    assert abs(shares["face"] - 0.1) < 0.015, shares
    assert abs(shares["audio"] - 0.1) < 0.015, shares
    assert drawn == [missing_modality(recipe, epoch, clip) for epoch in range(20) for clip in range(250)]
    assert drawn[:250] != drawn[250:500]
    assert not any(missing_modality(Recipe(), 0, clip) for clip in range(100))


def test_parts_of_a_fold_share_no_clip(made):
    parts = fold_parts(made, "1", 0.25, seed=1)
    assert len(parts.held_out) == 4
    assert sorted(parts.train + parts.held_out) == made.indices("1", "train")
    assert list(parts.test) == made.indices("1", "test")
    assert parts == fold_parts(made, "1", 0.25, seed=1) != fold_parts(made, "1", 0.25, seed=2)
    assert fold_parts(made, "1", 0.0, seed=1) == Parts(tuple(made.indices("1", "train")), (), parts.test)
    assert parts.scored == ("test", "held_out")


def relabelled(made, change):
    """Return ``made`` with each clip changed by ``change``."""
    other = PreparedSet(made.folder)
    other.clips = [change(clip) for clip in other.clips]
    return other


def test_no_speaker_is_trained_on_and_held_out(made):
    spoken = relabelled(made, lambda clip: replace(clip, speaker=clip.clip_id[-1]))
    parts = fold_parts(spoken, "1", 0.25, seed=1)
    speakers = [{spoken.clips[i].speaker for i in part} for part in (parts.train, parts.held_out)]
    assert parts.held_out
    assert not speakers[0] & speakers[1]


def test_the_only_clip_of_a_class_stays_in_training(made):
    first = next(i for i in made.indices("1", "train") if made.clips[i].label == "sadness")
    rare = relabelled(
        made,
        lambda clip: (
            clip
            if clip.label != "sadness" or clip.clip_id == made.clips[first].clip_id
            else replace(clip, splits={"1": "test"})
        ),
    )
    for seed in range(20):
        parts = fold_parts(rare, "1", 0.7, seed)
        assert first in parts.train
        assert parts.held_out


def test_a_validation_part_is_held_out_first(made):
    splits = {"train": "train", "test": "validation"}
    other = relabelled(made, lambda clip: replace(clip, splits={"1": splits[clip.splits["1"]], "2": clip.splits["1"]}))
    other.clips[0] = replace(other.clips[0], splits={"1": "test"})
    assert list(fold_parts(other, "1", 0.5, seed=1).held_out) == other.indices("1", "validation")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda clip: replace(clip, label="happyness" if clip.label == "happiness" else clip.label),
            "unknown class 'happyness'; its classes are happiness, sadness, neutral",
        ),
        (
            lambda clip: replace(clip, splits={"1": "test"} if clip.label == "sadness" else clip.splits),
            "fold 1 of made has no training clip of sadness: such a class cannot be learned",
        ),
        (lambda clip: replace(clip, splits={"1": "train"}), "fold 1 of made has no test clips"),
        (lambda clip: replace(clip, splits={"1": "test"}), "fold 1 of made has no training clips"),
    ],
)
def test_parts_that_cannot_be_trained_on_are_refused(made, change, message):
    with pytest.raises(ValueError, match=message):
        fold_parts(relabelled(made, change), "1", 0.0, seed=1)


def test_a_training_leaves_the_signals_of_compiled_libraries_alone(tmp_path):
    prepared = prepared_set(tmp_path / "set", clips_per_class=4, size=32).folder
    libc = ctypes.CDLL(None, use_errno=True)
    libc.signal.restype = ctypes.c_void_p
    ignored = ctypes.c_void_p(1)  # SIG_IGN
    before = libc.signal(signal.SIGSTKFLT, ignored)  # as a compiled library does it, without Python's knowledge
    try:
        assert finetune(prepared, tmp_path / "run", "epochs=1", "batch_size=4") == 0
        assert libc.signal(signal.SIGSTKFLT, ignored) == ignored.value, "the default is back"
    finally:
        libc.signal(signal.SIGSTKFLT, ctypes.c_void_p(before))
