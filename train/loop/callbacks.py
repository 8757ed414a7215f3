"""What happens at the end of each epoch: is all still finite, a line of history, the checkpoint."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from mmadfer.cli import USAGE_ERROR
from mmadfer.files.whole import write_atomically

from .module import FineTuning

CHECKPOINT, HISTORY = "last.ckpt", "metrics.csv"
_NEVER = math.inf


class FiniteGuard(Callback):
    """Stops the training where a loss or a weight is no finite number, before a checkpoint of it is written.

    The loss is watched on its device and read only now and then: waiting for each would slow a GPU down.
    """

    EVERY = 50
    """Batches between two reads."""

    def __init__(self, hint: str) -> None:
        """Args: hint: what the message ends with: what is kept, and where."""
        self._hint = hint
        self._first: torch.Tensor | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start with a clean slate."""
        self._first = torch.full((), _NEVER, device=pl_module.device)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the first batch whose loss is not finite, of any process."""
        assert self._first is not None
        now = torch.full_like(self._first, batch_idx)
        self._first = torch.minimum(self._first, torch.where(torch.isfinite(outputs["loss"]), _NEVER, now))
        total = int(trainer.num_training_batches)
        last = batch_idx + 1 == total
        if not last and (batch_idx + 1) % self.EVERY:
            return
        first = float(trainer.strategy.reduce(self._first.clone(), reduce_op="min"))
        if first < _NEVER:
            self._stop(
                trainer, f"the loss is not a finite number in epoch {{epoch}}, batch {int(first) + 1} of {total}"
            )
        if last and not all(torch.isfinite(p).all() for p in pl_module.parameters() if p.requires_grad):
            self._stop(trainer, f"weights are not finite after epoch {{epoch}}, batch {total}")

    def _stop(self, trainer: pl.Trainer, what: str) -> None:
        if not trainer.is_global_zero:
            raise SystemExit(USAGE_ERROR)  # every process stops here, and one of them says why
        raise ValueError(f"{what.format(epoch=trainer.current_epoch + 1)}; {self._hint}")


class History(Callback):
    """One line an epoch, in a CSV file and in each checkpoint, so that a resumed run goes on with the same table."""

    def __init__(self, folder: Path, show: Callable[[str], None] | None = None) -> None:
        """Args: folder: of the fold; show: called with each new line in words."""
        self._folder, self._show = folder, show
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch's line and write the table."""
        assert isinstance(pl_module, FineTuning)
        epoch, recipe = trainer.current_epoch, pl_module.recipe
        row = {"epoch": epoch + 1, "lr": recipe.lr * recipe.lr_factor(epoch)}
        row["train/loss"] = float(trainer.callback_metrics["train/loss"])
        if (epoch + 1) % recipe.validate_every == 0:
            row |= pl_module.results
        self.rows.append({**row, "seconds": round(time.perf_counter() - self._start, 3)})
        if trainer.is_global_zero:
            write_table(self._folder / HISTORY, self.rows)
            if self._show:
                values = ", ".join(f"{name} {value:.4f}" for name, value in row.items() if "/" in name)
                self._show(f"epoch {epoch + 1} of {recipe.epochs}: {values}")

    def state_dict(self) -> dict[str, Any]:
        """Return the table so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the table over."""
        self.rows = list(state_dict["rows"])


class LastCheckpoint(Checkpoint):
    """Writes the state after each epoch over the one before: the last epoch is what counts."""

    def __init__(self, folder: Path) -> None:
        """Args: folder: of the fold."""
        self._path = folder / CHECKPOINT

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the checkpoint."""
        trainer.save_checkpoint(self._path, weights_only=False)


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside the old one and then in its place: a full disk or a kill leaves the old one whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``. Raises OSError where it cannot be written."""
        buffer = io.BytesIO()  # PyTorch's own writer hides a full disk behind a RuntimeError
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getvalue())


def write_table(path: Path, rows: list[dict[str, float]]) -> None:
    """Write ``rows`` as CSV, with a column for each name that occurs in them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())
