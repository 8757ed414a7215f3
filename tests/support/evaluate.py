"""A prepared set, weights that tell clips apart, and the model called by hand: what tests of scoring share."""

import dataclasses
import io

import numpy as np
import torch
from PIL import Image

from mmadfer.config import InputSpec
from mmadfer.models.mma_dfer import untrained_model
from mmadfer.preprocess import frame_inputs
from mmadfer.types import WeightsInfo
from tests.support.made_datasets import prepared_set
from tests.support.small_models import TINY
from train import evaluate

LABELS = ("happiness", "sadness", "neutral")
SPEC = InputSpec(image_size=32, labels=LABELS, sample_rate=16_000)
MACHINE = ("--backend", "pytorch", "--device", "cpu", "--precision", "fp32", "--workers", "0")
FOLDS = ("1", "2", "3", "4", "5")


def five_folds(folder):
    """Write a prepared set of 5 folds, of clips longer and shorter than 16 frames, some of them silent."""
    return prepared_set(folder, 10, LABELS, folds=FOLDS, frames=(40, 9, 23), silent_every=7, unpadded=True)


def model(labels=LABELS, seed=0, **info):
    """Return random weights that tell clips apart: fresh ones answer all alike, with hardly any spread."""
    made = untrained_model(dataclasses.replace(SPEC, labels=labels), TINY, seed)
    random = torch.Generator().manual_seed(seed)
    frames = torch.rand(8, 1, 3, 4, 4, generator=random).expand(-1, 16, -1, -1, -1).flatten(0, 1)
    frames = torch.nn.functional.interpolate(frames, 32).unflatten(0, (8, 16))
    sound = torch.randn(8, 1, 512, 128, generator=random)
    with torch.no_grad():
        logits = made(frames, sound)
        steeper = 1.5 / logits.std(dim=0, keepdim=True).T
        made.classifier.weight *= steeper
        made.classifier.bias.copy_(made.classifier.bias * steeper[:, 0] - (logits * steeper.T).mean(dim=0))
    made.info = WeightsInfo(**{"name": "small", "trained": True, **info})
    return made


def run(prepared, out, *options):
    return evaluate.main([str(prepared.folder), "--out", str(out), *MACHINE, *map(str, options)])


def by_hand(made, prepared, i, positions, margin=0):
    """Return the logits `(C,)` of frames at ``positions`` of clip i, decoded by PIL, without a data set or a loader."""
    jpegs = prepared.jpegs(i, positions)
    pictures = [np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in jpegs]
    side = prepared.image_size
    frames = frame_inputs([p[margin : side - margin, margin : side - margin] for p in pictures], made.spec)
    spectrogram = torch.full((1, 1, 512, 128), made.spec.mel.padding)
    columns = torch.tensor(prepared.log_mel(i)[:512].astype(np.float32))
    spectrogram[0, 0, : len(columns)] = columns
    with torch.no_grad():
        return made(frames[None], spectrogram)[0].double().numpy()


def softmax(logits):
    return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


def softmax_rows(logits):
    return np.stack([softmax(row) for row in np.float64(logits)])
