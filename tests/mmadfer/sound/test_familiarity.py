"""Voices that a set of weights does not know: told from the model's own input, and given little weight."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mmadfer.config import MelSpec
from mmadfer.preprocess import spectrogram
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.sound.familiarity import columns, count, features, is_familiar
from mmadfer.sound.logmel import log_mel
from mmadfer.types import Basis, Prediction, State, WeightsInfo
from mmadfer.weights import checkpoint
from tests.support.small_models import SPEC, small_model, window

RATE = 16_000
MEL = MelSpec(bins=64)


def voice(seconds: float, seed: int = 0) -> np.ndarray:
    """Return noise that swells and fades four times a second."""
    moments = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(0, 0.1, len(moments)) * (1.1 + np.sin(8 * np.pi * moments))
    return noise[None].astype(np.float32)


def given(sound: np.ndarray) -> torch.Tensor:
    return spectrogram(sound, RATE, MEL)[None, None]


def recognizer(known: bool, **changes: object) -> EmotionRecognizer:
    """Return one whose weights know every voice, or none."""
    model = small_model()
    model.spec = dataclasses.replace(model.spec, handles_missing=("face", "audio"))
    coefficients = (*(0.0,) * (count(model.spec.mel) - 1), 1.0 if known else -1.0)
    model.info = dataclasses.replace(model.info, familiar_voice=coefficients, **changes)
    return EmotionRecognizer(model, "pytorch", "cpu", "fp32")


def furthest(ours: Prediction, theirs: Prediction) -> float:
    return max(abs(ours.probabilities[name] - value) for name, value in theirs.probabilities.items())


@pytest.mark.parametrize("seconds", [0.3, 2.0, 5.0])
def test_the_columns_are_those_of_the_sound_without_padding(seconds):
    sound = voice(seconds)
    expected = log_mel(torch.from_numpy(sound - sound.mean()), RATE, MEL)[: MEL.frames].numpy()
    found = columns(given(sound), MEL)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4
    assert len(columns(given(np.zeros((1, 0), np.float32)), MEL)) == 0
    assert len(columns(given(np.zeros((1, RATE), np.float32)), MEL)) == 98, "silence is no padding"


def test_a_recording_is_known_at_any_level_and_not_as_another():
    loud, soft, other = (features(columns(given(sound), MEL)) for sound in (voice(3), voice(3) / 8, voice(3, seed=1)))
    muffled = np.apply_along_axis(lambda row: np.convolve(row, np.ones(16) / 16, "same"), 1, voice(3))
    dull = features(columns(given(muffled.astype(np.float32)), MEL))
    assert loud.shape == (count(MEL) - 1,)
    assert np.abs(loud - soft).max() < 0.05
    assert np.abs(loud - other).mean() < 0.3 < np.abs(loud - dull).mean()


def test_it_takes_a_moment_to_tell_and_as_many_coefficients_as_it_says():
    nobody = (*(0.0,) * (count(MEL) - 1), -1.0)
    assert not is_familiar(given(voice(1.0)), MEL, nobody)
    assert is_familiar(given(voice(0.15)), MEL, nobody), "too little to tell"
    with pytest.raises(ValueError, match=f"expected {count(MEL)} coefficients for 64 mel bins, got 3"):
        is_familiar(given(voice(1.0)), MEL, (0.0, 0.0, 0.0))


def test_beside_a_face_an_unfamiliar_voice_is_not_heard():
    seen = window()
    absent = dataclasses.replace(seen, waveform=None, states=(State.NO_SOUND,))
    knows, knows_none = recognizer(known=True), recognizer(known=False)
    ours, alone = knows_none.predict(seen), knows_none.predict(absent)
    assert furthest(ours, alone) == 0
    assert ours.states == (State.UNFAMILIAR_VOICE,)
    assert ours.rests_on is Basis.FACE and ours.trusted and ours.has_audio
    both = knows.predict(seen)
    assert both.states == () and both.rests_on is Basis.BOTH
    assert furthest(both, alone) > 0, "the voice would not matter"
    stepped = knows_none.predict(seen, knows_none.streaming_step())
    assert furthest(stepped, alone) < 1e-6


def test_without_a_face_it_is_heard_with_a_temperature_and_a_bias_of_its_own():
    heard = window(crops=[], frame_times=[], face=None, states=(State.NO_FACE,))
    first = SPEC.labels[0]
    bias = {Basis.UNFAMILIAR_VOICE.value: (5.0, *(0.0,) * (len(SPEC.labels) - 1))}
    temperatures = {Basis.VOICE.value: 1.0, Basis.UNFAMILIAR_VOICE.value: 4.0}
    unsure = {Basis.UNFAMILIAR_VOICE.value: 0.99}
    changes = {"logit_biases": bias, "temperatures": temperatures, "unsure_below": unsure}
    known, unknown = (recognizer(known, **changes).predict(heard) for known in (True, False))
    assert known.rests_on is Basis.VOICE and known.temperature == 1.0 and not known.unsure
    assert unknown.rests_on is Basis.UNFAMILIAR_VOICE and unknown.temperature == 4.0 and unknown.unsure
    assert State.UNFAMILIAR_VOICE in unknown.states and unknown.trusted
    odds = [np.log(p.probabilities[first] / p.probabilities[SPEC.labels[1]]) for p in (known, unknown)]
    assert odds[1] == pytest.approx((odds[0] + 5.0) / 4.0, abs=1e-4)


@pytest.mark.parametrize("state", [State.SILENCE, State.NO_VOICE])
def test_where_nobody_speaks_no_voice_is_unfamiliar(state):
    assert recognizer(known=False).predict(window(states=(state,))).states == (state,)


def test_weights_that_need_sound_hear_strangers_too():
    model = small_model()
    model.spec = dataclasses.replace(model.spec, handles_missing=())
    model.info = WeightsInfo("small", True, familiar_voice=(*(0.0,) * (count(model.spec.mel) - 1), -1.0))
    needs = EmotionRecognizer(model, "pytorch", "cpu", "fp32")
    found = needs.predict(window())
    assert furthest(found, needs.predict(window(states=(State.UNFAMILIAR_VOICE,)))) == 0
    assert State.UNFAMILIAR_VOICE in found.states


def test_what_weights_know_is_kept_in_their_file_and_must_fit_it(tmp_path):
    model = small_model()
    info = WeightsInfo(
        "small",
        True,
        logit_biases={"face": (1.0, *(0.0,) * (len(SPEC.labels) - 1))},
        familiar_voice=(*(0.5,) * (count(SPEC.mel) - 1), -1.0),
    )
    model.info = info
    path = checkpoint.save_model(model, tmp_path / "small.safetensors")
    assert checkpoint.load_model(path).info == info
    for changes, words in (
        ({"familiar_voice": (1.0, 2.0)}, f"2 coefficients of familiar voices; {SPEC.mel.bins} mel bins want"),
        ({"logit_biases": {"voice": (1.0,)}}, f"1 logit biases for {len(SPEC.labels)} classes"),
    ):
        model.info = dataclasses.replace(info, **changes)
        checkpoint.save_model(model, tmp_path / "wrong.safetensors")
        with pytest.raises(ValueError, match=words):
            checkpoint.load_model(tmp_path / "wrong.safetensors")
    with pytest.raises(ValueError, match="logit_biases may hold both, face, voice, unfamiliar voice"):
        WeightsInfo(logit_biases={"nose": (1.0,)})
    with pytest.raises(ValueError, match="familiar_voice must hold finite numbers"):
        WeightsInfo(familiar_voice=(float("nan"),))
