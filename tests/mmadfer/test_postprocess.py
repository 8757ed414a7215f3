"""From logits to an answer."""

import math

import numpy as np
import pytest

from mmadfer.config import InputSpec
from mmadfer.postprocess import ProbabilitySmoother, probabilities, softmax, trusted
from mmadfer.types import Basis, State, WeightsInfo


def test_softmax_with_temperature():
    values = probabilities([1.0, 3.0], ("a", "b"))
    assert values["b"] == pytest.approx(1 / (1 + math.exp(-2)))
    assert sum(values.values()) == pytest.approx(1)
    calm = probabilities([1.0, 3.0], ("a", "b"), temperature=2.0)
    assert calm["b"] == pytest.approx(1 / (1 + math.exp(-1)))
    assert probabilities([1000.0, 0.0], ("a", "b")) == {"a": 1.0, "b": 0.0}


def test_the_bias_comes_before_the_temperature():
    values = probabilities([1.0, 3.0], ("a", "b"), temperature=2.0, bias=(5.0, 0.0))
    assert values["a"] == pytest.approx(1 / (1 + math.exp((3.0 - 6.0) / 2.0)))
    many = softmax(np.array([[1.0, 3.0], [0.0, 0.0]]), 2.0, (5.0, 0.0))
    np.testing.assert_allclose(many[0], list(values.values()))
    np.testing.assert_allclose(many.sum(axis=1), 1)
    with pytest.raises(ValueError, match="expected 2 logit biases, one for each class, got 3"):
        softmax(np.zeros(2), bias=(1.0, 2.0, 3.0))


@pytest.mark.parametrize(("logits", "message"), [([1.0], "expected 2 logits"), ([1.0, np.nan], "not finite")])
def test_wrong_logits_are_refused(logits, message):
    with pytest.raises(ValueError, match=message):
        probabilities(logits, ("a", "b"))


@pytest.mark.parametrize(
    ("states", "handles", "expected"),
    [
        ((), ("audio",), True),
        ((State.NO_SOUND, State.WINDOW_FILLING), ("audio",), True),
        ((State.NO_SOUND,), (), False),
        ((State.NO_VOICE,), ("audio",), True),
        ((State.NO_VOICE,), (), True),  # they hear the sound all the same
        ((State.NO_VOICE, State.NO_FACE), ("audio", "face"), False),
        ((State.SILENCE, State.NO_FACE), ("audio", "face"), False),
        ((State.NO_FACE,), ("audio",), False),
        ((State.NO_FACE,), ("audio", "face"), True),
        ((State.UNTRAINED,), ("audio", "face"), False),
    ],
)
def test_an_answer_is_trusted_only_where_the_weights_bear_what_is_missing(states, handles, expected):
    assert trusted(states, InputSpec(handles_missing=handles)) is expected


def test_smoothing_moves_63_percent_in_one_time_constant_and_keeps_the_sum():
    smoother = ProbabilitySmoother(2.0)
    assert smoother.push(0.0, {"a": 1.0, "b": 0.0}) == {"a": 1.0, "b": 0.0}
    after = smoother.push(2.0, {"a": 0.0, "b": 1.0})
    assert after["b"] == pytest.approx(1 - math.exp(-1))
    assert sum(after.values()) == pytest.approx(1)
    assert smoother.push(1.0, {"a": 0.0, "b": 1.0}) == {"a": 0.0, "b": 1.0}  # the clock went back: a seek
    smoother.reset()
    assert smoother.push(9.0, {"a": 0.5, "b": 0.5}) == {"a": 0.5, "b": 0.5}


def test_no_smoothing_and_wrong_time_constant():
    smoother = ProbabilitySmoother()
    smoother.push(0.0, {"a": 1.0})
    assert smoother.push(0.1, {"a": 0.3}) == {"a": 0.3}
    with pytest.raises(ValueError, match="0 or more seconds"):
        ProbabilitySmoother(-1)


@pytest.mark.parametrize(
    ("states", "basis"),
    [
        ((), Basis.BOTH),
        ((State.WINDOW_FILLING, State.FACE_LOST, State.SOUND_GAP), Basis.BOTH),
        ((State.SILENCE,), Basis.FACE),
        ((State.NO_SOUND,), Basis.FACE),
        ((State.NO_VOICE,), Basis.FACE),
        ((State.NO_FACE,), Basis.VOICE),
        ((State.NO_FACE, State.NO_VOICE), None),
    ],
)
def test_an_answer_rests_on_what_is_there(states, basis):
    assert Basis.of(states) is basis


def test_each_basis_has_its_own_temperature_and_threshold():
    info = WeightsInfo("w", True, temperature=1.5, temperatures={"voice": 3.0}, unsure_below={"voice": 0.4})
    assert [info.temperature_for(basis) for basis in Basis] == [1.5, 1.5, 3.0, 1.5]
    assert [info.threshold_for(basis) for basis in Basis] == [0.0, 0.0, 0.4, 0.0]
    assert (info.temperature_for(None), info.threshold_for(None)) == (1.5, 0.0)
    assert WeightsInfo.from_json(info.to_json()) == info
