"""The three stages: an encoder of faces, an encoder of voices, and what joins them; each resumes where it was left."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytorch_lightning as pl
import torch

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.data.dataset import Item
from mmadfer.models.mma_dfer import MMADFER, untrained_model

from ..input.batches import Batches
from ..input.loaders import TrainSampler
from ..loop.callbacks import CHECKPOINT, FiniteGuard, History, LastCheckpoint
from ..loop.module import FineTuning
from ..loop.trainer import make_trainer
from ..recipe import Recipe
from .clips import StarterClips

VALIDATION = "validation"


class StageData(pl.LightningDataModule):
    """The loaders of one stage."""

    def __init__(self, train: StarterClips, validation: StarterClips, recipe: Recipe, workers: int = 0) -> None:
        """Args: train and validation: clips; workers: loading threads."""
        super().__init__()
        self._train, self._validation, self._recipe, self._workers = train, validation, recipe, workers

    def train_dataloader(self) -> Batches[Item]:
        """Return the loader of the training part, in an order that the seed decides."""
        return self._loader(self._train, TrainSampler(self._train, self._recipe))

    def val_dataloader(self) -> Batches[Item]:
        """Return the loader of the validation part."""
        return self._loader(self._validation, None)

    def _loader(self, clips: StarterClips, sampler: TrainSampler | None) -> Batches[Item]:
        return Batches(clips, self._recipe.batch_size, sampler, self._workers)


@dataclass(frozen=True)
class Stage:
    """One training of the recipe."""

    name: str
    model: MMADFER
    recipe: Recipe
    train: StarterClips
    validation: StarterClips

    def run(self, out: Path, accelerator: str = "auto", workers: int = 0) -> MMADFER:
        """Train, or go on from the last whole epoch in ``out``; return the model in eval mode."""
        folder = out / self.name
        folder.mkdir(parents=True, exist_ok=True)
        module = FineTuning(self.model, self.recipe, (VALIDATION,))
        show = None if sys.stderr.isatty() else _say
        callbacks = [
            FiniteGuard(f"finished epochs are kept in {folder}"),
            History(folder, show),
            LastCheckpoint(folder),
        ]
        trainer = make_trainer(self.recipe, folder, callbacks, accelerator, devices=1, nodes=1)
        last = folder / CHECKPOINT
        data = StageData(self.train, self.validation, self.recipe, workers)
        trainer.fit(module, datamodule=data, ckpt_path=last if last.exists() else None, weights_only=True)
        if not module.scores:  # it was finished before: the trainer then leaves the averaged weights in the file
            module.load_state_dict(torch.load(last, map_location="cpu", weights_only=True)["state_dict"])
        return module.model.eval()


def single(kind: str, spec: InputSpec, config: ModelConfig, seed: int) -> MMADFER:
    """Return a model of one encoder, "face" or "audio", all of which is trained; it sees one frame."""
    model = untrained_model(replace(spec, num_frames=1), replace(config, modalities=(kind,), temporal="none"), seed)
    return model.requires_grad_(True)


def joined(face: MMADFER, audio: MMADFER, spec: InputSpec, config: ModelConfig, seed: int) -> MMADFER:
    """Return the whole model with the encoders of two trained ones, which are frozen as the paper's are."""
    model = untrained_model(spec, config, seed)
    model.face.load_state_dict(face.face.state_dict())
    model.audio.load_state_dict(audio.audio.state_dict())
    return model


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
