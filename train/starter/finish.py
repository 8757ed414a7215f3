"""The last step: a temperature for probabilities that mean what they say, and the origin in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmadfer.config import WeightsInfo
from mmadfer.data.starter import Faces, Voice
from mmadfer.model import MMADFER
from train.calibrate import calibrated
from train.starter.scores import CONDITIONS, clips_of, score

NAME = "starter weights"
SOURCE = "FER2013 faces and RAVDESS voices, paired by label"


def calibrated_model(model: MMADFER, faces: Faces, voices: Sequence[Voice]) -> MMADFER:
    """Return ``model`` with the temperature that its validation clips want, over faces, voices and both alike."""
    scored = [score(model, clips_of(condition, model.spec, faces, voices)) for condition in CONDITIONS]
    logits, labels = (np.concatenate([getattr(s, name) for s in scored]) for name in ("logits", "labels"))
    model.info = calibrated(WeightsInfo(name=NAME, trained=True, source=SOURCE), logits, labels)
    return model
