"""Which frames and which sound of a clip the model sees: the published rules, and the fixes that replace them."""

import dataclasses
import json

import numpy as np
import pytest

from mmadfer.config import InputSpec
from mmadfer.data.prepared import PreparedClip
from mmadfer.data.sampling import Sampling, mel_seconds, pick, train_indices, two_clip_indices

SPEC = InputSpec()
PAPER = Sampling(train=True)
FIXED = Sampling(train=True, order="natural", tail=True, span=True)
TEST = Sampling(train=False)


def clip(num_frames, fps=25.0, mel_frames=300):
    """Return a clip of which only the lengths matter."""
    return PreparedClip("a", "fear", {}, num_frames, fps, mel_frames, 44_100)


def draws(n, tail=False, times=2000):
    """Return many draws from a clip of n frames: (times, 16)."""
    rng = np.random.default_rng(3)
    return np.array([train_indices(n, rng, tail=tail) for _ in range(times)])


@pytest.mark.parametrize("n", [16, 17, 31, 32, 42, 70, 80, 124, 182])
def test_a_training_frame_lies_anywhere_in_its_part_and_never_in_the_rest(n):
    found, d = draws(n), n // 16
    for k in range(16):
        assert set(found[:, k]) == set(range(k * d, (k + 1) * d)), f"part {k} of {n} frames"
    assert found.max() == 16 * d - 1  # the last n % 16 frames are never drawn


def test_frames_of_a_part_are_drawn_equally_often_and_independently():
    found = draws(80, times=8000) - 5 * np.arange(16)
    shares = np.array([np.bincount(part, minlength=5) for part in found.T]) / 8000
    assert np.abs(shares - 0.2).max() < 0.02, f"largest deviation {np.abs(shares - 0.2).max()}"
    correlation = np.corrcoef(found.T) - np.eye(16)
    assert np.abs(correlation).max() < 0.05, f"largest correlation {np.abs(correlation).max()}"


@pytest.mark.parametrize("n", [16, 17, 31, 42, 79, 182])
def test_with_the_tail_every_frame_can_be_drawn(n):
    found = draws(n, tail=True)
    assert set(found.ravel()) == set(range(n))
    assert (np.diff(found, axis=1) > 0).all()
    parts = [len(set(part)) for part in found.T]
    assert max(parts) - min(parts) <= 1


@pytest.mark.parametrize("tail", [False, True])
def test_short_clips_are_sampled_as_at_test_time(tail):
    assert draws(5, tail, 1).tolist() == [[0, 1, 2, 3] + 12 * [4]]
    assert draws(1, tail, 1).tolist() == [16 * [0]]


@pytest.mark.parametrize("order", ["text", "natural"])
def test_test_time_frames_are_the_official_ones(golden, order):
    expected = json.loads((golden / "test_indices.json").read_text())
    for n, indices in expected.items():
        chosen = pick(Sampling(train=False, order=order), clip(int(n)), SPEC, np.random.default_rng(), range(int(n)))
        assert (list(chosen.positions), chosen.first_column) == (indices, 0), f"{n} frames"


def test_both_clips_of_two_spread_over_all_frames_and_share_none():
    for n in (32, 33, 70, 200):
        first, second = two_clip_indices(n)
        merged = [index for pair in zip(first, second, strict=True) for index in pair]
        assert merged == sorted(set(merged)) and len(merged) == 32
        assert max(np.diff(merged)) - min(np.diff(merged)) <= 1
        assert merged[0] == n // 64 and merged[-1] == int(63 * n / 64)
        views = [pick(Sampling(train=False, view=v), clip(n), SPEC, None, range(n)) for v in ("first", "second")]
        assert [list(view.positions) for view in views] == [first, second]
    assert two_clip_indices(4) == ([0, 1, 2] + 13 * [3], [0, 1, 2] + 13 * [3])


def test_text_order_is_the_order_of_unpadded_names():
    names = [f"{i}.jpg" for i in range(80)]
    order = [names.index(name) for name in sorted(names)]
    assert order[:4] == [0, 1, 10, 11]
    for sampling in (PAPER, TEST):
        text, natural = (
            pick(dataclasses.replace(sampling, order=o), clip(80), SPEC, np.random.default_rng(5), order)
            for o in ("text", "natural")
        )
        assert list(text.positions) == [order[k] for k in natural.positions] != sorted(text.positions)


@pytest.mark.parametrize("train", [True, False])
def test_frames_and_sound_are_of_the_same_span(train):
    """The frames of 10 s at 25 1/s with their sound; the sound's first column is where the span's first frame is."""
    sampling, starts = dataclasses.replace(FIXED, train=train), set()
    for seed in range(300):
        rng, again = np.random.default_rng(seed), np.random.default_rng(seed)
        chosen = pick(sampling, clip(250, mel_frames=998), SPEC, rng, [])
        seconds = np.array(chosen.positions) / 25
        start = chosen.first_column * 0.010
        start_frame = int(again.integers(123)) if train else 61
        assert abs(start - start_frame / 25) <= 0.005 + 1e-9
        assert start - 0.005 <= seconds.min() and seconds.max() + 1 / 25 <= start + 5.135 + 0.005
        assert seconds.max() - seconds.min() > 4.3  # spread over all of it
        starts.add(start_frame)
    assert len(starts) > 100 if train else starts == {61}


def test_views_of_a_span_are_its_start_and_its_end():
    views = [
        pick(Sampling(train=False, order="natural", span=True, view=v), clip(250, mel_frames=998), SPEC, None, [])
        for v in ("first", "second")
    ]
    assert [view.first_column for view in views] == [0, round((250 - 128) / 25 * 100)]
    assert views[0].positions[0] < 8 and views[1].positions[-1] > 241


@pytest.mark.parametrize("fps, mel_frames", [(25.0, 300), (0.0, 300), (0.0, 0), (29.97, 0)])
def test_a_clip_that_fits_is_taken_whole(fps, mel_frames):
    chosen = pick(dataclasses.replace(FIXED, train=False), clip(75, fps, mel_frames), SPEC, None, [])
    assert (chosen.positions[0], chosen.positions[-1], chosen.first_column) == (2, 72, 0)


def test_where_the_frame_rate_is_unknown_the_frames_are_spread_over_the_sound():
    known = pick(FIXED, clip(250, 25.0, 998), SPEC, np.random.default_rng(8), [])
    assert mel_seconds(998, SPEC.mel) == pytest.approx(9.995)
    assert pick(FIXED, clip(250, 0.0, 998), SPEC, np.random.default_rng(8), []) == known


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"order": "random"}, "must be one of text, natural; got 'random'"),
        ({"view": "third"}, "must be one of whole, first, second; got 'third'"),
        ({"view": "first"}, "for test time"),
        ({"span": True}, "must be in natural order"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Sampling(**{"train": True, **wrong})


def test_no_frame_is_an_error():
    with pytest.raises(ValueError, match="num_frames"):
        train_indices(0, np.random.default_rng())
