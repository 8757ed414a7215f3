"""Clips made of the starter data: faces alone, voices alone, and both of one label or either with the other missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mmadfer.config import DFEW_LABELS, InputSpec
from mmadfer.data.adapters.starter import Faces, Voice
from mmadfer.data.dataset import Item
from mmadfer.preprocess import spectrogram

from .motion import STILL, Motion, clip_of
from .sound import Variation, columns_of, silent_input, varied_input

NEUTRAL = DFEW_LABELS.index("neutral")
_DRAWS = 11
"""Sets the draws of clips apart from other draws of the same seed and epoch."""


@dataclass(frozen=True)
class Shares:
    """What part of the clips misses something, each drawn anew in every epoch."""

    no_face: float = 0.15
    """Black frames, with the voice."""
    no_voice: float = 0.2
    """A silence of any kind, with the face."""
    neither: float = 0.08
    """Black frames and a silence: neutral, for there is nothing to see."""
    stray: float = 0.35
    """Of the clips with both, a voice of any label. The voices' encoder knows those that it was trained on too well: so
    they are relied on as much as a stranger's voice deserves, and a neutral voice does not erase a smile."""


NOTHING_MISSING = Shares(0.0, 0.0, 0.0, 0.0)
SOMETIMES_SILENT = Shares(no_face=0.0, no_voice=0.08, neither=0.0, stray=0.0)
"""For voices alone."""


class StarterClips:
    """Clips, one for each face or else each voice, whose parts are drawn by the seed, the epoch and the place alone.

    With both, each face is given another voice of its label in every epoch.
    """

    def __init__(
        self,
        spec: InputSpec,
        faces: Faces | None = None,
        voices: Sequence[Voice] = (),
        *,
        motion: Motion = STILL,
        variation: Variation | None = None,
        shares: Shares = NOTHING_MISSING,
        indices: Sequence[int] | np.ndarray | None = None,
        seed: int = 1,
    ) -> None:
        """Args: spec: the model's; faces and voices: of one part, one of them may be empty; variation: None leaves
        voices as they are, from their first sample on; indices: which clips, in which order; None: all.
        """
        self.spec, self._faces, self._voices, self._seed = spec, faces, list(voices), seed
        self._motion, self._variation, self._shares = motion, variation, shares
        self._columns = [columns_of(voice, spec) for voice in voices] if variation else []
        voice_labels = np.array([voice.label for voice in voices], np.int64)
        self._of_label = [np.flatnonzero(voice_labels == label) for label in range(len(spec.labels))]
        self.labels: np.ndarray = voice_labels if faces is None else faces.labels
        self._indices = np.arange(len(self.labels)) if indices is None else np.asarray(indices)
        # Shared memory: workers that live on from epoch to epoch hold a copy of everything else.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Draw for ``epoch``, from 0 on, from now on; in all workers too."""
        self._epoch[0] = epoch

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, position: int) -> Item:
        """Return one clip."""
        index = int(self._indices[position])
        rng = np.random.default_rng((self._seed, int(self._epoch), position, _DRAWS))
        label, shares = int(self.labels[index]), self._shares
        place = rng.random()
        no_face = place < shares.neither + shares.no_face
        no_voice = place < shares.neither or 1 - place <= shares.no_voice
        stray = not no_face and rng.random() < shares.stray
        return Item(
            self._frames(index, rng, no_face),
            self._sound(index, label, rng, no_voice, stray),
            NEUTRAL if place < shares.neither else label,
            position,
        )

    def batch(self, positions: Sequence[int]) -> Item:
        """Return several clips as one item with a dimension more."""
        frames, sounds, labels, places = zip(*(self[position] for position in positions), strict=True)
        return Item(torch.stack(frames), torch.stack(sounds), torch.tensor(labels), torch.tensor(places))

    def _frames(self, index: int, rng: np.random.Generator, missing: bool) -> torch.Tensor:
        spec = self.spec
        if self._faces is None or missing:
            return torch.zeros(spec.num_frames, spec.image_size, spec.image_size, 3, dtype=torch.uint8)
        clip = clip_of(self._faces.images[index], spec.num_frames, self._motion, rng)
        return torch.from_numpy(np.repeat(clip[..., None], 3, axis=-1))

    def _sound(self, index: int, label: int, rng: np.random.Generator, missing: bool, stray: bool) -> torch.Tensor:
        chosen = index if self._faces is None else self._voice(label, rng, stray)
        if missing and self._variation:
            values = silent_input(self.spec, self._variation, rng)
        elif missing or chosen is None:
            values = spectrogram(None, self.spec.sample_rate, self.spec.mel).numpy()
        elif self._variation:
            values = varied_input(self._columns[chosen], self.spec, self._variation, rng)
        else:
            values = spectrogram(self._voices[chosen].sound, self.spec.sample_rate, self.spec.mel).numpy()
        return torch.from_numpy(values)[None]

    def _voice(self, label: int, rng: np.random.Generator, stray: bool) -> int | None:
        """Return one of the voices of ``label``, a ``stray`` one of any; None where there are no voices at all."""
        if not self._voices:
            return None
        return int(rng.integers(len(self._voices)) if stray else rng.choice(self._of_label[label]))


def balanced(labels: np.ndarray, power: float) -> np.ndarray:
    """Return indices in which each class comes up as often as its count to the ``power``: 1 as it is, 0 all as often.

    The whole is as long as ``labels``; classes that come up more often than they are there repeat their members.
    """
    counts = np.bincount(labels)
    weights = np.where(counts > 0, counts.astype(float), np.inf) ** power
    weights[counts == 0] = 0
    wanted = np.round(weights / weights.sum() * len(labels)).astype(int)
    return np.concatenate([np.resize(np.flatnonzero(labels == label), n) for label, n in enumerate(wanted) if n])
