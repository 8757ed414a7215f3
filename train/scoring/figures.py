"""The two pictures of an evaluation: what is taken for what, and whether probabilities mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmadfer.metrics import ReliabilityBins

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 150
_BLUE, _ORANGE, _GREEN, _GREY = "#2c6fb3", "#e07b39", "#9bd0a3", "#8a96a3"
_INK, _RED = "#1b2733", "#b3261e"
_CELL, _MARGIN = 0.62, 2.6
"""Inches of a cell of the confusion matrix, and around all of them."""


def confusion_figure(matrix: np.ndarray, classes: Sequence[str], title: str, warning: str, path: Path) -> None:
    """Draw a confusion matrix `(C, C)`, rows true, in % of each row; a class without clips has an empty row.

    Args: warning: written across the top in red; empty for none. Raises OSError where ``path`` cannot be written.
    """
    count = len(classes)
    side = count * _CELL + _MARGIN
    figure = _figure(side + 1.0, side)
    axes = figure.add_subplot()
    occurring = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(100.0 * matrix, occurring, out=np.full(matrix.shape, np.nan), where=occurring > 0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.ndindex(matrix.shape):
        if np.isfinite(shares[row, column]):
            ink = "white" if shares[row, column] > 55 else _INK
            weight = "bold" if row == column else "normal"
            axes.text(column, row, f"{shares[row, column]:.0f}", ha="center", va="center", color=ink, weight=weight)
    for row in np.flatnonzero(occurring[:, 0] == 0):
        axes.text(
            (count - 1) / 2, int(row), "no clip of this class", ha="center", va="center", color=_GREY, style="italic"
        )
    axes.set_xticks(range(count), classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), [f"{name}  ({n})" for name, n in zip(classes, occurring[:, 0], strict=True)])
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth (clips)")
    bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.03)
    bar.set_label("% of the true class")
    bar.outline.set_visible(False)
    _finish(figure, title, warning, path)


def reliability_figure(bins: ReliabilityBins, title: str, warning: str, path: Path) -> None:
    """Draw how often answers of each confidence are right, above how many answers have that confidence.

    Args and errors as `confusion_figure`.
    """
    figure = _figure(6.0, 6.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    width = 100 * (bins.edges[1] - bins.edges[0])
    lefts = 100 * bins.edges[:-1]
    filled = bins.counts > 0
    accuracy, confidence = 100 * bins.accuracy, 100 * bins.confidence
    upper.plot([0, 100], [0, 100], color=_INK, linestyle="--", linewidth=1, label="perfect calibration", zorder=4)
    place: dict[str, Any] = {"width": width * 0.92, "align": "edge"}
    upper.bar(lefts[filled], accuracy[filled], color=_BLUE, label="right answers", zorder=2, **place)
    for label, color, which in (
        ("too sure: confidence above accuracy", _ORANGE, filled & (confidence > accuracy)),
        ("not sure enough: confidence below accuracy", _GREEN, filled & (confidence <= accuracy)),
    ):
        if not which.any():
            continue
        gap = {"facecolor": "none", "edgecolor": color, "hatch": "////", "linewidth": 1.0, "label": label, "zorder": 3}
        upper.bar(lefts[which], confidence[which] - accuracy[which], bottom=accuracy[which], **gap, **place)
    upper.set(ylabel="right answers, %", xlim=(0, 100), ylim=(0, 100))
    upper.set_title(f"expected calibration error {100 * bins.error:.1f} %", fontsize=10, color=_INK)
    total = int(bins.counts.sum())
    lower.bar(lefts, 100 * bins.counts / total, width=width * 0.92, align="edge", color=_GREY)
    lower.set(xlabel="confidence: probability of the answer, %", ylabel=f"% of {total} clips")
    for axes in (upper, lower):
        _plain_axes(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    _finish(figure, title, warning, path)


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches, drawn without any window system."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ImportError("figures need matplotlib: pip install 'mmadfer[train]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def _plain_axes(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e8ec", linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)


def _finish(figure: Figure, title: str, warning: str, path: Path) -> None:
    figure.suptitle(title, color=_INK, fontsize=12, weight="bold")
    if warning:
        figure.text(0.5, 1.01, warning, color=_RED, fontsize=13, weight="bold", ha="center", va="bottom")
    words = {"Title": title, "Warning": warning}
    figure.savefig(path, dpi=_DPI, format="png", bbox_inches="tight", pad_inches=0.15, metadata=words)
