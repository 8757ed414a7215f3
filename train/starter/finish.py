"""The last step: a temperature for probabilities that mean what they say, and the origin in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmadfer.config import WeightsInfo
from mmadfer.data.adapters.starter import Faces, Voice
from mmadfer.models.mma_dfer import MMADFER
from mmadfer.weights import starter

from ..calibrate import calibrated
from .scores import CONDITIONS, LIVE_CONDITIONS, clips_of, score

_FACES = 4
"""One in so many faces is enough to fit one number."""


def calibrated_model(model: MMADFER, faces: Faces, voices: Sequence[Voice]) -> MMADFER:
    """Return ``model`` with the temperature that its validation clips want: faces, voices and both, and these live."""
    some = Faces(faces.images[::_FACES], faces.labels[::_FACES])
    conditions = (*CONDITIONS, *LIVE_CONDITIONS)
    scored = [score(model, clips_of(condition, model.spec, some, voices)) for condition in conditions]
    logits, labels = (np.concatenate([getattr(s, name) for s in scored]) for name in ("logits", "labels"))
    model.info = calibrated(WeightsInfo(name=starter.NAME, trained=True, source=starter.SOURCE), logits, labels)
    return model
