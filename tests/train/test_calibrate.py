"""Calibration: on logits whose right temperature is known, and through a weights file to the recogniser."""

import dataclasses

import numpy as np
import pytest
import torch

import mmadfer
from mmadfer import metrics
from mmadfer.config import InputSpec
from mmadfer.files.checksums import sha256
from mmadfer.models.mma_dfer import untrained_model
from mmadfer.postprocess import softmax
from mmadfer.types import WeightsInfo
from tests.support.small_models import TINY
from train import calibrate
from train.scoring.predictions import Predictions, Subject, load_predictions

CLASSES = ("happiness", "sadness", "neutral")


def calibrated_logits(clips=20_000, priors=(0.6, 0.3, 0.1), spread=1.5, seed=0):
    """Return logits, and labels drawn from their own softmax: calibrated by construction."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, spread, (clips, len(priors))) + np.log(priors)
    draws = random.random((clips, 1))
    return logits, (softmax(logits).cumsum(axis=1) < draws).sum(axis=1)


@pytest.mark.parametrize("wrong", [0.25, 1.0, 4.0])
def test_the_temperature_is_found_and_the_answers_stay(wrong):
    logits, labels = calibrated_logits()
    logits *= wrong  # 4: four times too sure of itself
    temperature = calibrate.fit_temperature(logits, labels)
    assert temperature == pytest.approx(wrong, rel=0.05), f"temperature {temperature}, made with {wrong}"
    before = metrics.calibration_error(softmax(logits), labels)
    after = metrics.calibration_error(softmax(logits, temperature), labels)
    assert after < 0.01, f"calibration error {before:.4f} before, {after:.4f} after"
    assert wrong == 1.0 or after < before / 5, f"calibration error {before:.4f} before, {after:.4f} after"
    assert (softmax(logits, temperature).argmax(axis=1) == logits.argmax(axis=1)).all()


def test_no_other_temperature_is_likelier():
    logits, labels = calibrated_logits(clips=200, seed=3)
    best = calibrate.fit_temperature(logits, labels)

    def likelihood(temperature):
        return metrics.negative_log_likelihood(softmax(logits, temperature), labels)

    grid = np.exp(np.linspace(*np.log(calibrate.TEMPERATURES), 2001))
    assert likelihood(best) <= min(map(likelihood, grid)) + 1e-9
    reference = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([reference], line_search_fn="strong_wolfe", max_iter=100)

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(torch.tensor(logits) / reference.exp(), torch.tensor(labels))
        loss.backward()
        return loss

    optimizer.step(closure)
    assert best == pytest.approx(reference.exp().item(), rel=1e-4)


@pytest.mark.parametrize(("sign", "limit"), [(1, calibrate.TEMPERATURES[0]), (-1, calibrate.TEMPERATURES[1])])
def test_clips_that_settle_nothing_end_at_a_limit(sign, limit):
    logits, labels = np.eye(3) * sign, [0, 1, 2]  # always right, always wrong
    assert calibrate.fit_temperature(logits, labels) == pytest.approx(limit)
    info = calibrate.calibrated(WeightsInfo("w", True), logits, labels, (1, 1, 2), 1.0)
    assert info.temperature == 1.0
    assert info.logit_bias == pytest.approx(calibrate.logit_bias((1, 1, 2), 1.0, 1.0))
    assert "it stays 1" in calibrate.report(logits, np.array(labels), (), info)


def test_logits_of_any_size_are_fitted():
    logits, labels = calibrated_logits(clips=500)
    huge = calibrate.fit_temperature(logits * 1e4, labels)
    assert huge == pytest.approx(calibrate.TEMPERATURES[1])
    assert np.isfinite(calibrate.fit_temperature(logits * 1e-6, labels))


def test_a_tau_of_1_takes_the_classes_frequencies_out():
    counts, temperature = (600, 300, 100), 2.0
    bias = calibrate.logit_bias(counts, 1.0, temperature)
    assert sum(bias) == pytest.approx(0)
    logits = np.log(np.array([counts]) / 1000) * temperature  # calibrated at 2: the frequencies themselves
    np.testing.assert_allclose(softmax(logits, temperature), [[0.6, 0.3, 0.1]])
    np.testing.assert_allclose(softmax(logits, temperature, bias), [[1 / 3] * 3])
    half = softmax(logits, temperature, calibrate.logit_bias(counts, 0.5, temperature))[0]
    np.testing.assert_allclose(half, np.sqrt([0.6, 0.3, 0.1]) / np.sqrt([0.6, 0.3, 0.1]).sum())
    assert calibrate.logit_bias((1, 0), 0.0) == ()


def test_more_tau_means_more_uar_and_less_war():
    logits, labels = calibrated_logits(priors=(0.8, 0.15, 0.05))
    info = calibrate.calibrated(WeightsInfo("w", True), logits * 3, labels, (800, 150, 50), 1.0)
    plain, adjusted = (softmax(logits * 3, info.temperature, bias).argmax(axis=1) for bias in ((), info.logit_bias))
    assert metrics.uar(labels, adjusted) > metrics.uar(labels, plain) + 0.05
    assert metrics.war(labels, adjusted) < metrics.war(labels, plain) - 0.05
    assert info.temperature == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibrate.fit_temperature(np.zeros((0, 3)), []), r"shape \(clips, classes\)"),
        (lambda: calibrate.fit_temperature(np.zeros((1, 3)), [3]), "class index 3"),
        (lambda: calibrate.fit_temperature(np.full((1, 3), np.nan), [0]), "not finite"),
        (lambda: calibrate.logit_bias((1, 0), 0.5), "without training clips"),
        (lambda: calibrate.logit_bias((1, 1), -1.0), "tau must be 0 or more, got -1.0"),
        (lambda: calibrate.logit_bias((1, 1), float("nan")), "tau must be 0 or more"),
    ],
)
def test_what_cannot_be_fitted_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a file of small weights that count as trained."""
    model = untrained_model(InputSpec(image_size=32, labels=CLASSES), TINY)
    model.info = WeightsInfo("small", True)
    return mmadfer.save_model(model, tmp_path_factory.mktemp("weights") / "small.safetensors")


