"""The three stages: an encoder of faces, an encoder of voices, and what joins them; each resumes where it was left."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.data.adapters.starter import CALM, Faces, Voice
from mmadfer.data.dataset import Item
from mmadfer.models.mma_dfer import MMADFER, untrained_model

from ..input.batches import Batches
from ..input.loaders import TrainSampler
from ..loop.callbacks import CHECKPOINT, FiniteGuard, History, LastCheckpoint
from ..loop.module import FineTuning
from ..loop.trainer import make_trainer
from ..recipe import Recipe
from .clips import SOMETIMES_SILENT, Shares, StarterClips, balanced
from .motion import MILD, STILL, Motion
from .settings import StarterRecipe
from .sound import Variation

VALIDATION = "validation"
_ACTED = 3
"""Times that each acted voice comes up in an epoch, for each time that a calm one does."""


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


def faces_alone(recipe: StarterRecipe, faces: dict[str, Faces]) -> Stage:
    """Return the training of the faces' encoder. Args: faces: of the parts "train" and "validation"."""
    one, labels = replace(recipe.spec, num_frames=1), faces["train"].labels
    train = StarterClips(one, faces["train"], motion=Motion(), indices=balanced(labels, 0.7), seed=recipe.seed)
    validation = StarterClips(one, faces["validation"], motion=STILL)
    model = _single("face", one, replace(recipe.config, drop_path=recipe.face_drop_path), recipe.seed)
    return Stage("faces", model, recipe.stages["faces"], train, validation)


def voices_alone(recipe: StarterRecipe, voices: dict[str, list[Voice]]) -> Stage:
    """Return the training of the voices' encoder. Args: voices: of the parts "train" and "validation"."""
    one = replace(recipe.spec, num_frames=1)
    labels = np.array([voice.label for voice in voices["train"]])
    acted = np.array([voice.corpus != CALM for voice in voices["train"]])
    often = np.flatnonzero(acted)[balanced(labels[acted], 0.5)]
    train = StarterClips(
        one,
        voices=voices["train"],
        variation=Variation(),
        shares=SOMETIMES_SILENT,
        indices=np.concatenate([np.tile(often, _ACTED), np.flatnonzero(~acted)]),
        seed=recipe.seed,
    )
    validation = StarterClips(one, voices=voices["validation"])
    return Stage(
        "voices", _single("audio", one, recipe.config, recipe.seed), recipe.stages["voices"], train, validation
    )


def _single(kind: str, spec: InputSpec, config: ModelConfig, seed: int) -> MMADFER:
    """Return a model of one encoder, "face" or "audio", all of which is trained; ``spec`` has one frame."""
    model = untrained_model(spec, replace(config, modalities=(kind,), temporal="none"), seed)
    return model.requires_grad_(True)


def joined(
    recipe: StarterRecipe, faces: dict[str, Faces], voices: dict[str, list[Voice]], face: MMADFER, audio: MMADFER
) -> Stage:
    """Return the training of what joins the encoders of two trained models, which are frozen as the paper's are."""
    model = untrained_model(recipe.spec, recipe.config, recipe.seed)
    model.face.load_state_dict(face.face.state_dict())
    model.audio.load_state_dict(audio.audio.state_dict())
    train = StarterClips(
        recipe.spec,
        faces["train"],
        voices["train"],
        motion=Motion(),
        variation=Variation(),
        shares=Shares(),
        indices=balanced(faces["train"].labels, 0.7)[::8],
        seed=recipe.seed,
    )
    few = balanced(faces["validation"].labels, 1.0)[::4]
    validation = StarterClips(recipe.spec, faces["validation"], voices["validation"], motion=MILD, indices=few)
    return Stage("joined", model, recipe.stages["joined"], train, validation)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
