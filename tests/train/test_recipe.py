"""Recipes: what the files say, and what a wrong setting is answered with."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from mmadfer.config import ModelConfig
from train import overrides
from train.recipe import FOLDER, Recipe, load_recipe, recipe_names, tomllib


def test_the_paper_recipe_is_the_default_and_as_published():
    paper = load_recipe("paper")
    assert paper == Recipe()
    assert (paper.epochs, paper.lr, paper.weight_decay, paper.batch_size, paper.drop_last) == (25, 1e-4, 1e-2, 8, True)
    assert (paper.seed, paper.precision, paper.schedule, paper.frame_order) == (1, "fp32", "cosine", "text")
    assert (paper.drop_path_on_frozen, paper.tail_frames, paper.span_matched) == (True, False, False)
    augmentation = paper.augmentation
    assert (augmentation.brightness, augmentation.area, augmentation.flip) == ((0.5, 1.5), (0.08, 1.0), 0.5)
    assert augmentation.aspect == (3 / 4, 4 / 3)


def test_v2_switches_every_gain_on():
    paper, v2 = load_recipe("paper"), load_recipe("v2")
    changed = {f.name for f in dataclasses.fields(Recipe) if getattr(paper, f.name) != getattr(v2, f.name)}
    gains = {"frame_order", "tail_frames", "span_matched", "modality_dropout", "ema", "calibration", "logit_adjustment"}
    assert changed == gains | {"name", "precision"}


@pytest.mark.parametrize("name", ["paper", "v2"])
def test_the_files_name_every_switch(name):
    assert name in recipe_names()
    values = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    assert {"name", *values} == {entry.name for entry in dataclasses.fields(Recipe)}
    assert set(values["augmentation"]) == {entry.name for entry in dataclasses.fields(Recipe().augmentation)}


def test_the_rate_of_each_epoch_is_the_cosine_of_the_paper():
    recipe = Recipe()
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], recipe.lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=recipe.epochs)
    for epoch in range(recipe.epochs):
        ours, theirs = recipe.lr * recipe.lr_factor(epoch), optimizer.param_groups[0]["lr"]
        assert abs(ours - theirs) < 1e-12, f"epoch {epoch}: {ours} differs from {theirs} by {ours - theirs:.1e}"
        optimizer.step()
        scheduler.step()


def test_warmup_and_constant_rates():
    warm = Recipe(epochs=10, warmup=2)
    assert [round(warm.lr_factor(epoch), 4) for epoch in (0, 1, 2, 6)] == [0.3333, 0.6667, 1.0, 0.5]
    assert {Recipe(schedule="constant").lr_factor(epoch) for epoch in range(25)} == {1.0}


def test_settings_are_changed_by_name():
    recipe = overrides.from_assignments(
        Recipe(),
        ["epochs=3", "lr=1", "ema=0.9", "drop_last=false", "precision=bf16", "augmentation.area=0.5,1"],
        "--set",
    )
    assert (recipe.epochs, recipe.lr, recipe.ema, recipe.drop_last, recipe.precision) == (3, 1.0, 0.9, False, "bf16")
    assert isinstance(recipe.lr, float)
    assert recipe.augmentation.area == (0.5, 1.0)
    assert recipe.augmentation.flip == 0.5
    config = overrides.from_assignments(ModelConfig(), ["prompt_updates=0,2,4", "bottleneck=64"], "--model")
    assert (config.prompt_updates, config.bottleneck) == ((0, 2, 4), 64)
    assert overrides.from_assignments(ModelConfig(), ["prompt_updates="], "--model").prompt_updates == ()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("epocs=3", "--set: there is no setting 'epocs'; there are name, epochs, lr"),
        ("epochs", "--set epochs: expected key=value"),
        ("epochs=abc", "--set: epochs must be a whole number, got 'abc'"),
        ("epochs=1.5", "--set: epochs must be a whole number, got 1.5"),
        ("epochs=true", "--set: epochs must be a whole number, got True"),
        ("drop_last=1", "--set: drop_last must be true or false, got 1"),
        ("lr=fast", "--set: lr must be a number, got 'fast'"),
        ("lr=nan", "lr must be above 0 and finite, got nan"),
        ("lr=-1", "lr must be above 0"),
        ("epochs=0", "epochs must be above 0 and finite, got 0"),
        ("precision=fp16", "precision must be one of fp32, bf16; got 'fp16'"),
        ("frame_order=random", "frame_order must be one of text, natural"),
        ("schedule=step", "schedule must be one of cosine, constant"),
        ("modality_dropout=1.5", "modality_dropout must be from 0 to below 1, got 1.5"),
        ("validate_every=2", r"validate_every \(2\) must divide epochs \(25\)"),
        ("accumulate=3", r"accumulate \(3\) must divide batch_size \(8\)"),
        ("warmup=25", "warmup must be from 0 to below epochs, got 25"),
        ("augmentation=1", "--set: augmentation has settings of its own: augmentation.brightness, "),
        ("augmentation.turn=1", "augmentation: there is no setting 'turn'; there are brightness, area"),
        ("augmentation.area=wide", "augmentation: area must be a list, got 'wide'"),
        ("seed.x=1", "--set: there is no setting 'seed.x'"),
    ],
)
def test_a_wrong_setting_is_one_sentence(assignment, message):
    with pytest.raises(ValueError, match=message) as caught:
        overrides.from_assignments(Recipe(), [assignment], "--set")
    assert "\n" not in str(caught.value)


def test_a_file_may_leave_settings_out(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("epochs = 2\n[augmentation]\nflip = 0.0\n")
    recipe = load_recipe(str(path))
    assert recipe == dataclasses.replace(
        Recipe(), name="mine", epochs=2, augmentation=dataclasses.replace(Recipe().augmentation, flip=0.0)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = ", "mine.toml is no TOML file"),
        ("epoch = 3", "mine.toml: there is no setting 'epoch'"),
        ('epochs = "3"', "mine.toml: epochs must be a whole number, got '3'"),
        ("[augmentation]\nflip = true", "mine.toml: augmentation: flip must be a number, got True"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_recipe(str(path))


def test_an_unknown_recipe_is_named_with_those_there_are():
    with pytest.raises(FileNotFoundError, match="there is no recipe papers; there are paper, v2, or a file"):
        load_recipe("papers")
