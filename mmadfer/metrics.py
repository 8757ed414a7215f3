"""How good answers are: WAR, UAR, recalls, confusion, calibration; and how late. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CALIBRATION_BINS = 15
"""Bins of confidence of the calibration error, as most papers count them."""
LATENCY_PERCENTILES = (50, 90, 95, 99)

Indices = Sequence[int] | np.ndarray


def war(labels: Indices, predictions: Indices) -> float:
    """Return the weighted average recall, which is the accuracy: the share of clips that are right, 0 to 1.

    Args: labels, predictions: class indices `(N,)`. Raises ValueError where there is none or the counts differ.
    """
    truth, answers = _indices(labels, predictions)
    return float(np.mean(truth == answers))


def uar(labels: Indices, predictions: Indices) -> float:
    """Return the unweighted average recall, 0 to 1: the mean of the recalls of the classes that occur in ``labels``.

    A class without a clip has no recall and is left out; one that is answered but never true costs the others only.
    Args and errors as `war`.
    """
    truth, answers = _indices(labels, predictions)
    return float(np.nanmean(recalls(truth, answers, int(max(truth.max(), answers.max())) + 1)))


def recalls(labels: Indices, predictions: Indices, classes: int) -> np.ndarray:
    """Return each class's recall `(classes,)`, 0 to 1; NaN for a class that does not occur. Errors as `war`."""
    matrix = confusion_matrix(labels, predictions, classes)
    occurring = matrix.sum(axis=1)
    return np.divide(np.diag(matrix), occurring, out=np.full(classes, np.nan), where=occurring > 0)


def confusion_matrix(labels: Indices, predictions: Indices, classes: int) -> np.ndarray:
    """Return how many clips of each class (row) were answered with each class (column): `(classes, classes)` int64.

    Raises ValueError as `war` does, and where an index is not below ``classes``.
    """
    truth, answers = _indices(labels, predictions)
    largest = int(max(truth.max(), answers.max()))
    if largest >= classes:
        raise ValueError(f"there are {classes} classes, 0 to {classes - 1}, but the class index {largest} came")
    return np.bincount(truth * classes + answers, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """Clips grouped by the probability of their answer: where calibrated, confidence and accuracy are equal."""

    edges: np.ndarray
    """`(bins + 1,)`, from 0 to 1; a bin holds what is above its lower edge up to its upper one."""
    counts: np.ndarray
    """Clips `(bins,)`."""
    confidence: np.ndarray
    """Mean probability of the answers `(bins,)`; NaN in an empty bin."""
    accuracy: np.ndarray
    """Share of the answers that are right `(bins,)`; NaN in an empty bin."""

    @property
    def error(self) -> float:
        """The expected calibration error, 0 to 1: mean distance of accuracy and confidence, weighted by clips."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.nansum(gaps * self.counts) / self.counts.sum())


def reliability_bins(probabilities: np.ndarray, labels: Indices, bins: int = CALIBRATION_BINS) -> ReliabilityBins:
    """Return the clips grouped by their answer's probability in bins of equal width.

    Args: probabilities: `(N, C)`, each row sums to 1; labels: class indices `(N,)`.
    Raises ValueError as `war` does, and where the probabilities are none.
    """
    probabilities = _probabilities(probabilities)
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, got {bins}")
    truth, answers = _indices(labels, probabilities.argmax(axis=1))
    confidence = probabilities.max(axis=1)
    edges = np.linspace(0.0, 1.0, bins + 1)
    which = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(which, confidence, bins) / counts
        accuracy = np.bincount(which, truth == answers, bins) / counts
    return ReliabilityBins(edges, counts, mean_confidence, accuracy)


def calibration_error(probabilities: np.ndarray, labels: Indices, bins: int = CALIBRATION_BINS) -> float:
    """Return the expected calibration error, 0 to 1; arguments and errors as `reliability_bins`."""
    return reliability_bins(probabilities, labels, bins).error


def negative_log_likelihood(probabilities: np.ndarray, labels: Indices) -> float:
    """Return the mean of -log(probability of the true class); infinite where one is 0. Errors as `reliability_bins`.

    Args: probabilities: `(N, C)`; labels: class indices `(N,)`.
    """
    probabilities = _probabilities(probabilities)
    truth, _ = _indices(labels, probabilities.argmax(axis=1))
    if truth.max() >= probabilities.shape[1]:
        raise ValueError(f"there are {probabilities.shape[1]} classes, but the class index {truth.max()} came")
    with np.errstate(divide="ignore"):
        return float(-np.log(probabilities[np.arange(len(truth)), truth]).mean())


def latency_percentiles(
    milliseconds: Sequence[float] | np.ndarray, percentiles: Sequence[int] = LATENCY_PERCENTILES
) -> dict[str, float]:
    """Return {"p50": ms, ...}: so many percent of the answers took at most that long, interpolated between answers.

    Raises ValueError where there is no answer or a time is negative or no number.
    """
    times = np.asarray(milliseconds, dtype=np.float64)
    if times.ndim != 1 or len(times) == 0 or not np.isfinite(times).all() or times.min() < 0:
        raise ValueError("latencies must be one list of at least one finite time of 0 ms or more")
    return {f"p{p}": float(np.percentile(times, p)) for p in percentiles}


def _indices(labels: Indices, predictions: Indices) -> tuple[np.ndarray, np.ndarray]:
    truth, answers = np.asarray(labels), np.asarray(predictions)
    if truth.ndim != 1 or truth.shape != answers.shape:
        raise ValueError(
            f"labels and predictions must be two lists of one length, got the shapes {truth.shape} and {answers.shape}"
        )
    if len(truth) == 0:
        raise ValueError("there is no clip to score")
    if not all(np.issubdtype(values.dtype, np.integer) and values.min() >= 0 for values in (truth, answers)):
        raise ValueError("labels and predictions must be class indices: whole numbers of 0 or more")
    return truth.astype(np.int64), answers.astype(np.int64)


def _probabilities(probabilities: np.ndarray) -> np.ndarray:
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"probabilities must have the shape (clips, classes), got {values.shape}")
    furthest = float(np.abs(values.sum(axis=1) - 1).max())
    if not furthest < 1e-4 or values.min() < 0:
        raise ValueError("each row of probabilities must be 0 or more and sum to 1; softmax the logits first")
    return values
