"""How far an answer by the step may be off, from what was seen, and how far it may move to stay within the limit."""

import math

import numpy as np
import pytest
import torch

from mmadfer.postprocess import softmax
from mmadfer.stream.kept import KeptFrame, KeptSound, context_change, renewed
from mmadfer.stream.step_error import LIMIT, Response, allowed_shift, shift
from mmadfer.types import Basis, WeightsInfo

PLAIN = WeightsInfo()


@pytest.mark.parametrize(
    ("seen", "change", "expected"),
    [
        ([], 0.0, 0.0),
        ([], 0.1, math.inf),
        ([(1.0, 0.03)], 1.0, 0.06),
        ([(1.0, 0.03)], 0.5, 0.03),
        ([(1.0, 0.03)], 2.0, 0.12),
        ([(1.0, 0.03)], 2.1, math.inf),
        ([(1.0, 0.03), (0.5, 0.05)], 1.0, 0.2),
        ([(1.0, 0.03), (10.0, 0.03)], 20.0, 1.2),
        ([(1.0, math.nan), (math.inf, 0.1), (0.0, 0.1)], 0.1, math.inf),
    ],
)
def test_the_strongest_response_seen_counts_twice_and_nothing_is_known_far_beyond(seen, change, expected):
    response = Response(noise=0.0)
    for pair in seen:
        response.observe(*pair)
    assert response.expect(change) == pytest.approx(expected)


def test_changes_as_small_as_noise_do_not_make_a_response_steep():
    response = Response(noise=0.25)
    response.observe(0.01, 0.02)
    assert response.expect(0.02) == pytest.approx(2 * 0.02 / 0.26 * 0.27)


def test_what_is_assumed_holds_until_something_is_seen():
    response = Response(0.0, assumed=(0.4, 0.1))
    assert (response.expect(0.4), response.expect(0.41)) == (pytest.approx(0.04), math.inf)
    response.observe(1.0, 0.0)
    assert (response.expect(0.4), response.expect(2.0), response.expect(2.1)) == (0.0, 0.0, math.inf)


def test_old_comparisons_are_forgotten():
    response = Response(0.0)
    response.observe(1.0, 5.0)
    for _ in range(64):
        response.observe(1.0, 0.01)
    assert response.expect(1.0) == pytest.approx(0.02)


@pytest.mark.parametrize("info", [PLAIN, WeightsInfo(temperature=2.0), WeightsInfo(logit_bias=(0.5, -1.0, 0.0))])
@pytest.mark.parametrize("logits", [(0.0, 0.0, 0.0), (6.0, 0.0, -6.0), (2.0, 1.0, 0.5), (-30.0, 30.0, 0.0)])
def test_no_logits_within_the_allowed_shift_move_a_probability_by_more_than_the_limit(logits, info):
    given = torch.tensor([logits])
    most = allowed_shift(given, info)
    rng = np.random.default_rng(0)
    reached = 0.0
    for low_or_high in [*np.eye(3), *(1 - np.eye(3)), *rng.random((50, 3))]:
        moved = given + torch.tensor(most * info.temperature * low_or_high, dtype=torch.float32)
        assert shift(moved, given, info) <= most * (1 + 1e-4) + 1e-5
        pair = [softmax(values[0].numpy(), info.temperature, info.logit_bias) for values in (given, moved)]
        reached = max(reached, float(np.abs(pair[0] - pair[1]).max()))
    assert reached <= LIMIT + 1e-5, f"{reached:.5f}"
    # and it is no smaller than it must be: the least sure class reaches half of the limit and more
    assert reached > LIMIT / 2 or most > 10


OF_A_FACE = WeightsInfo(
    temperature=2.0,
    temperatures={"face": 0.5, "voice": 8.0},
    logit_bias=(0.5, -1.0, 0.0),
    logit_biases={"voice": (0.0, 2.0, 0.0)},
)


@pytest.mark.parametrize("basis", [*Basis])
@pytest.mark.parametrize("logits", [(0.0, 0.0, 0.0), (2.0, 1.0, 0.5)])
def test_the_bound_holds_at_the_temperature_of_the_answer(logits, basis):
    given, temperature = torch.tensor([logits]), OF_A_FACE.temperature_for(basis)
    most, reached = allowed_shift(given, OF_A_FACE, basis), 0.0
    for low_or_high in [*np.eye(3), *(1 - np.eye(3))]:
        moved = given + torch.tensor(most * OF_A_FACE.temperature * low_or_high, dtype=torch.float32)
        assert shift(moved, given, OF_A_FACE) == pytest.approx(most, rel=1e-3)
        pair = [softmax(values[0].numpy(), temperature, OF_A_FACE.bias_for(basis)) for values in (given, moved)]
        reached = max(reached, float(np.abs(pair[0] - pair[1]).max()))
    assert LIMIT / 2 < reached <= LIMIT + 1e-5, f"{reached:.5f}"


def test_an_answer_that_is_not_known_is_taken_for_the_least_sure_one():
    assert allowed_shift(None, PLAIN) == pytest.approx(allowed_shift(torch.zeros(1, 2), PLAIN))
    assert allowed_shift(None, PLAIN) < allowed_shift(torch.tensor([[4.0, 0.0]]), PLAIN)


def frame(time, heard=1.0, crop=None):
    """Return a kept frame that heard a sound of this loudness, so to say."""
    crop = np.zeros((4, 4, 3), np.uint8) if crop is None else crop
    return KeptFrame(time, crop, torch.zeros(2), torch.zeros(3, 2), torch.full((3, 2), heard))


@pytest.mark.parametrize(
    ("time", "crop", "expected"),
    [
        (1.0, np.zeros((4, 4, 3), np.uint8), 0.0),
        (1.0, np.full((4, 4, 3), 5, np.uint8), 5.0),
        (2.0, np.full((4, 4, 3), 255, np.uint8), 255.0),
        (1.0, np.zeros((5, 4, 3), np.uint8), math.inf),
        (1.0, np.zeros((4, 4, 3), np.float32), math.inf),
        (1.0, [[0]], math.inf),
    ],
)
def test_pictures_differ_by_their_grey_levels_and_others_than_pictures_altogether(time, crop, expected):
    assert frame(1.0).differs_from(time, crop) == pytest.approx(expected)


def test_the_change_of_the_sound_is_in_lengths_of_its_means_and_over_the_whole_window():
    sound = KeptSound(1.0, False, torch.zeros(1, 2), torch.full((3, 2), 2.0), torch.zeros(1, 1, 64, 32))
    assert context_change([], sound, 16) == 0.0
    assert context_change([frame(0.0, 1.0)], sound, 16) == pytest.approx(0.5 / 16)
    assert context_change([frame(0.0, 1.0), frame(0.1, 2.0), frame(0.2, -2.0)], sound, 4) == pytest.approx(2.5 / 4)


def test_kept_frames_end_with_the_window_on_both_sides_and_are_bounded():
    kept = renewed([frame(k / 10) for k in range(10)], [frame(0.5, heard=7.0), frame(0.85)], start=0.2, end=0.8)
    assert [round(f.time, 2) for f in kept] == [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85]
    assert kept[2].heard[0, 0] == 7.0
    assert len(renewed([frame(k / 1000) for k in range(3000)], [], 0.0, 3.0)) <= 100
