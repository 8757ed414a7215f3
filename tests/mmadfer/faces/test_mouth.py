"""How much a mouth moves, and whose voice it is."""

from __future__ import annotations

import numpy as np
import pytest

from mmadfer.faces.mouth import MouthWatch, speaker

FPS = 15.0
TIMES = np.arange(0.0, 3.0, 0.05)
LEVELS = np.abs(np.sin(2 * np.pi * 1.3 * TIMES))


def crop(opening: float = 0.0, shade: int = 0) -> np.ndarray:
    """Return a plain face whose mouth is open by a share of its part of the picture."""
    made = np.full((112, 112, 3), 150 + shade, np.uint8)
    made[84 : 84 + round(20 * opening), 36:76] = 20
    return made


def moved(values: list[np.ndarray]) -> list[float | None]:
    watch = MouthWatch()
    return [watch.push(value, k / FPS) for k, value in enumerate(values)]


def test_a_mouth_moves_and_a_head_or_a_lamp_is_no_mouth() -> None:
    assert moved([crop()] * 3) == [None, 0.0, 0.0]
    opened = moved([crop(0.0), crop(1.0), crop(1.0)])
    assert opened[1] > 0.1 and opened[2] == 0.0
    assert max(value or 0.0 for value in moved([crop(0.3, shade) for shade in (0, 30, 0, 30)])) < 0.02
    rolled = [np.roll(crop(0.5), k, axis=1) for k in (0, 8, 0)]
    textured = [np.where(np.indices((112, 112))[0][..., None] < 70, value // 2, value) for value in rolled]
    assert all((value or 0.0) < 0.1 for value in moved(textured))


def test_what_is_no_neighbour_is_not_compared() -> None:
    watch = MouthWatch()
    assert watch.push(crop(), 0.0) is None
    assert watch.push(crop(1.0), 0.6) is None, "half a second apart"
    assert watch.push(None, 0.7) is None
    assert watch.push(crop(), 0.8) is None, "the face had gone"


def with_sound(share: float, noise: float = 0.0) -> list[tuple[float, float]]:
    rng = np.random.default_rng(3)
    at = np.arange(0.05, 3.0, 1 / FPS)
    values = share * np.interp(at, TIMES, LEVELS) + noise * rng.random(len(at))
    return list(zip(at.tolist(), values.tolist(), strict=True))


@pytest.mark.parametrize(
    ("mouths", "expected"),
    [
        ({1: with_sound(0.0, 0.002), 2: with_sound(0.1)}, 2),
        ({1: with_sound(0.1, 0.02), 2: with_sound(0.0, 0.01), 3: with_sound(0.0)}, 1),
        ({1: with_sound(0.1), 2: with_sound(0.08)}, None),  # both speak
        ({1: with_sound(0.0, 0.1), 2: with_sound(0.0, 0.002)}, None),  # chews: not with the sound
        ({1: with_sound(0.0), 2: with_sound(0.0)}, None),
        ({1: with_sound(0.002), 2: with_sound(0.0)}, None),  # noise of the camera
        ({1: with_sound(0.1)}, None),  # nobody else is read
        ({1: with_sound(0.1), 2: with_sound(0.0)[:5]}, None),  # has just come
    ],
)
def test_whose_voice_it_is(mouths: dict[int, list[tuple[float, float]]], expected: int | None) -> None:
    assert speaker(mouths, TIMES, LEVELS) == expected


def test_without_sound_it_is_nobodys() -> None:
    mouths = {1: with_sound(0.1), 2: with_sound(0.0)}
    assert speaker(mouths, TIMES, np.zeros_like(LEVELS)) is None
    assert speaker(mouths, TIMES[:1], LEVELS[:1]) is None
