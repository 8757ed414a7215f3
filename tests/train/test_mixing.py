"""Mixup and CutMix: shares, labels and what of a clip is another one's."""

import pytest
import torch

from train.mixing import Mixing, mixed


def batch(count=8, side=12):
    frames = torch.arange(count, dtype=torch.float32).view(count, 1, 1, 1, 1).expand(count, 2, 3, side, side)
    sound = 10 + torch.arange(count, dtype=torch.float32).view(count, 1, 1, 1).expand(count, 1, 6, 4)
    return frames, sound, torch.arange(count) % 7


def test_nothing_is_mixed_where_no_share_is_asked_for():
    frames, sound, labels = batch()
    made = mixed(frames, sound, labels, 7, Mixing())
    assert torch.equal(made[0], frames) and torch.equal(made[1], sound)
    assert torch.equal(made[2].argmax(1), labels) and (made[2].sum(1) == 1).all()


def test_mixup_weighs_faces_sound_and_labels_alike():
    torch.manual_seed(3)
    frames, sound, labels = batch()
    faces, heard, targets = mixed(frames, sound, labels, 7, Mixing(1.0, 1.0, 0.0))
    for k in range(8):
        own = (faces[k, 0, 0, 0, 0] - (7 - k)) / (k - (7 - k))
        assert 0 <= own <= 1
        assert torch.allclose(faces[k], faces[k, 0, 0, 0, 0].expand_as(faces[k]))
        assert heard[k, 0, 0, 0] == pytest.approx(float(own * (10 + k) + (1 - own) * (17 - k)), abs=1e-4)
        if labels[k] != labels[7 - k]:
            assert targets[k, labels[k]] == pytest.approx(float(own), abs=1e-5)
        assert targets[k].sum() == pytest.approx(1.0, abs=1e-6)


def test_cutmix_puts_a_box_of_another_clip_into_one_and_counts_its_area():
    torch.manual_seed(1)
    frames, sound, labels = batch()
    faces, _, targets = mixed(frames, sound, labels, 7, Mixing(1.0, 0.0, 1.0))
    for k in range(8):
        own = (faces[k, 0, 0] == k).float()
        assert torch.equal(own, 1 - (faces[k, 0, 0] == 7 - k).float()), "each pixel is of one of the two"
        rows, columns = (1 - own).nonzero(as_tuple=True)
        if len(rows):
            box = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
            assert box == len(rows), "what was put in is a rectangle"
        if labels[k] != labels[7 - k]:
            assert targets[k, labels[k]] == pytest.approx(float(own.mean()), abs=1e-6)


def test_a_share_of_the_batches_is_mixed():
    torch.manual_seed(0)
    frames, sound, labels = batch()
    changed = [not torch.equal(mixed(frames, sound, labels, 7, Mixing(0.3, 0.4, 1.0))[1], sound) for _ in range(300)]
    assert sum(changed) / 300 == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((1.5, 0.8, 0.0), "share must be from 0 to 1, got 1.5"),
        ((0.5, -1.0, 0.0), "mixup must be 0 or more and finite"),
        ((0.5, 0.8, float("nan")), "cutmix must be 0 or more and finite"),
        ((0.5, 0.0, 0.0), "needs mixup or cutmix above 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        Mixing(*values)
