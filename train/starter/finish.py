"""The last step: temperatures for probabilities that mean what they say, when to be unsure, and the origin in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmadfer.data.adapters.starter import Faces, Voice
from mmadfer.models.mma_dfer import MMADFER
from mmadfer.postprocess import softmax
from mmadfer.types import Basis, WeightsInfo
from mmadfer.weights import starter

from ..calibrate import fit_temperature, unsure_threshold
from .clips import NEUTRAL
from .familiar import familiar_voice
from .scores import clips_of, score

_FACES = 4
"""One in so many faces is enough to fit one number."""
UNSURE_ERROR = 0.25
"""Largest share of wrong answers among those that are not called unsure, on the validation part."""
_CONDITIONS = {Basis.BOTH: "both", Basis.FACE: "faces", Basis.VOICE: "voices"}


@dataclass(frozen=True)
class Strangers:
    """People who are in no part of the training."""

    labelled: Sequence[Voice]
    """A corpus of acted voices: how far a stranger's voice can be trusted is fitted on it."""
    calm: Sequence[Voice]
    """Plain speech; with the others it is what voices that the weights know are told from."""


def calibrated_model(
    model: MMADFER,
    faces: Faces,
    voices: dict[str, list[Voice]],
    strangers: Strangers,
    neutral_recall: dict[Basis, float],
) -> MMADFER:
    """Return ``model`` with the temperatures that held-out clips want, as they are and as seen live.

    One for each thing that an answer may rest on. Actors of a corpus that was trained on are better known than anybody
    else; so what tells them from others is fitted too, and the voice of anybody else has a temperature of its own, from
    a corpus that was left out.

    Args: faces: of the validation part; voices: RAVDESS's of "train" and "validation"; neutral_recall: by what an
    answer rests on, what share of its neutral clips is to be read so: as much is added to neutral. For a face at rest
    that is called sad does more harm than a sad one that is missed.
    """
    some, known = Faces(faces.images[::_FACES], faces.labels[::_FACES]), voices["validation"]
    found = {basis: _scored(model, condition, some, known) for basis, condition in _CONDITIONS.items()}
    if strangers.labelled:
        found[Basis.UNFAMILIAR_VOICE] = _scored(model, "voices", some, strangers.labelled)
    biases, temperatures, unsure = {}, {}, {}
    for basis, (logits, labels) in found.items():
        bias = np.zeros(len(model.spec.labels))
        bias[NEUTRAL] = round(bias_for(NEUTRAL, logits, labels, neutral_recall.get(basis, 0.0)), 4)
        if bias.any():
            biases[basis.value] = tuple(bias.tolist())
        temperatures[basis.value] = fit_temperature(logits + bias, labels)
        probabilities = softmax(logits + bias, temperatures[basis.value])
        unsure[basis.value] = unsure_threshold(probabilities, labels, UNSURE_ERROR)
    others = [*strangers.labelled, *strangers.calm]
    model.info = WeightsInfo(
        name=starter.NAME,
        trained=True,
        source=model.info.source or starter.SOURCE,
        temperature=temperatures[Basis.BOTH.value],
        temperatures=temperatures,
        logit_biases=biases,
        unsure_below=unsure,
        unsure_error=UNSURE_ERROR,
        familiar_voice=familiar_voice(voices["train"], others, known, model.spec) if others else (),
    )
    return model


def bias_for(label: int, logits: np.ndarray, labels: np.ndarray, recall: float) -> float:
    """Return the least that must be added to the logits of ``label`` for so many of its clips to be read rightly.

    Args: logits: `(N, C)`; labels: `(N,)`; recall: 0 to 1. 0 where nothing need be added.
    """
    own = logits[labels == label]
    lacking = np.sort(np.delete(own, label, axis=1).max(axis=1) - own[:, label])
    wanted = int(np.ceil(recall * len(own)))
    return max(0.0, float(lacking[wanted - 1]) + 1e-3) if wanted else 0.0


def _scored(model: MMADFER, condition: str, faces: Faces, voices: Sequence[Voice]) -> tuple[np.ndarray, np.ndarray]:
    scored = [score(model, clips_of(name, model.spec, faces, voices)) for name in (condition, f"{condition}, live")]
    return np.concatenate([s.logits for s in scored]), np.concatenate([s.labels for s in scored])
