"""Training's pixels: what PIL makes of the same draws, in any batch; and the distribution of the draws."""

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.support.official_pipeline import augmented
from mmadfer.preprocess import frame_to_tensor
from train.augmentation import Augmentation, Draw
from train.input import augment

SIDE = 224
MANY = 20_000


@pytest.fixture(scope="module")
def faces(clips):
    """Four photographs of faces as a clip: (4, SIDE, SIDE, 3) uint8."""
    names = ("obama.jpg", "biden.jpg", "pyfeat_single_face.jpg")
    photos = [Image.open(clips / name).convert("RGB") for name in names]
    cuts = [*(photo.resize((SIDE, SIDE)) for photo in photos), photos[0].crop((200, 200, 200 + SIDE, 200 + SIDE))]
    return torch.from_numpy(np.stack([np.asarray(cut) for cut in cuts]))


@pytest.fixture(scope="module")
def draws():
    return [Augmentation().draw(1, 0, index) for index in range(MANY)]


def levels(frames):
    """Return frames in [0, 1] as what they are multiples of 1/255 of."""
    whole = (frames * 255).round()
    assert (frames * 255 - whole).abs().max() < 1e-3
    return whole


@pytest.mark.parametrize("on_bytes", [True, False], ids=["as on a CPU", "as on a GPU"])
@pytest.mark.parametrize("size", [48, 112, 160, 224, 300])
def test_pixels_are_those_of_pil(faces, draws, size, on_bytes, monkeypatch):
    monkeypatch.setattr(augment, "_works_on_bytes", lambda _: on_bytes)
    chosen = [*draws[:40], Draw(1.3), Draw(flip=True), Draw(width=min(1, size / SIDE), height=0.5, y=0.99)]
    found = levels(augment.apply(faces.expand(len(chosen), -1, -1, -1, -1), chosen, size))
    assert found.shape == (len(chosen), 4, 3, size, size)
    pictures = [Image.fromarray(face) for face in faces.numpy()]
    expected = torch.stack([augmented(pictures, draw, size) for draw in chosen])
    difference = (found - levels(expected)).abs()
    assert difference.max() <= 1, f"largest difference {difference.max()} of 255"
    assert difference.mean() < 0.2, f"mean difference {difference.mean()} of 255"


@pytest.mark.parametrize("factor", [0.0, 0.5, 0.77, 0.9999, 1.0, 1.0001, 1.2, 1.37, 1.5])
@pytest.mark.parametrize("on_bytes", [True, False])
def test_brightness_is_exactly_that_of_pil(factor, on_bytes, monkeypatch):
    monkeypatch.setattr(augment, "_works_on_bytes", lambda _: on_bytes)
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    expected = augmented([Image.fromarray(ramp)], Draw(factor), 16)
    found = augment.apply(torch.from_numpy(ramp)[None, None], [Draw(factor)], 16)[0]
    assert torch.equal(found, expected), f"largest difference {255 * (found - expected).abs().max()} of 255"


@pytest.mark.parametrize("size", [48, 112, 224, 300])
def test_at_test_time_pixels_are_those_of_the_recogniser(faces, size):
    found = augment.apply(faces[None], None, size)[0]
    expected = torch.stack([frame_to_tensor(face, size) for face in faces])
    assert 255 * (found - expected).abs().max() <= 1.001
    assert size != SIDE or torch.equal(found, expected)


