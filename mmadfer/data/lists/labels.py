"""Names of classes: one name for each, in one order, whatever a data set calls them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from mmadfer.config import MAFW_LABELS
from mmadfer.data.lists.spelling import plain

_OTHER_NAMES = {
    "happy": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "surprised": "surprise",
    "disgusted": "disgust",
    "fearful": "fear",
}
_LIKENESS = 0.8
"""Two names at least so alike are taken for one name and a misspelling of it."""


def canonical(name: str) -> str:
    """Return the project's name of the class ``name``: lower case, and the noun for the known emotions."""
    name = plain(name).lower()
    return _OTHER_NAMES.get(name, name)


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Return ``labels`` without repetitions: the known emotions as official weights order them, then others by name."""
    known = {label: index for index, label in enumerate(MAFW_LABELS)}
    return tuple(sorted(set(labels), key=lambda label: (known.get(label, len(known)), label)))


def likely_misspelling(labels: Iterable[str]) -> tuple[str, str] | None:
    """Return (a label, the one that it is probably meant to be) where two are too alike; None where none are."""
    labels = in_order(labels)
    for label in labels:
        if label not in MAFW_LABELS:
            others = [
                other for other in (*MAFW_LABELS, *labels) if other != label and not _differ_by_number(label, other)
            ]
            meant = difflib.get_close_matches(label, others, n=1, cutoff=_LIKENESS)
            if meant:
                return label, meant[0]
    return None


def _differ_by_number(label: str, other: str) -> bool:
    """Return whether two names are alike on purpose, as "class 1" and "class 2" are."""
    strip = str.maketrans("", "", "0123456789")
    return label.translate(strip) == other.translate(strip)
