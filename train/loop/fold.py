"""One fold from start to weights: trained, scored, calibrated, written; or gone on with."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pytorch_lightning as pl
import torch

from mmadfer import metrics
from mmadfer.data.prepared import PreparedSet
from mmadfer.postprocess import softmax
from mmadfer.types import WeightsInfo
from mmadfer.weights import checkpoint

from ..calibrate import calibrated, logit_bias
from ..input.loaders import FoldData
from ..input.splits import Parts, class_counts, fold_parts
from ..recipe import Recipe
from ..runs.record import WEIGHTS, differences, now, read_record, surroundings, write_record
from ..runs.start import Start, build
from .callbacks import CHECKPOINT, FiniteGuard, History, LastCheckpoint
from .faults import as_sentences
from .module import FineTuning, Scores
from .processes import OtherProcesses
from .trainer import make_trainer


@dataclass(frozen=True)
class Job:
    """What all folds of a run share."""

    prepared: PreparedSet
    recipe: Recipe
    start: Start
    out: Path
    resume: bool = False
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int = 2
    """Loading threads of each device."""
    others: OtherProcesses | None = None
    """Watched where there are several devices."""


def run_fold(job: Job, fold: str) -> dict[str, float]:
    """Train ``fold`` into its folder and return the last epoch's line of history.

    Raises OSError or ValueError in one sentence; what is finished stays, and ``job.resume`` goes on from there.
    """
    folder = job.out / f"fold-{fold}"
    hint = f"finished epochs are kept in {folder}, and --resume goes on from them"
    parts = fold_parts(job.prepared, fold, job.recipe.calibration, job.recipe.seed)
    samples = {"name": job.prepared.name, "fold": fold, "clips": parts.counts(job.prepared)}
    module = FineTuning(build(job.start, job.prepared, job.recipe), job.recipe, parts.scored, samples)
    data = FoldData(job.prepared, parts, module.model.spec, job.recipe, job.workers)
    history = History(folder, None if sys.stderr.isatty() else _say)
    trainer = _trainer(job, folder, [FiniteGuard(f"{hint}; a lower lr may help"), history, LastCheckpoint(folder)])
    earlier = _earlier(job, folder, module) if trainer.is_global_zero or job.resume else {}
    if earlier.get("finished"):
        return dict(earlier["result"])
    record = _record(job, module, trainer) | ({"started": earlier["started"]} if earlier else {})
    last = folder / CHECKPOINT
    with as_sentences(hint):
        if trainer.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)
            write_record(folder, record)
        trainer.fit(module, datamodule=data, ckpt_path=last if last.exists() else None, weights_only=True)
        if not module.scores:  # it had ended just before its weights were written
            module.load_state_dict(torch.load(last, map_location="cpu", weights_only=True)["state_dict"])
            _trainer(job, folder, []).validate(module, datamodule=data, verbose=False)
        if trainer.is_global_zero:
            _finish(job, fold, parts, module, folder, {**record, "result": history.rows[-1]})
        trainer.strategy.barrier()
    return history.rows[-1]


def _trainer(job: Job, folder: Path, callbacks: list[pl.Callback]) -> pl.Trainer:
    others = [job.others] if job.others else []
    return make_trainer(job.recipe, folder, [*others, *callbacks], job.accelerator, job.devices, job.nodes)


def _earlier(job: Job, folder: Path, module: FineTuning) -> dict[str, Any]:
    """Return the record of a run in ``folder`` that this one may go on with; empty where there is none.

    Raises ValueError where there is one but it should not be gone on with, or is another one.
    """
    record, last = read_record(folder), folder / CHECKPOINT
    if not record and not last.exists():
        return {}
    if not job.resume:
        raise ValueError(f"{folder} holds a run already; add --resume to go on with it, or give another --out")
    theirs: Mapping[str, Any] = record
    if last.exists():
        try:
            theirs = torch.load(last, map_location="cpu", weights_only=True, mmap=True)["mmadfer"]
        except (KeyError, RuntimeError, OSError, EOFError, ValueError, UnpicklingError) as error:
            raise ValueError(f"{last} is damaged or no checkpoint of this program; delete it to start anew") from error
    changed = differences(theirs, module.identity())
    if changed:
        raise ValueError(
            f"{folder} cannot be gone on with, for it belongs to another run ({changed}); "
            "give the settings it was started with, or another --out"
        )
    return record


def _record(job: Job, module: FineTuning, trainer: pl.Trainer) -> dict[str, Any]:
    parameters = list(module.model.parameters())
    return {
        "finished": "",
        "parameters": {
            "all": sum(p.numel() for p in parameters),
            "trained": sum(p.numel() for p in parameters if p.requires_grad),
        },
        "seed": job.recipe.seed,
        "start": dataclasses.asdict(job.start),
        "devices": trainer.world_size,
        "device": _device(trainer),
        **module.identity(),
        **surroundings(),
    }


def _device(trainer: pl.Trainer) -> str:
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _finish(job: Job, fold: str, parts: Parts, module: FineTuning, folder: Path, record: dict[str, Any]) -> None:
    recipe = job.recipe
    info = WeightsInfo(
        name=f"{job.prepared.name} fold {fold} ({recipe.name})",
        trained=True,
        source=f"{job.start.describe()}, {recipe.epochs} epochs",
    )
    counts = list(class_counts(job.prepared, parts.train).values())
    if parts.held_out:
        held_out = module.scores["held_out"]
        info = calibrated(info, held_out.logits, held_out.labels, counts, recipe.logit_adjustment)
    else:
        info = replace(info, logit_bias=logit_bias(counts, recipe.logit_adjustment))
    module.model.info = info
    checkpoint.save_model(module.model, folder / WEIGHTS)
    write_record(folder, {**record, "stored": _stored(info, module.scores["test"]), "finished": now()})


def _stored(info: WeightsInfo, test: Scores) -> dict[str, Any]:
    """Return what is stored beside the weights, and what the test part comes to with and without it."""
    before, after = softmax(test.logits), softmax(test.logits, info.temperature, info.logit_bias)
    answers = after.argmax(axis=1)
    return {
        "temperature": info.temperature,
        "logit_bias": info.logit_bias,
        "test/war": metrics.war(test.labels, answers),
        "test/uar": metrics.uar(test.labels, answers),
        "test/calibration_error": metrics.calibration_error(after, test.labels),
        "test/calibration_error_without": metrics.calibration_error(before, test.labels),
    }


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