def test_a_clip_does_not_depend_on_its_batch(faces, draws):
    batch = torch.stack([faces, faces.flip(1), faces // 2])
    together = augment.apply(batch, draws[:3], 96)
    alone = [augment.apply(clip[None], [draw], 96)[0] for clip, draw in zip(batch, draws, strict=False)]
    assert torch.equal(together, torch.stack(alone))


@pytest.mark.gpu
def test_a_gpu_makes_the_same_pixels(faces, draws):
    batch = faces.expand(60, -1, -1, -1, -1)
    for size in (112, 160, 224):
        with torch.autocast("cuda", torch.bfloat16):
            found = augment.apply(batch.cuda(), draws[:60], size).cpu()
        difference = 255 * (found - augment.apply(batch, draws[:60], size)).abs().max()
        assert difference <= 1.001, f"largest difference {difference} of 255"


def test_draws_depend_on_seed_epoch_and_clip_alone(draws):
    changed = Augmentation()
    assert changed.draw(1, 0, 7) == draws[7]
    others = [changed.draw(2, 0, 7), changed.draw(1, 1, 7), changed.draw(1, 0, 8)]
    assert len({draws[7], *others}) == 4
    assert len({draw.brightness for draw in draws}) == MANY


def test_draws_spread_as_published(draws):
    brightness = np.array([draw.brightness for draw in draws])
    assert brightness.min() >= 0.5 and brightness.max() <= 1.5
    assert largest_gap(brightness, 0.5, 1.5) < 0.015
    assert np.mean([draw.flip for draw in draws]) == pytest.approx(0.5, abs=0.015)
    assert largest_gap([draw.x for draw in draws], 0, 1) < 0.015
    assert largest_gap([draw.y for draw in draws], 0, 1) < 0.015


def test_crops_spread_as_published(draws):
    """Area and aspect are even where every crop fits; each lies upright as often as on its side."""
    width, height = np.array([draw.width for draw in draws]), np.array([draw.height for draw in draws])
    area, aspect = width * height, width / height
    assert width.max() <= 1 and height.max() <= 1
    assert 0.08 <= area.min() < 0.081 and 0.98 < area.max() <= 1
    assert 0.75 - 1e-9 <= aspect.min() < 0.751 and 1.332 < aspect.max() <= 4 / 3 + 1e-9
    fits = area < 0.75  # at any aspect that is drawn
    assert largest_gap(area[fits], 0.08, 0.75) < 0.015
    turned = np.where(np.random.default_rng(0).random(MANY) < 0.5, 1, -1)
    even = np.random.default_rng(1).uniform(3 / 4, 4 / 3, MANY) ** turned
    quantiles = np.linspace(0.02, 0.98, 25)
    gap = np.abs(np.quantile(aspect[fits], quantiles) - np.quantile(even, quantiles)).max()
    assert gap < 0.02, f"largest gap between quantiles of the aspect {gap}"


def largest_gap(values, low, high):
    """Return the largest distance between the values' distribution and the even one (Kolmogorov-Smirnov)."""
    values = np.sort(values)
    even = (values - low) / (high - low)
    steps = np.arange(len(values) + 1) / len(values)
    return max(np.abs(even - steps[1:]).max(), np.abs(even - steps[:-1]).max())


@pytest.mark.parametrize("side", [1, 7, 112, 224])
def test_boxes_lie_in_the_frame_and_reach_its_edges(draws, side):
    boxes = np.array([draw.box(side) for draw in draws])
    assert boxes[:, :2].min() == 0 and boxes[:, 2:].min() >= 1
    assert (boxes[:, :2] + boxes[:, 2:]).max(axis=0).tolist() == [side, side]
    small = boxes[boxes[:, 2] == boxes[:, 2].min(), 0]
    assert set(small) <= set(range(side - boxes[:, 2].min() + 1))


def test_an_augmentation_can_be_switched_off(faces):
    nothing = Augmentation(brightness=(1.0, 1.0), area=(1.0, 1.0), aspect=(1.0, 1.0), flip=0.0)
    draw = nothing.draw(1, 2, 3)
    assert (draw.brightness, draw.box(SIDE), draw.flip) == (1.0, (0, 0, SIDE, SIDE), False)
    assert torch.equal(augment.apply(faces[None], [draw], 112), augment.apply(faces[None], None, 112))


@pytest.mark.parametrize(
    "wrong",
    [{"brightness": (1.5, 0.5)}, {"area": (0.0, 1.0)}, {"area": (0.5, 1.5)}, {"aspect": (1.0,)}, {"flip": 1.5}],
)
def test_impossible_ranges_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augmentation(**wrong)


def test_wrong_frames_are_refused(faces):
    for frames in (faces[None].float(), faces, faces[None, :, :100]):
        with pytest.raises(ValueError, match="frames must be uint8 of shape"):
            augment.apply(frames, None, 112)
    with pytest.raises(ValueError, match="1 clips need as many draws, got 2"):
        augment.apply(faces[None], [Draw(), Draw()], 112)
