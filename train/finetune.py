"""``python -m train.finetune PREPARED --recipe paper --out RUN``: train on a prepared set, one folder for each fold."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmadfer import cli

if TYPE_CHECKING:
    from mmadfer.data.prepared import PreparedSet

    from .loop.fold import Job

PROGRAM = "python -m train.finetune"


def main(argv: Sequence[str] | None = None) -> int:
    """Train the folds asked for; returns the exit code."""
    parser = cli.Parser(
        cli.as_typed(PROGRAM), "Fine-tune on a prepared set; weights for the live app, one folder for each fold."
    )
    parser.add_argument("prepared", metavar="PREPARED", help="folder that `mmadfer train prepare` made")
    parser.add_argument("--out", required=True, metavar="RUN", help="folder to write; each fold has one in it")
    parser.add_argument("--folds", nargs="+", default=["all"], metavar="K", help="names of folds, or all")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out from its last whole epoch")
    _add_start(parser)
    _add_settings(parser)
    _add_machine(parser)
    return cli.run(parser, _finetune, argv)


def _add_start(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("start", "what the weights are at first: --face and --audio, --init or --scratch")
    group.add_argument("--face", metavar="FILE", default="", help="pre-trained MAE-Face encoder (.pth)")
    group.add_argument("--audio", metavar="FILE", default="", help="pre-trained AudioMAE encoder (.pth)")
    group.add_argument("--init", metavar="FILE", default="", help="weights of an earlier run, or of the authors")
    group.add_argument("--new-classifier", action="store_true", help="replace the last layer of --init: other classes")
    group.add_argument("--scratch", action="store_true", help="random weights, all of them trained: for small models")
    group.add_argument("--size", type=int, default=0, metavar="PX", help="side of the faces, px; 0: that of the data")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings")
    group.add_argument("--recipe", default="paper", help="paper, v2, or a TOML file with the same settings")
    group.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of the recipe to change")
    group.add_argument("--model", nargs="+", default=[], metavar="KEY=VALUE", help="fields of ModelConfig to change")
    group.add_argument("--input", nargs="+", default=[], metavar="KEY=VALUE", help="fields of InputSpec to change")


def _add_machine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machine")
    group.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "gpu"), help="what to train on")
    group.add_argument("--devices", type=int, default=1, metavar="N", help="processes of this machine, one a device")
    group.add_argument("--nodes", type=int, default=1, metavar="N", help="machines, each started with NODE_RANK set")
    group.add_argument("--workers", type=int, default=2, metavar="N", help="loading threads for each device")


def _finetune(arguments: argparse.Namespace) -> int:
    job = _job(arguments)
    from .input.splits import fold_parts
    from .loop.fold import run_fold

    folds = _folds(job.prepared, arguments.folds)
    for fold in folds:  # a fault of the last fold should not be found after days
        fold_parts(job.prepared, fold, job.recipe.calibration, job.recipe.seed)
    results = []
    try:
        for fold in folds:
            results.append(run_fold(job, fold))
            _report(f"fold {fold}", results[-1])
    except BaseException:
        if job.others:
            job.others.end()
        raise
    if len(results) > 1:
        keys = ("test/war", "test/uar")
        _report(f"mean of {len(results)} folds", {key: sum(r[key] for r in results) / len(results) for key in keys})
    return 0


def _job(arguments: argparse.Namespace) -> Job:
    _require_packages()
    from mmadfer.data.prepared import PreparedSet

    from .loop.fold import Job
    from .loop.processes import OtherProcesses
    from .overrides import from_assignments
    from .recipe import load_recipe
    from .runs.start import Start

    for name in ("devices", "nodes"):
        if getattr(arguments, name) < 1:
            raise ValueError(f"--{name} must be 1 or more, got {getattr(arguments, name)}")
    if arguments.workers < 0 or arguments.size < 0:
        raise ValueError(f"--workers and --size must be 0 or more, got {arguments.workers} and {arguments.size}")
    return Job(
        prepared=PreparedSet(arguments.prepared),
        recipe=from_assignments(load_recipe(arguments.recipe), arguments.set, "--set"),
        start=Start(
            face=arguments.face,
            audio=arguments.audio,
            init=arguments.init,
            scratch=arguments.scratch,
            new_classifier=arguments.new_classifier,
            size=arguments.size,
            model=tuple(arguments.model),
            input=tuple(arguments.input),
        ),
        out=Path(arguments.out),
        resume=arguments.resume,
        accelerator=arguments.accelerator,
        devices=arguments.devices,
        nodes=arguments.nodes,
        workers=arguments.workers,
        others=OtherProcesses(
            cli.as_typed(PROGRAM), f"finished epochs are kept in {arguments.out}, and --resume goes on from them"
        ),
    )


def _require_packages() -> None:
    try:
        import pytorch_lightning
        import tensorboard
    except ImportError as error:
        raise ImportError(f"training needs {error.name}: pip install 'mmadfer[train]'") from error
    del pytorch_lightning, tensorboard


def _folds(prepared: PreparedSet, asked: Sequence[str]) -> list[str]:
    if list(asked) == ["all"]:
        return list(prepared.folds)
    unknown = [fold for fold in asked if fold not in prepared.folds]
    if unknown:
        raise ValueError(f"{prepared.name} has no fold {unknown[0]}; it has {', '.join(prepared.folds)}, or all")
    return list(dict.fromkeys(asked))


def _report(what: str, result: dict[str, float]) -> None:
    from pytorch_lightning.utilities.rank_zero import rank_zero_only

    epoch = f" after epoch {result['epoch']}" if "epoch" in result else ""
    line = f"{what}: WAR {100 * result['test/war']:.2f} %, UAR {100 * result['test/uar']:.2f} %{epoch}"
    rank_zero_only(print)(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
