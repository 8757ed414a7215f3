"""``python -m train.calibrate PREDICTIONS... --weights IN --out OUT``: make probabilities mean what they say."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmadfer import cli, metrics
from mmadfer.files import checksums
from mmadfer.postprocess import softmax
from mmadfer.types import WeightsInfo
from mmadfer.weights import checkpoint, store

from .scoring.predictions import Predictions, load_predictions

TEMPERATURES = (0.05, 20.0)
"""A temperature at one of these ends means that the held-out clips do not settle it."""
_HALVINGS = 60
_FEWEST = 20
"""Answers that a threshold is judged by."""
_TAUS = (0.0, 0.25, 0.5, 0.75, 1.0)


def fit_temperature(logits: np.ndarray, labels: Sequence[int] | np.ndarray) -> float:
    """Return the temperature under which held-out clips are most likely, within `TEMPERATURES`.

    The likelihood is concave in 1 / temperature. So its slope changes sign once, and halving the interval finds where,
    whatever the logits are.

    Args: logits: `(N, C)`; labels: class indices `(N,)`. Raises ValueError where they do not fit together.
    """
    values = np.asarray(logits, dtype=np.float64)
    truth = np.asarray(labels)
    metrics.negative_log_likelihood(softmax(values), truth)  # checks the shapes, in words
    true = values[np.arange(len(truth)), truth]

    def too_cold(temperature: float) -> bool:
        expected = (softmax(values, temperature) * values).sum(axis=1)
        return bool((expected - true).mean() > 0)

    low, high = np.log(TEMPERATURES)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if too_cold(np.exp(middle)) else (low, middle)
    return float(np.exp((low + high) / 2))


def unsure_threshold(probabilities: np.ndarray, labels: Sequence[int] | np.ndarray, error: float) -> float:
    """Return the least top probability from which on at most ``error`` of the held-out answers are wrong.

    It is 0 where that holds for all of them, and 1 where it holds for none. Fewer than 20 answers settle nothing: a
    threshold has at least so many above it.

    Args: probabilities: `(N, C)`; labels: class indices `(N,)`; error: 0 to 1. Raises ValueError where they do not fit.
    """
    values, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if values.ndim != 2 or truth.shape != values.shape[:1] or not 0 <= error < 1:
        raise ValueError(
            f"expected probabilities (N, C), as many labels and an error from 0 to below 1; got {values.shape}, "
            f"{truth.shape} and {error}"
        )
    top, wrong = values.max(axis=1), values.argmax(axis=1) != truth
    order = np.argsort(-top, kind="stable")
    above = np.arange(1, len(order) + 1)
    # Answers of one probability are on one side together.
    last = np.append(np.diff(top[order]) < 0, True)[: len(order)]
    good = last & (above >= _FEWEST) & (np.cumsum(wrong[order]) <= error * above)
    if not good.any():
        return 1.0
    most = int(np.flatnonzero(good)[-1])
    return 0.0 if most == len(order) - 1 else float(top[order[most]])


def settled(temperature: float) -> bool:
    """Return whether a fitted temperature lies inside `TEMPERATURES`, and not at one of its ends."""
    return all(abs(np.log(temperature / limit)) > 1e-6 for limit in TEMPERATURES)


def logit_bias(counts: Sequence[int], tau: float, temperature: float = 1.0) -> tuple[float, ...]:
    """Return what to add to the logits so that each probability is divided by its class's frequency to the ``tau``.

    With 0 nothing changes; with 1 all classes count as equally frequent, which is best for UAR where the probabilities
    are calibrated. Between them UAR is bought with WAR. The mean is 0, which the softmax does not see.

    Args: counts: training clips of each class; temperature: of the probabilities. Raises ValueError where a class has
    no clip, or ``tau`` is negative.
    """
    if not 0 <= tau < np.inf:
        raise ValueError(f"tau must be 0 or more, got {tau}; 1 counts all classes as equally frequent")
    if tau == 0:
        return ()
    numbers = np.asarray(counts, dtype=np.float64)
    if numbers.ndim != 1 or not (numbers > 0).all():
        raise ValueError(f"a class without training clips has no frequency to divide by; the counts are {list(counts)}")
    shares = np.log(numbers / numbers.sum())
    return tuple((-tau * temperature * (shares - shares.mean())).tolist())


def calibrated(
    info: WeightsInfo,
    logits: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    counts: Sequence[int] = (),
    tau: float = 0.0,
) -> WeightsInfo:
    """Return ``info`` with the temperature that held-out clips want and the bias that ``tau`` asks for.

    The temperature is fitted without the bias: dividing by the classes' frequency is right for calibrated probabilities
    of a set with those frequencies. It stays 1 where the clips do not settle it, as a few that are all right or all
    wrong do not. Arguments and errors as `fit_temperature` and `logit_bias`.
    """
    temperature = fit_temperature(logits, labels)
    if not settled(temperature):
        temperature = 1.0
    return replace(info, temperature=temperature, logit_bias=logit_bias(counts, tau, temperature))


def main(argv: Sequence[str] | None = None) -> int:
    """Calibrate one set of weights; returns the exit code."""
    parser = cli.Parser(
        cli.as_typed("python -m train.calibrate"),
        "Fit a temperature to clips that the weights were not trained on, and store it in a copy of the weights. The "
        "clips are predictions.npz files of train.evaluate (protocol uniform): of these weights on a validation or "
        "held-out part, or of the same run's other folds on their test parts.",
    )
    parser.add_argument("predictions", nargs="+", metavar="PREDICTIONS", help="predictions.npz of train.evaluate")
    parser.add_argument("--weights", required=True, help="weights to calibrate: a file, or a known name")
    parser.add_argument("--out", required=True, metavar="FILE", help="calibrated copy to write (.safetensors)")
    parser.add_argument(
        "--tau",
        type=float,
        default=0.0,
        help="logit adjustment: 0 leaves the answers as they are, 1 counts all classes as equally frequent",
    )
    parser.add_argument(
        "--from-test",
        action="store_true",
        help="fit on the part that the same weights are scored on all the same; scores on it flatter from then on",
    )
    return cli.run(parser, _calibrate, argv)


def _calibrate(arguments: argparse.Namespace) -> int:
    path = store.resolve(arguments.weights)
    model = checkpoint.load_model(path)
    held_out = [load_predictions(name) for name in arguments.predictions]
    for name, predictions in zip(arguments.predictions, held_out, strict=True):
        _check(name, predictions, model.spec.labels, checksums.sha256(path), arguments.from_test)
    logits = np.concatenate([predictions.logits for predictions in held_out])
    labels = np.concatenate([predictions.labels for predictions in held_out])
    counts = held_out[0].subject.train_counts
    model.info = calibrated(model.info, logits, labels, counts, arguments.tau)
    checkpoint.save_model(model, arguments.out)
    print(report(logits, labels, counts, model.info))
    print(f"written: {arguments.out}")
    return 0


def _check(name: str, predictions: Predictions, labels: tuple[str, ...], sha256: str, from_test: bool) -> None:
    subject = predictions.subject
    if subject.classes != labels:
        raise ValueError(
            f"{name} scores the classes {', '.join(subject.classes)}, but the weights have {', '.join(labels)}: a "
            "temperature needs all of them, in the weights' order"
        )
    if subject.protocol != "uniform":
        raise ValueError(
            f"{name} was made by the protocol {subject.protocol}, which averages answers; the temperature is one "
            "answer's: make it with --protocol uniform"
        )
    if not subject.trained:
        raise ValueError(f"{name} is of untrained weights: there is nothing to calibrate")
    if subject.part == "test" and subject.sha256 == sha256 and not from_test:
        raise ValueError(
            f"{name} is the test part that these weights are scored on: fit on another part, or on the test parts of "
            "the run's other folds; --from-test does it all the same"
        )


def report(logits: np.ndarray, labels: np.ndarray, counts: Sequence[int], info: WeightsInfo) -> str:
    """Return what the calibration changes on the clips it was fitted on, as Markdown.

    Args: logits `(N, C)`; labels `(N,)`; counts: training clips of each class, empty where not known.
    """
    before, after = softmax(logits), softmax(logits, info.temperature)
    unsettled = "" if settled(fit_temperature(logits, labels)) else "; it stays 1, for these clips do not settle it"
    lines = [
        f"temperature {info.temperature:.3f}, fitted on {len(labels)} clips{unsettled}",
        "",
        "| | as trained | with the temperature |",
        "|---|---|---|",
        _row("calibration error (ECE), %", *(100 * metrics.calibration_error(p, labels) for p in (before, after))),
        _row("negative log-likelihood", *(metrics.negative_log_likelihood(p, labels) for p in (before, after))),
    ]
    if counts and min(counts) > 0:
        lines += ["", "| tau | UAR | WAR |", "|---|---|---|"]
        for tau in _TAUS:
            adjusted = logits + np.asarray(logit_bias(counts, tau, info.temperature) or 0.0)
            answers = adjusted.argmax(axis=1)
            lines.append(_row(f"{tau:g}", 100 * metrics.uar(labels, answers), 100 * metrics.war(labels, answers)))
    return "\n".join(lines)


def _row(name: str, *values: float) -> str:
    return f"| {name} | {' | '.join(f'{value:.2f}' for value in values)} |"


if __name__ == "__main__":
    sys.exit(main())
