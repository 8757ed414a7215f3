"""From clip by clip answers to figures: one fold's, and all folds' together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmadfer import metrics
from mmadfer.postprocess import softmax

from .predictions import Predictions


def scores(predictions: Predictions) -> dict[str, Any]:
    """Return every figure of one fold as JSON takes it; shares are from 0 to 1, and null where there is none."""
    subject, labels, answers = predictions.subject, predictions.labels, predictions.answers
    classes = subject.classes
    recalls = metrics.recalls(labels, answers, len(classes))
    counts = np.bincount(labels, minlength=len(classes))
    return {
        **({"warning": subject.warning} if subject.warning else {}),
        "subject": dataclasses.asdict(subject),
        "clips": len(labels),
        "uar": metrics.uar(labels, answers),
        "war": metrics.war(labels, answers),
        "recalls": dict(zip(classes, _plain(recalls), strict=True)),
        "class_clips": dict(zip(classes, counts.tolist(), strict=True)),
        "confusion": metrics.confusion_matrix(labels, answers, len(classes)).tolist(),
        "calibration": _calibration(predictions),
    }


def _calibration(predictions: Predictions) -> dict[str, Any]:
    bins = metrics.reliability_bins(predictions.probabilities, predictions.labels)
    likelihood = metrics.negative_log_likelihood(predictions.probabilities, predictions.labels)
    found: dict[str, Any] = {
        "error": bins.error,
        "negative_log_likelihood": likelihood if np.isfinite(likelihood) else None,
        "bins": {name: _plain(getattr(bins, name)) for name in ("edges", "counts", "confidence", "accuracy")},
    }
    subject = predictions.subject
    if (subject.temperature != 1 or subject.logit_bias) and subject.protocol != "live":
        found["error_before_calibration"] = metrics.calibration_error(softmax(predictions.logits), predictions.labels)
    return found


def summary(folds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean over ``folds`` (what `scores` returns) of UAR, WAR and recalls, and all their calibration error.

    The spread is the standard deviation between folds, null for a single one.
    """
    warnings = {fold["warning"] for fold in folds if "warning" in fold}
    classes = folds[0]["subject"]["classes"]
    recalls = np.array([[fold["recalls"][name] for name in classes] for fold in folds], dtype=np.float64)
    found: dict[str, Any] = {"warning": " ".join(sorted(warnings))} if warnings else {}
    found["folds"] = [fold["subject"]["fold"] for fold in folds]
    found["clips"] = sum(fold["clips"] for fold in folds)
    for name in ("uar", "war"):
        values = np.array([fold[name] for fold in folds])
        found[name] = float(values.mean())
        found[f"{name}_spread"] = float(values.std(ddof=1)) if len(values) > 1 else None
    found["recalls"] = dict(zip(classes, _plain(_mean_where_any(recalls)), strict=True))
    found["calibration_error"] = _error_together([fold["calibration"]["bins"] for fold in folds])
    return found


def _error_together(folds: Sequence[dict[str, Any]]) -> float:
    """Return the calibration error of all clips together, from each fold's bins."""
    counts, confidence, accuracy = (
        np.nan_to_num(np.array([bins[name] for bins in folds], dtype=np.float64))
        for name in ("counts", "confidence", "accuracy")
    )
    gaps = (counts * (accuracy - confidence)).sum(axis=0)
    return float(np.abs(gaps).sum() / counts.sum())


def _mean_where_any(values: np.ndarray) -> np.ndarray:
    """Return the columns' means without NaN; NaN for a column of nothing else."""
    known = ~np.isnan(values)
    return np.divide(
        np.where(known, values, 0).sum(axis=0),
        known.sum(axis=0),
        out=np.full(values.shape[1], np.nan),
        where=known.any(axis=0),
    )


def _plain(values: np.ndarray) -> list[float | None]:
    """Return numbers as JSON knows them, which has no NaN."""
    return [None if np.isnan(value) else value for value in values.tolist()]
