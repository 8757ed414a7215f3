"""One colour per class in a report, for each theme: those of the live page (a test holds the two together)."""

from __future__ import annotations

NAMED = {
    "happiness": ("#ac7b28", "#edc945"),
    "sadness": ("#4c56ae", "#4472d4"),
    "neutral": ("#656b7b", "#bbc5d2"),
    "anger": ("#a12a03", "#c65b43"),
    "surprise": ("#aa61f8", "#af9af0"),
    "disgust": ("#29704a", "#85b88d"),
    "fear": ("#3d967d", "#44999f"),
    "contempt": ("#713e2a", "#dc8564"),
    "anxiety": ("#8b4361", "#f5b8ff"),
    "helplessness": ("#484b7a", "#7085bb"),
    "disappointment": ("#308d58", "#b0cd83"),
}
"""Class -> colour on light and on dark ground."""
_TURN = 137.5
"""Degrees of hue between two classes without a colour of their own."""


def color_of(name: str, index: int) -> tuple[str, str]:
    """Return the colours of the class ``name``, the one at ``index`` among its weights'."""
    hue = index * _TURN % 360
    return NAMED.get(name) or (f"hsl({hue:g} 60% 36%)", f"hsl({hue:g} 60% 66%)")
