"""The last step of the starter weights: which voices they know, fitted; and done alone, on weights that are there."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from mmadfer.config import InputSpec, MelSpec
from mmadfer.data.adapters.starter import BERLIN, BERLIN_VOICES, CALM_VOICES, RATE, Voice
from mmadfer.models.mma_dfer import untrained_model
from mmadfer.preprocess import sound_input
from mmadfer.sound.familiarity import is_familiar
from mmadfer.types import Basis
from mmadfer.weights import checkpoint
from tests.support.made_media import write_media
from tests.support.tiny_starter import TINY
from train.starter.__main__ import WEIGHTS, main
from train.starter.familiar import MISSED, familiar_voice
from train.starter.settings import load

SPEC = InputSpec(sample_rate=RATE, window_seconds=2.0, mel=MelSpec(bins=16, frames=256))


def voices(room: float, count: int, seed: int) -> list[Voice]:
    """Return noises that swell and fade, in a room whose background is so loud."""
    rng, moments = np.random.default_rng(seed), np.arange(3 * RATE) / RATE
    found = []
    for number in range(count):
        swell = np.clip(np.sin(2 * np.pi * rng.uniform(2, 4) * moments), 0, None)
        sound = rng.normal(0, 0.2, len(moments)) * swell + rng.normal(0, room, len(moments))
        found.append(Voice(f"{seed}_{number}", sound[None].astype(np.float32), number % 7, number, BERLIN))
    return found


def test_voices_of_another_room_are_told_and_as_many_known_ones_pass_as_may_be_missed():
    known = voices(0.001, 30, seed=0)
    coefficients = familiar_voice(known, voices(0.02, 30, seed=1), voices(0.001, 20, seed=2), SPEC)

    def passing(some: list[Voice]) -> float:
        inputs = [sound_input(voice.sound, RATE, SPEC) for voice in some]
        return float(np.mean([is_familiar(each, SPEC.mel, coefficients) for each in inputs]))

    assert passing(voices(0.001, 25, seed=3)) >= 1 - 3 * MISSED
    assert passing(voices(0.02, 25, seed=4)) <= 0.1
    assert passing([Voice(v.name, v.sound / 4, v.label, v.actor) for v in voices(0.001, 25, seed=3)]) >= 1 - 3 * MISSED


def test_the_last_step_can_be_done_alone_and_leaves_the_weights_as_they_are(starter_data, tmp_path, capsys):
    data = shutil.copytree(starter_data, tmp_path / "data")
    for folder, names in (
        (BERLIN_VOICES, [f"{s:02d}a01{e}a" for s in (3, 8) for e in "WEAFTN"]),
        (CALM_VOICES, ["a_0", "b_0"]),
    ):
        (data / folder).mkdir()
        for name, voice in zip(names, voices(0.02, len(names), seed=5), strict=True):
            write_media(data / folder / f"{name}.flac", (), voice.sound[:, : 2 * RATE], RATE)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(TINY + '[neutral_recall]\nface = 0.6\n"unfamiliar voice" = 0.5\n')
    settings = load(recipe)
    torch.manual_seed(0)
    before = checkpoint.save_model(
        untrained_model(settings.spec, settings.config).half(), tmp_path / "before.safetensors"
    )
    out = tmp_path / "out"
    assert main([str(data), "--out", str(out), "--recipe", str(recipe), "--calibrate", str(before)]) == 0
    assert "written:" in capsys.readouterr().out
    assert [path.name for path in out.iterdir()] == [WEIGHTS], "nothing was trained"
    old, new = checkpoint.load_model(before), checkpoint.load_model(out / WEIGHTS)
    assert all(torch.equal(value, new.state_dict()[name]) for name, value in old.state_dict().items())
    assert new.info.trained and new.info.familiar_voice
    assert set(new.info.temperatures) == {basis.value for basis in Basis}
    assert set(new.info.logit_biases) <= {"face", "unfamiliar voice"}


@pytest.mark.parametrize("line", ["nose = 0.5", "face = 1.5", 'face = "most"'])
def test_recalls_of_what_no_answer_rests_on_or_that_are_no_shares_are_refused(tmp_path, line):
    (tmp_path / "r.toml").write_text(f"{TINY}[neutral_recall]\n{line}\n")
    with pytest.raises(
        ValueError, match=r"r\.toml: neutral_recall must be a table of shares from 0 to 1 by both, face"
    ):
        load(tmp_path / "r.toml")
