"""The classes' colours: any two of a theme are told apart, with deutan and protan sight too, and stand out from it."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from mmadfer.config import DFEW_LABELS, MAFW_LABELS
from tests.support.colors import SIGHTS, contrast, difference, lab, linear
from tests.support.places import ROOT

PAGE = ROOT / "demo" / "page"
GROUNDS = {"light": ("#ffffff", "#eceef2"), "dark": ("#171b24", "#262c38")}
LEAST, LEAST_OF_ALL = 13.0, 7.0
"""CIEDE2000, of DFEW's seven classes and of MAFW's eleven; below 5 two colours are the same to most people."""


def palette(theme: str) -> dict[str, str]:
    found = re.findall(r'(\w+): \["(#[0-9a-f]{6})", "(#[0-9a-f]{6})"\]', (PAGE / "colors.js").read_text("utf-8"))
    assert len(found) >= 7
    return {name: light if theme == "light" else dark for name, light, dark in found}


def test_the_measure_of_difference_is_the_standards_own() -> None:
    # Pairs of Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula" (2005), table 1.
    pairs = [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
        ((50.0, -1.0, 2.0), (50.0, 0.0, 0.0), 2.3669),
    ]
    for one, other, expected in pairs:
        assert difference(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("theme", GROUNDS)
@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_classes_are_told_apart(theme: str, sight: str) -> None:
    seen = {name: lab(np.clip(SIGHTS[sight] @ linear(color), 0, 1)) for name, color in palette(theme).items()}
    assert set(seen) == set(MAFW_LABELS)
    for labels, least in ((DFEW_LABELS, LEAST), (MAFW_LABELS, LEAST_OF_ALL)):
        near = {(a, b): difference(seen[a], seen[b]) for a, b in combinations(labels, 2)}
        pair = min(near, key=near.__getitem__)
        assert near[pair] >= least, f"{pair[0]} and {pair[1]} differ by {near[pair]:.1f}"


@pytest.mark.parametrize("theme", GROUNDS)
def test_every_class_stands_out_from_its_ground(theme: str) -> None:
    for name, color in palette(theme).items():
        for ground in GROUNDS[theme]:
            assert contrast(color, ground) >= 3, f"{name} on {ground}: {contrast(color, ground):.2f}"


def test_the_grounds_are_those_of_the_style_sheet() -> None:
    style = (PAGE / "live.css").read_text("utf-8")
    for ground in (color for theme in GROUNDS.values() for color in theme):
        assert f": {ground};" in style
