"""``python -m train.evaluate PREPARED --weights FILE | --run RUN``: UAR, WAR and calibration, by several protocols."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmadfer import cli
from mmadfer.backends import BACKENDS, PRECISIONS

from .scoring.protocols import LIVE, PROTOCOLS, RULES

PROGRAM = "python -m train.evaluate"
PARTS = ("test", "validation", "held-out", "train")


def main(argv: Sequence[str] | None = None) -> int:
    """Score weights; returns the exit code."""
    parser = cli.Parser(
        cli.as_typed(PROGRAM),
        "Score weights on a prepared set. Written to --out: table.md, metrics.json, confusion.png, reliability.png, "
        "and each fold's answers as predictions-fold-K.npz.",
    )
    parser.add_argument("prepared", metavar="PREPARED", help="folder that `mmadfer train prepare` made")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--weights", metavar="FILE", default="", help="file or known name; untrained: random ones")
    what.add_argument(
        "--run", metavar="RUN", default="", help="folder of `mmadfer train finetune`: all its folds, and their mean"
    )
    parser.add_argument("--folds", "--fold", nargs="+", default=[], metavar="K", help="folds to score; all of a run")
    parser.add_argument("--part", default="test", choices=PARTS, help="which clips; held-out: kept from the training")
    parser.add_argument("--out", metavar="FOLDER", default="evaluation", help="folder to write")
    _add_protocol(parser)
    group = parser.add_argument_group("machine")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    group.add_argument("--backend", default="auto", choices=BACKENDS, help="engine that runs the model")
    group.add_argument("--precision", default="auto", choices=PRECISIONS, help="precision of the encoders")
    group.add_argument("--batch-size", type=int, default=8, metavar="N", help="views of clips computed at once")
    group.add_argument("--workers", type=int, default=2, metavar="N", help="loading threads")
    return cli.run(parser, _evaluate, argv)


def _add_protocol(parser: argparse.ArgumentParser) -> None:
    rules = "; ".join(f"{name}: {rule}".replace("%", "%%") for name, rule in RULES.items())
    group = parser.add_argument_group("protocol")
    group.add_argument("--protocol", default="uniform", choices=PROTOCOLS, help=rules)
    group.add_argument(
        "--shared-labels", action="store_true", help="where weights and data name other classes, score the common ones"
    )
    group.add_argument(
        "--frame-order",
        default="auto",
        choices=("auto", "text", "natural"),
        help="of the frames, as in training; auto: what run.json beside the weights says, else the paper's (text)",
    )
    group.add_argument("--root", metavar="FOLDER", default="", help="live: the data set's own folder, for its videos")
    group.add_argument("--hop", type=float, metavar="S", help="live: seconds between windows; the app's if not given")
    group.add_argument("--exact", action="store_true", help="live: compute each window anew, not by the streaming step")


def _evaluate(arguments: argparse.Namespace) -> int:
    _check(arguments)
    from mmadfer.data.prepared import PreparedSet

    from .runs import candidates as runs
    from .scoring.evaluation import Evaluation, evaluate
    from .scoring.output import write

    prepared = PreparedSet(arguments.prepared)
    if arguments.run:
        candidates = runs.of_run(arguments.run, prepared, arguments.folds)
    else:
        candidates = runs.of_file(arguments.weights, prepared, arguments.folds)
    settings = Evaluation(
        prepared=prepared,
        part=arguments.part,
        protocol=arguments.protocol,
        shared=arguments.shared_labels,
        order=arguments.frame_order,
        root=arguments.root,
        hop=arguments.hop,
        exact=arguments.exact,
        backend=arguments.backend,
        device=arguments.device,
        precision=arguments.precision,
        batch_size=arguments.batch_size,
        workers=arguments.workers,
    )
    settings.check(candidates)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    results = []
    for candidate in candidates:
        results.append(evaluate(settings, candidate))
        results[-1].predictions.save(out / f"predictions-fold-{candidate.fold}.npz")
    print(write(results, prepared.folds, Path(arguments.run).name if arguments.run else "", out))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.batch_size < 1 or arguments.workers < 0:
        raise ValueError(
            f"--batch-size must be 1 or more and --workers 0 or more, got {arguments.batch_size} and "
            f"{arguments.workers}"
        )
    live = arguments.protocol == LIVE
    if live and not arguments.root:
        raise ValueError("the protocol live plays the videos: give the folder that they are in as --root")
    if not live and (arguments.root or arguments.hop is not None or arguments.exact):
        raise ValueError(f"--root, --hop and --exact are for the protocol live, not for {arguments.protocol}")


if __name__ == "__main__":
    sys.exit(main())
