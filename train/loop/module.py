"""The model as the trainer drives it: one loss, one optimiser, one rule for the rate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import nn

from mmadfer import metrics
from mmadfer.config import InputSpec
from mmadfer.data.dataset import Item
from mmadfer.models.mma_dfer import MMADFER
from mmadfer.preprocess import frame_inputs

from ..augmentation import UNCHANGED
from ..input import augment
from ..mixing import mixed
from ..recipe import Recipe

_DROPOUT_DRAWS = 1
"""Sets the draws of modality dropout apart from a clip's other draws of the same seed and epoch."""


class Batch(NamedTuple):
    """What the model takes, and what is known of it."""

    frames: torch.Tensor
    """`(B, T, 3, S, S)` in [0, 1]."""
    spectrogram: torch.Tensor
    """`(B, 1, frames, bins)`."""
    label: torch.Tensor
    clip: torch.Tensor
    """Index into the prepared set's clips."""


class Scores(NamedTuple):
    """The logits of a scored part, each clip once, in the order of ``clips``."""

    clips: np.ndarray
    labels: np.ndarray
    logits: np.ndarray


class FineTuning(pl.LightningModule):
    """Trains what of an MMADFER requires a gradient and gets one; its state dict holds nothing else."""

    def __init__(
        self, model: MMADFER, recipe: Recipe, scored: tuple[str, ...] = (), data: Mapping[str, Any] | None = None
    ) -> None:
        """Args: model: taken over and trained in place; scored: names of the validation loaders, in their order;
        data: what identifies the data set, for checkpoints.
        """
        super().__init__()
        self.model, self.recipe, self.scored, self._data = model.train(), recipe, scored, data or {}
        freeze_unreached(model)
        self.frozen = frozenset(name for name, parameter in self.named_parameters() if not parameter.requires_grad)
        self._fingerprint = fingerprint(model)
        self.register_state_dict_post_hook(_leave_out_frozen)
        self.register_load_state_dict_post_hook(_expect_no_frozen)
        self.scores: dict[str, Scores] = {}
        self.results: dict[str, float] = {}
        """What the scored parts came to at the last look, such as "test/war", 0 to 1."""
        self._seen: dict[str, list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]] = {}
        if recipe.compile:
            for module in model.modules():
                if isinstance(module, Block):
                    module.compile()

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the mean cross-entropy of ``batch``."""
        frames, spectrogram, target = batch.frames, batch.spectrogram, batch.label
        if self.recipe.mixing.share:
            classes = len(self.model.spec.labels)
            frames, spectrogram, target = mixed(frames, spectrogram, target, classes, self.recipe.mixing)
        logits = self.model(frames, spectrogram)
        return F.cross_entropy(logits, target, label_smoothing=self.recipe.label_smoothing)

    def on_before_batch_transfer(self, batch: Item, dataloader_idx: int) -> tuple[Item, list[int]]:
        """Read which clips they are while that costs nothing: on a GPU it would wait for the step before."""
        assert isinstance(batch.index, torch.Tensor)
        return batch, batch.index.tolist()

    def on_after_batch_transfer(self, batch: tuple[Item, list[int]], dataloader_idx: int) -> Batch:
        """Make what the model takes of what the workers loaded, on the device and outside of autocast."""
        item, clips = batch
        if len(item.spectrogram) == 1:  # one for all
            item = item._replace(spectrogram=item.spectrogram.expand(len(clips), -1, -1, -1))
        recipe, spec = self.recipe, self.model.spec
        assert isinstance(item.label, torch.Tensor)
        assert isinstance(item.index, torch.Tensor)
        if not self.trainer.training:
            return Batch(augment.apply(item.frames, None, spec.image_size), item.spectrogram, item.label, item.index)
        draws = None
        if recipe.augmentation != UNCHANGED:
            draws = [recipe.augmentation.draw(recipe.seed, self.current_epoch, clip) for clip in clips]
        frames, spectrogram = augment.apply(item.frames, draws, spec.image_size), item.spectrogram
        if recipe.modality_dropout:
            missing = [missing_modality(recipe, self.current_epoch, clip) for clip in clips]
            frames, spectrogram = without(frames, spectrogram, missing, spec)
        return Batch(frames, spectrogram, item.label, item.index)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the loss of one part of a global batch."""
        loss = self.loss(batch)
        count = len(batch.label)
        self.log("train/loss_step", loss, on_step=True, on_epoch=False, prog_bar=True, batch_size=count)
        self.log("train/loss", loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=count)
        return loss

    def on_train_epoch_start(self) -> None:
        """Start the epoch's random state anew, so that a resumed run draws what an uninterrupted one draws."""
        state = np.random.SeedSequence((self.recipe.seed, self.current_epoch, self.global_rank)).generate_state(1)
        torch.manual_seed(int(state[0]))
        self.log("lr", self.recipe.lr * self.recipe.lr_factor(self.current_epoch))
        if not self.recipe.drop_path_on_frozen:
            for module in self.model.modules():
                if isinstance(module, Block) and not any(p.requires_grad for p in module.parameters()):
                    module.eval()

    def configure_optimizers(self) -> Any:
        """Return AdamW on what is trained, and the rate of each epoch."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, self.recipe.lr, weight_decay=self.recipe.weight_decay)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.recipe.lr_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the epoch before."""
        self._seen = {name: [] for name in self.scored}

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep the logits of one batch."""
        logits = self.model(batch.frames, batch.spectrogram).float()
        self._seen[self.scored[dataloader_idx]].append((batch.clip, batch.label, logits))

    def on_validation_epoch_end(self) -> None:
        """Gather the logits of all processes, each clip once, and log what they score."""
        for name, batches in self._seen.items():
            clips, labels, logits = (self._gathered(torch.cat(parts)) for parts in zip(*batches, strict=True))
            clips, first = np.unique(clips, return_index=True)
            scores = self.scores[name] = Scores(clips, labels[first], logits[first])
            self.results |= {f"{name}/{what}": value for what, value in _results(scores).items()}
        self.log_dict(self.results, prog_bar=True)
        self._seen = {}

    def _gathered(self, tensor: torch.Tensor) -> np.ndarray:
        everyone = self.all_gather(tensor)
        assert isinstance(everyone, torch.Tensor)
        return everyone.flatten(0, 1).cpu().numpy() if everyone.ndim > tensor.ndim else everyone.cpu().numpy()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say what the checkpoint belongs to."""
        checkpoint["mmadfer"] = self.identity()

    def identity(self) -> dict[str, Any]:
        """Return what a run must share with a checkpoint to go on from it, as JSON knows it."""
        model = self.model
        settings = {"input": asdict(model.spec), "model": asdict(model.config), "recipe": asdict(self.recipe)}
        return json.loads(json.dumps({"data": self._data, **settings, "frozen weights": self._fingerprint}))


