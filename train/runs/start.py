"""What a run starts from: pre-trained encoders, weights of an earlier run, or nothing."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.data.prepared import PreparedSet
from mmadfer.models.mma_dfer import MMADFER, untrained_model
from mmadfer.weights import checkpoint

from ..overrides import from_assignments
from ..recipe import Recipe

log = logging.getLogger(__name__)

_FREE_INPUT = {"window_seconds", "color", "level_eyes", "handles_missing"}
"""What of the InputSpec neither the prepared set nor the weights' shape decides."""


@dataclass(frozen=True)
class Start:
    """Where the weights come from, and what is asked of their shape."""

    face: str = ""
    """MAE-Face file; with ``audio``, the paper's start."""
    audio: str = ""
    """AudioMAE file."""
    init: str = ""
    """Weights of this project, or of the authors, to go on from."""
    scratch: bool = False
    """Random weights, all of them trained."""
    new_classifier: bool = False
    """Replace the classifier of ``init``: for other classes."""
    size: int = 0
    """Side of the face crops, px; 0 for that of ``init``, or of the prepared set."""
    model: tuple[str, ...] = ()
    """Changes of ModelConfig, as key=value."""
    input: tuple[str, ...] = ()
    """Changes of InputSpec, as key=value."""

    def __post_init__(self) -> None:
        if bool(self.face) != bool(self.audio):
            raise ValueError("--face and --audio belong together: give both encoders")
        if bool(self.face) + bool(self.init) + self.scratch != 1:
            raise ValueError(
                "say what to start from: either --face and --audio (the pre-trained encoders), or --init (weights "
                "of an earlier run or of the authors), or --scratch (nothing: everything is trained)"
            )
        if self.init and self.model:
            raise ValueError("--model cannot change the shape of the weights given by --init; leave one of them out")
        chosen = {assignment.partition("=")[0] for assignment in self.input} - _FREE_INPUT
        if chosen:
            raise ValueError(
                f"--input cannot change {', '.join(sorted(chosen))}; it takes {', '.join(sorted(_FREE_INPUT))}. "
                "The rest is the prepared set's, and --size is the faces' side"
            )
        if self.new_classifier and not self.init:
            raise ValueError("--new-classifier replaces the classifier of --init, which is not given")

    def describe(self) -> str:
        """Return the origin in words, without the folders of whoever trained."""
        files = " and ".join(Path(name).name for name in (self.init, self.face, self.audio) if name)
        return files or "random weights"


def build(start: Start, prepared: PreparedSet, recipe: Recipe) -> MMADFER:
    """Return the model to train, in the state that the run's seed gives it.

    Raises OSError or ValueError where a file cannot be read or does not fit the prepared set.
    """
    torch.manual_seed(recipe.seed)
    if start.init:
        return _fitted(checkpoint.load_model(start.init), start, prepared, recipe)
    config = from_assignments(ModelConfig(), start.model, "--model")
    spec = input_spec(InputSpec(image_size=start.size or prepared.image_size), start, prepared, recipe)
    if start.scratch:
        model = untrained_model(spec, config, recipe.seed)
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        return model
    return checkpoint.load_pretrained(start.face, start.audio, spec, config)


def input_spec(spec: InputSpec, start: Start, prepared: PreparedSet, recipe: Recipe) -> InputSpec:
    """Return ``spec`` with what the prepared set and the recipe say of the input, and with the user's own changes."""
    missing = ("face", "audio") if recipe.modality_dropout else spec.handles_missing
    spec = replace(
        spec,
        labels=prepared.labels,
        mel=prepared.mel,
        sample_rate=sample_rate(prepared) or spec.sample_rate,
        level_eyes=prepared.settings.level_eyes,
        handles_missing=missing,
    )
    return from_assignments(spec, start.input, "--input")


def sample_rate(prepared: PreparedSet) -> int:
    """Return the rate of the set's sound, Hz: that of most clips where each kept its own; 0 without any sound."""
    if prepared.sample_rate:
        return prepared.sample_rate
    rates = Counter(clip.sample_rate for clip in prepared.clips if clip.has_sound)
    return rates.most_common(1)[0][0] if rates else 0


def _fitted(model: MMADFER, start: Start, prepared: PreparedSet, recipe: Recipe) -> MMADFER:
    theirs, ours = model.spec.labels, prepared.labels
    if start.size and start.size != model.spec.image_size:
        raise ValueError(f"{start.init} takes {model.spec.image_size} px, not --size {start.size}; leave --size out")
    if theirs != ours and not start.new_classifier:
        raise ValueError(
            f"{start.init} has {len(theirs)} classes ({', '.join(theirs)}), but {prepared.name} has {len(ours)} "
            f"({', '.join(ours)}); add --new-classifier to train a new last layer for them"
        )
    before, model.spec = model.spec, input_spec(model.spec, start, prepared, recipe)
    if before.sample_rate != model.spec.sample_rate:
        log.warning(
            "%s expects sound at %d Hz, and %s has it at %d Hz: the weights have to learn that",
            *(start.init, before.sample_rate, prepared.name, model.spec.sample_rate),
        )
    if start.new_classifier:
        model.classifier = nn.Linear(model.classifier.in_features, len(ours))
    return model
