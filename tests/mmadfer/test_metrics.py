"""Figures against hand-computed values, and against torchmetrics, which shares no code with ours."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
)

from mmadfer import metrics

# 4 clips of class 0 (3 right), 2 of class 1 (1 right), none of class 2, 1 of class 3 (answered with 2).
TRUTH = [0, 0, 0, 0, 1, 1, 3]
ANSWERS = [0, 0, 0, 1, 1, 0, 2]


def noisy(clips=4000, classes=7, seed=0):
    """Return labels, and probabilities that are right about half of the time."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, clips)
    logits = random.normal(size=(clips, classes)) + 1.3 * np.eye(classes)[labels]
    exponents = np.exp(2 * logits)
    return labels, exponents / exponents.sum(axis=1, keepdims=True)


def test_by_hand():
    assert metrics.war(TRUTH, ANSWERS) == pytest.approx(4 / 7)
    assert metrics.uar(TRUTH, ANSWERS) == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)  # class 2 does not occur
    np.testing.assert_allclose(metrics.recalls(TRUTH, ANSWERS, 4), [0.75, 0.5, np.nan, 0.0])
    expected = [[3, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert metrics.confusion_matrix(TRUTH, ANSWERS, 4).tolist() == expected


def test_uar_does_not_count_a_class_that_is_absent_above_the_largest_index():
    assert metrics.uar([0, 1], [0, 1]) == 1.0
    assert np.isnan(metrics.recalls([0, 1], [0, 1], 7)[2:]).all()


def test_one_disgust_clip_of_29_moves_uar_by_0_49_points():
    labels = np.repeat(np.arange(7), 29)
    answers = labels.copy()
    answers[-1] = 0
    assert 100 * (1 - metrics.uar(labels, answers)) == pytest.approx(0.4926, abs=1e-4)


def test_equal_to_torchmetrics():
    labels, probabilities = noisy()
    truth, values = torch.tensor(labels), torch.tensor(probabilities)
    answers = probabilities.argmax(axis=1)
    checks = {
        "WAR": (metrics.war(labels, answers), multiclass_accuracy(values, truth, 7, average="micro")),
        "UAR": (metrics.uar(labels, answers), multiclass_accuracy(values, truth, 7, average="macro")),
        "ECE": (metrics.calibration_error(probabilities, labels), multiclass_calibration_error(values, truth, 7, 15)),
    }
    for name, (ours, theirs) in checks.items():
        assert ours == pytest.approx(float(theirs), abs=1e-6), f"{name}: {ours} is not {float(theirs)}"
    confusion = multiclass_confusion_matrix(values, truth, 7).numpy()
    assert (metrics.confusion_matrix(labels, answers, 7) == confusion).all()
    likelihood = torch.nn.functional.nll_loss(values.log(), truth).item()
    assert metrics.negative_log_likelihood(probabilities, labels) == pytest.approx(likelihood)


def test_calibration_error_by_hand():
    # Confidence 0.9 twice (one right), 0.6 once (right): 2/3 * |0.5 - 0.9| + 1/3 * |1 - 0.6|.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    bins = metrics.reliability_bins(probabilities, [0, 1, 1])
    assert bins.error == pytest.approx(2 / 3 * 0.4 + 1 / 3 * 0.4)
    assert bins.counts.tolist() == [0] * 8 + [1] + [0] * 4 + [2, 0]  # 0.6 is the upper edge of the ninth bin
    assert (bins.accuracy[8], bins.accuracy[13]) == (1.0, 0.5)
    assert np.isnan(bins.accuracy[0])
    assert metrics.calibration_error(np.array([[1.0, 0.0]]), [0]) == 0.0
    assert metrics.calibration_error(np.array([[1.0, 0.0]]), [1], bins=1) == 1.0


def test_likelihood_by_hand():
    probabilities = np.array([[0.25, 0.75], [0.5, 0.5]])
    expected = -(np.log(0.25) + np.log(0.5)) / 2
    assert metrics.negative_log_likelihood(probabilities, [0, 1]) == pytest.approx(expected)
    assert metrics.negative_log_likelihood(np.array([[1.0, 0.0]]), [1]) == np.inf


def test_latency_percentiles_by_hand():
    assert metrics.latency_percentiles(range(101)) == {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0}
    assert metrics.latency_percentiles([1.0, 2.0], [50]) == {"p50": 1.5}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.war([], []), "no clip to score"),
        (lambda: metrics.war([0], [0, 1]), r"two lists of one length, got the shapes \(1,\) and \(2,\)"),
        (lambda: metrics.uar([0.5], [0]), "whole numbers"),
        (lambda: metrics.uar([-1], [0]), "0 or more"),
        (lambda: metrics.recalls([7], [0], 7), "7 classes, 0 to 6, but the class index 7 came"),
        (lambda: metrics.calibration_error(np.array([[2.0, 1.0]]), [0]), "softmax the logits first"),
        (lambda: metrics.calibration_error(np.array([[np.nan, 1.0]]), [0]), "softmax the logits first"),
        (lambda: metrics.calibration_error(np.zeros(3), [0]), r"shape \(clips, classes\)"),
        (lambda: metrics.reliability_bins(np.array([[1.0]]), [0], 0), "bins must be 1 or more"),
        (lambda: metrics.negative_log_likelihood(np.array([[1.0]]), [1]), "the class index 1 came"),
        (lambda: metrics.latency_percentiles([]), "at least one"),
        (lambda: metrics.latency_percentiles([-1.0]), "0 ms or more"),
    ],
)
def test_what_cannot_be_scored_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