def _results(scores: Scores) -> dict[str, float]:
    predicted = scores.logits.argmax(axis=1)
    loss = F.cross_entropy(torch.from_numpy(scores.logits), torch.from_numpy(scores.labels))
    war, uar = metrics.war(scores.labels, predicted), metrics.uar(scores.labels, predicted)
    return {"loss": float(loss), "war": war, "uar": uar}


def freeze_unreached(model: MMADFER) -> None:
    """Freeze the parameters of ``model`` that no gradient reaches, such as the temporal block's unused norms.

    They would keep several processes waiting for each other. Found by one pass without any data.
    """
    with torch.device("meta"):
        double = MMADFER(model.spec, model.config)
        for ours, other in zip(model.parameters(), double.parameters(), strict=True):
            other.requires_grad_(ours.requires_grad)
        frames = torch.zeros(2, model.spec.num_frames, 3, model.spec.image_size, model.spec.image_size)
        spectrogram = torch.zeros(2, 1, model.spec.mel.frames, model.spec.mel.bins)
        double(frames, spectrogram).sum().backward()
    for ours, other in zip(model.parameters(), double.parameters(), strict=True):
        ours.requires_grad_(other.grad is not None)


def missing_modality(recipe: Recipe, epoch: int, index: int) -> str:
    """Return which of "face" and "audio" clip ``index`` loses in ``epoch``; "" for none."""
    chance, which = np.random.default_rng((recipe.seed, epoch, index, _DROPOUT_DRAWS)).random(2)
    if chance >= recipe.modality_dropout:
        return ""
    return "face" if which < 0.5 else "audio"


def without(
    frames: torch.Tensor, spectrogram: torch.Tensor, missing: list[str], spec: InputSpec
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``frames`` `(B, T, 3, S, S)` and ``spectrogram`` `(B, 1, frames, bins)` without what each clip misses.

    In its place is what the recogniser gives the model where there is none: black frames, the log-mel of padding.
    """
    no_face = torch.tensor([name == "face" for name in missing], device=frames.device)
    no_sound = torch.tensor([name == "audio" for name in missing], device=frames.device)
    black = frame_inputs([], spec).to(frames)
    frames = torch.where(no_face[:, None, None, None, None], black, frames)
    return frames, spectrogram.masked_fill(no_sound[:, None, None, None], spec.mel.padding)


def fingerprint(model: MMADFER) -> str:
    """Return the SHA-256 of the parameters that are not trained: a checkpoint only fits the same ones."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            digest.update(name.encode())
            digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _leave_out_frozen(module: nn.Module, state: dict[str, Any], prefix: str, metadata: object) -> None:
    assert isinstance(module, FineTuning)
    for name in module.frozen:
        del state[prefix + name]


def _expect_no_frozen(module: nn.Module, keys: Any) -> None:
    # The moving average holds this module as its own "module".
    assert isinstance(module, FineTuning)
    missing = [key for key in keys.missing_keys if key.removeprefix("module.") not in module.frozen]
    keys.missing_keys[:] = missing
