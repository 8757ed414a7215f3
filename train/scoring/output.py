"""What an evaluation leaves behind: a table, all figures as JSON, two pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmadfer import metrics
from mmadfer.files.json_text import to_json
from mmadfer.files.names import ENCODABLE
from mmadfer.files.whole import write_atomically

from .figures import confusion_figure, reliability_figure
from .scores import scores, summary
from .table import markdown

if TYPE_CHECKING:
    from .evaluation import Result

TABLE, METRICS, CONFUSION, RELIABILITY = "table.md", "metrics.json", "confusion.png", "reliability.png"


def write(results: Sequence[Result], all_folds: Sequence[str], name: str, out: Path) -> str:
    """Write everything about the folds in ``results`` into ``out`` and return the table.

    Args: all_folds: those that the data set has; name: of the run, empty for a single set of weights.
    Raises OSError where a file cannot be written.
    """
    folds = [{**scores(r.predictions), "remarks": list(r.remarks), **r.details} for r in results]
    mean = summary(folds)
    subject = results[0].predictions.subject
    name = name or subject.weights
    table = markdown(folds, all_folds, name)
    report = {"mean": mean, "all_folds": list(all_folds), "folds": folds}
    if "warning" in mean:
        report = {"warning": mean["warning"], **report}
    write_atomically(out / METRICS, (to_json(report, indent=1) + "\n").encode())
    write_atomically(out / TABLE, table.encode("utf-8", ENCODABLE))
    labels = np.concatenate([r.predictions.labels for r in results])
    probabilities = np.concatenate([r.predictions.probabilities for r in results])
    answers = probabilities.argmax(axis=1)
    which = f"fold{'s' if len(folds) > 1 else ''} {', '.join(mean['folds'])}"
    title = f"{name} on {subject.data}, {which}\n{subject.part} part, {subject.protocol}"
    scored = f"UAR {100 * mean['uar']:.2f} %, WAR {100 * mean['war']:.2f} %, {len(labels)} clips"
    matrix = metrics.confusion_matrix(labels, answers, len(subject.classes))
    warning = mean.get("warning", "")
    confusion_figure(matrix, subject.classes, f"{title}: {scored}", warning, out / CONFUSION)
    bins = metrics.reliability_bins(probabilities, labels)
    reliability_figure(bins, f"{title}, {len(labels)} clips", warning, out / RELIABILITY)
    return table
