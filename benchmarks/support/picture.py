"""What `latency`, `end_to_end` and `hops` draw of their figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.support.rows import ModelRow, Sample, WholeRow

_ORANGE, _BLUE = "#f26419", "#33658a"
_WIDTH, _HEIGHT = 4.5, 4.0
"""Of one panel, inches."""


def draw(path: str, title: str, model: Sequence[ModelRow], whole: Sequence[WholeRow]) -> None:
    """Draw the rows of both tables that have figures, a column for each size, and write the picture to ``path``.

    Args: title: the machine in words; model, whole: rows of the table of engines and of the whole app, or none.
    Raises ImportError where Matplotlib is not installed, OSError or ValueError where the picture cannot be written.
    """
    model = [row for row in model if row.median_ms is not None]
    whole = [row for row in whole if row.answers_per_s is not None]
    sizes = sorted({row.size for row in model} | {row.size for row in whole}, reverse=True)
    parts: list[tuple[Callable[..., None], Sequence[Any]]] = [(_draw_model, model), (_draw_whole, whole)]
    parts = [(part, rows) for part, rows in parts if rows]
    pyplot = _pyplot()
    figure, panels = pyplot.subplots(
        max(1, len(parts)),
        max(1, len(sizes)),
        figsize=(_WIDTH * max(1, len(sizes)) + 2, _HEIGHT * max(1, len(parts))),
        sharex="row",
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for line, (part, rows) in zip(panels, parts, strict=False):
        for panel, size in zip(line, sizes, strict=False):
            part(panel, [row for row in rows if row.size == size], rows)
            panel.set_title(f"{size} px")
        line[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    figure.suptitle(title, fontsize=9, wrap=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def draw_memory(path: str, title: str, samples: Sequence[Sample]) -> None:
    """Draw resident memory over hops, and write the picture to ``path``. Raises as `draw`."""
    pyplot = _pyplot()
    figure, panel = pyplot.subplots(figsize=(8, 4), layout="constrained")
    panel.plot([sample.hop for sample in samples], [sample.resident / 1e6 for sample in samples], color=_BLUE)
    panel.set_ylim(0, 1.2e-6 * max(sample.resident for sample in samples))  # from 0: growth is seen as it is
    panel.set_xlabel("hops")
    panel.set_ylabel("resident memory, MB")
    figure.suptitle(title, fontsize=9, wrap=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _pyplot() -> Any:
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise ImportError("--plot needs the package matplotlib: pip install matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _draw_model(panel: Any, rows: Sequence[ModelRow], every: Sequence[ModelRow]) -> None:
    """Draw the rows of one size; the bars' places are those of ``every`` row's engine, the same in all panels."""
    engines = list(dict.fromkeys(row.engine for row in every))[::-1]
    for offset, kind, color in ((0.2, "exact", _BLUE), (-0.2, "step", _ORANGE)):
        chosen = [row for row in rows if row.kind == kind]
        places = [engines.index(row.engine) + offset for row in chosen]
        bars = panel.barh(places, [row.median_ms for row in chosen], height=0.38, color=color)
        panel.plot([], [], color=color, linewidth=6, label=kind)  # for the legend: bars may be none
        panel.bar_label(bars, [f"{row.median_ms:.0f} ms, {row.ratio:.1f} x" for row in chosen], padding=3, fontsize=8)
    panel.set_yticks(range(len(engines)), engines)
    panel.set_xscale("log")
    panel.set_xlabel("model alone: median, ms")
    panel.margins(x=0.35)


def _draw_whole(panel: Any, rows: Sequence[WholeRow], every: Sequence[WholeRow]) -> None:
    """Draw the rows of one size; the bars' places are those of ``every`` row's precision, the same in all panels."""
    precisions = list(dict.fromkeys(row.precision for row in every))[::-1]
    watchers = list(dict.fromkeys(row.watcher for row in every))
    for offset, watcher, color in zip((0.2, -0.2), watchers, (_BLUE, _ORANGE), strict=False):
        chosen = [row for row in rows if row.watcher == watcher]
        places = [precisions.index(row.precision) + offset for row in chosen]
        bars = panel.barh(places, [row.answers_per_s for row in chosen], height=0.38, color=color)
        panel.plot([], [], color=color, linewidth=6, label=watcher)
        words = ["" if row.p50_ms is None else f"{row.p50_ms:.0f} / {row.p95_ms:.0f} ms" for row in chosen]
        panel.bar_label(bars, words, padding=3, fontsize=8, bbox={"color": "white", "pad": 1})  # over the line
    panel.axvline(every[0].asked_per_s, color="black", linewidth=0.8, linestyle=":", label="asked")
    panel.set_yticks(range(len(precisions)), precisions)
    panel.set_xlabel("whole app: answers/s; capture to answer p50 / p95")
    panel.margins(x=0.35)