def predictions(path, sha256="", **changes):
    """Write predictions whose logits are three times too large to ``path``; return it."""
    logits, labels = calibrated_logits(clips=3000)
    subject = Subject("made", "1", "validation", "uniform", "small", sha256, True, 32, "", classes=CLASSES,
                      train_counts=(60, 30, 10))  # fmt: skip
    subject = dataclasses.replace(subject, **changes)
    names = tuple(map(str, range(len(labels))))
    Predictions(subject, names, labels, np.float32(3 * logits), softmax(3 * logits)).save(path)
    return path


def test_the_command_stores_what_the_recogniser_applies(weights, tmp_path, capsys):
    first, second = predictions(tmp_path / "1.npz"), predictions(tmp_path / "2.npz")
    out = tmp_path / "calibrated.safetensors"
    command = [str(first), str(second), "--weights", str(weights), "--out", str(out), "--tau", "0.5"]
    assert calibrate.main(command) == 0
    shown = capsys.readouterr().out
    assert "fitted on 6000 clips" in shown
    assert "| 0.5 |" in shown
    info = mmadfer.load_model(out).info
    assert info.temperature == pytest.approx(3, rel=0.1)
    assert info.logit_bias == pytest.approx(calibrate.logit_bias((60, 30, 10), 0.5, info.temperature))
    assert (info.name, info.trained) == ("small", True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": CLASSES[::-1]}, "in the weights' order"),
        ({"protocol": "live"}, "made by the protocol live"),
        ({"trained": False}, "nothing to calibrate"),
        ({"part": "test"}, "the test part that these weights are scored on"),
    ],
)
def test_predictions_that_do_not_serve_are_refused(weights, tmp_path, capsys, changes, message):
    path = predictions(tmp_path / "p.npz", sha256(weights), **changes)
    out = tmp_path / "out.safetensors"
    command = [str(path), "--weights", str(weights), "--out", str(out)]
    assert calibrate.main(command) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()
    if changes.get("part") == "test":
        assert calibrate.main([*command, "--from-test"]) == 0
        path = predictions(path, "of another fold's weights", part="test")
        assert calibrate.main(command) == 0


def test_predictions_survive_their_file_and_damage_is_named(tmp_path):
    path = predictions(tmp_path / "p.npz")
    loaded = load_predictions(path)
    assert loaded.subject.train_counts == (60, 30, 10)
    np.testing.assert_array_equal(loaded.answers, loaded.logits.argmax(axis=1))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="or is damaged"):
        load_predictions(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="or is damaged"):
        load_predictions(path)
    with pytest.raises(FileNotFoundError, match="there are no predictions"):
        load_predictions(tmp_path / "none.npz")


def answers(tops, right):
    """Answers of two classes with these top probabilities, right or wrong."""
    values = np.array([[top, 1 - top] for top in tops])
    return values, np.array([0 if ok else 1 for ok in right])


def test_the_threshold_is_the_least_that_keeps_the_error():
    tops = np.linspace(0.99, 0.6, 100)
    right = [k < 50 or k % 2 == 0 for k in range(100)]  # from the 51st on, every other one is wrong
    for error in (0.05, 0.1, 0.2):
        threshold = calibrate.unsure_threshold(*answers(tops, right), error)
        kept = tops >= threshold
        wrong = ~np.array(right)
        assert wrong[kept].mean() <= error < wrong[tops >= threshold - 0.02].mean() + 0.02
    assert calibrate.unsure_threshold(*answers(tops, right), 0.3) == 0.0, "all of them together are good enough"


def test_a_threshold_where_all_are_right_or_wrong_or_too_few():
    tops = np.linspace(0.99, 0.6, 30)
    assert calibrate.unsure_threshold(*answers(tops, [True] * 30), 0.0) == 0.0
    assert calibrate.unsure_threshold(*answers(tops, [False] * 30), 0.5) == 1.0
    assert calibrate.unsure_threshold(*answers(tops[:5], [True] * 5), 0.5) == 1.0, "five answers settle nothing"
    assert calibrate.unsure_threshold(np.zeros((0, 2)), np.zeros(0, int), 0.5) == 1.0
    ties = calibrate.unsure_threshold(*answers([0.8] * 40, [True] * 20 + [False] * 20), 0.25)
    assert ties == 1.0, "answers of one probability stand together"
    with pytest.raises(ValueError, match="as many labels"):
        calibrate.unsure_threshold(np.zeros((3, 2)), np.zeros(2, int), 0.1)
