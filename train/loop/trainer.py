"""The trainer (pytorch-lightning's), set up as this project uses it."""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EMAWeightAveraging, TQDMProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from ..recipe import Recipe
from .callbacks import AtomicCheckpoints

_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}
_EXPECTED = (
    r".*isinstance\(treespec, LeafSpec\)",  # the trainer's own, of the PyTorch that it runs on
    ".*You have overridden `on_(before|after)_batch_transfer`",  # in the module, as wanted
    ".*number of training batches .* is smaller than the logging interval",
    ".*module.s. in eval mode at the start",  # drop_path_on_frozen = false
    ".*exists and is not empty",
    ".*It is recommended to use `self.log.*sync_dist=True",  # such values are the same in all processes
)


def make_trainer(
    recipe: Recipe, folder: Path, callbacks: list[pl.Callback], accelerator: str, devices: int, nodes: int
) -> pl.Trainer:
    """Return a Trainer for ``recipe`` that logs into ``folder``; its callbacks besides progress and EMA are given.

    Args: accelerator: "auto", "cpu" or "gpu"; devices: processes of this machine; nodes: machines.
    Raises ValueError where there are no such devices.
    """
    _hush()
    shown = sys.stderr.isatty()
    extra: list[pl.Callback] = [TQDMProgressBar(refresh_rate=10)] if shown else []
    if recipe.ema:
        extra.append(EMAWeightAveraging(decay=recipe.ema))
    try:
        trainer = pl.Trainer(
            max_epochs=recipe.epochs,
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            strategy="ddp" if devices * nodes > 1 else "auto",
            precision=_PRECISIONS[recipe.precision],  # type: ignore[arg-type]
            accumulate_grad_batches=recipe.accumulate,
            check_val_every_n_epoch=recipe.validate_every,
            use_distributed_sampler=False,  # the samplers of train/loaders.py know all processes
            num_sanity_val_steps=0,
            logger=TensorBoardLogger(folder, name="tensorboard", version=""),
            callbacks=[*extra, *callbacks],
            plugins=[AtomicCheckpoints()],
            enable_progress_bar=shown,
            enable_model_summary=False,
            enable_checkpointing=True,
            default_root_dir=folder,
        )
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise ValueError(f"--accelerator {accelerator} --devices {devices} is not to be had here: {error}") from error
    # After a training the trainer puts back the handler of every signal as Python knows it, and with it the default of
    # those that compiled libraries (MediaPipe, faulthandler, ...) had taken for themselves. It may have its own back.
    trainer._signal_connector._get_current_signal_handlers = _handlers_to_put_back  # type: ignore[method-assign]
    return trainer


def _handlers_to_put_back() -> dict[Any, Any]:
    """Return the handlers of the signals that the trainer takes."""
    names = ("SIGTERM", "SIGUSR1")
    return {number: signal.getsignal(number) for name in names if (number := getattr(signal, name, None)) is not None}


def _hush() -> None:
    """Keep the trainer from saying what nobody can act on; why it ends other processes is worth saying."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric.strategies.launchers.subprocess_script").setLevel(logging.INFO)
    for message in _EXPECTED:
        warnings.filterwarnings("ignore", message)
