"""Clips made of the starter data: faces alone, voices alone, and both of one label or either with the other missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from mmadfer.config import DFEW_LABELS, InputSpec
from mmadfer.data.adapters.starter import CALM, Faces, Voice
from mmadfer.data.dataset import Item
from mmadfer.preprocess import spectrogram

from .motion import STILL, Motion, moving
from .sound import Columns, Variation, silent_inputs, varied_inputs

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
    calm: float = 0.25
    """Of the clips with a voice, a stranger's calm speech: the face's label stays; without a face it is neutral."""


@dataclass(frozen=True)
class _Missing:
    """What one clip misses, and whether its voice is of any label, or calm."""

    face: bool
    voice: bool
    neither: bool
    stray: bool
    calm: bool

    @classmethod
    def drawn(cls, shares: Shares, rng: np.random.Generator) -> _Missing:
        place = rng.random()
        neither = place < shares.neither
        face = place < shares.neither + shares.no_face
        voice = neither or 1 - place <= shares.no_voice
        stray, calm = rng.random(2) < (shares.stray, shares.calm)
        return cls(face, voice, neither, bool(stray) and not face, bool(calm) and not voice)


NOTHING_MISSING = Shares(0.0, 0.0, 0.0, 0.0, 0.0)
SOMETIMES_SILENT = Shares(no_face=0.0, no_voice=0.08, neither=0.0, stray=0.0, calm=0.0)
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
        self._columns = Columns.of(voices, spec) if variation and voices else None
        self._no_sound = spectrogram(None, spec.sample_rate, spec.mel).numpy()
        voice_labels = np.array([voice.label for voice in voices], np.int64)
        calm = np.array([voice.corpus == CALM for voice in voices], bool)
        self._calm, self._acted = np.flatnonzero(calm), np.flatnonzero(~calm)
        self._of_label = [np.flatnonzero((voice_labels == label) & ~calm) for label in range(len(spec.labels))]
        self.labels: np.ndarray = voice_labels if faces is None else faces.labels
        lacking = [spec.labels[label] for label in np.unique(self.labels) if not len(self._of_label[label])]
        if faces is not None and voices and lacking:
            raise ValueError(f"there are faces but no voices of {', '.join(lacking)}; each class needs both")
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
        frames, sounds, labels, places = self.batch([position])
        return Item(frames[0], sounds[0], int(torch.as_tensor(labels)[0]), int(torch.as_tensor(places)[0]))

    def batch(self, positions: Sequence[int]) -> Item:
        """Return several clips as one item with a dimension more."""
        indices = self._indices[np.asarray(positions)]
        rngs = [np.random.default_rng((self._seed, int(self._epoch), position, _DRAWS)) for position in positions]
        missing = [_Missing.drawn(self._shares, rng) for rng in rngs]
        if not len(self._calm):
            missing = [replace(each, calm=False) for each in missing]
        neutral = [each.neither or (each.face and each.calm) for each in missing]
        labels = np.where(neutral, NEUTRAL, self.labels[indices])
        frames = self._frames(indices, rngs, [each.face for each in missing])
        sounds = self._sounds(indices, rngs, missing)
        return Item(frames, sounds, torch.from_numpy(labels), torch.tensor(positions))

    def _frames(
        self, indices: np.ndarray, rngs: Sequence[np.random.Generator], missing: Sequence[bool]
    ) -> torch.Tensor:
        spec = self.spec
        if self._faces is None:
            return torch.zeros(len(indices), spec.num_frames, spec.image_size, spec.image_size, 3, dtype=torch.uint8)
        images = torch.from_numpy(self._faces.images[indices])
        clips = moving(images, spec.num_frames, self._motion, rngs)
        clips[torch.tensor(missing)] = 0
        return clips[..., None].repeat(1, 1, 1, 1, 3)

    def _sounds(
        self, indices: np.ndarray, rngs: Sequence[np.random.Generator], missing: Sequence[_Missing]
    ) -> torch.Tensor:
        if self._faces is not None and not self._voices:  # the same for all: one is enough to carry
            return torch.from_numpy(self._no_sound)[None, None]
        chosen = [
            None if each.voice else self._voice(int(index), rng, each)
            for index, rng, each in zip(indices, rngs, missing, strict=True)
        ]
        if self._variation is None or self._columns is None:
            return torch.stack([self._unchanged(voice) for voice in chosen])[:, None]
        sounds = silent_inputs(self.spec, self._variation, rngs)
        heard = [place for place, voice in enumerate(chosen) if voice is not None]
        if heard:
            columns = self._columns[[voice for voice in chosen if voice is not None]]
            sounds[heard] = varied_inputs(columns, self.spec, self._variation, [rngs[place] for place in heard])
        return sounds[:, None]

    def _unchanged(self, voice: int | None) -> torch.Tensor:
        if voice is None:
            return torch.from_numpy(self._no_sound)
        return spectrogram(self._voices[voice].sound, self.spec.sample_rate, self.spec.mel)

    def _voice(self, index: int, rng: np.random.Generator, missing: _Missing) -> int:
        """Return the voice of clip ``index``: its own; or calm, of any label, or one of its face's label."""
        if self._faces is None:
            return index
        if missing.calm:
            return int(rng.choice(self._calm))
        return int(rng.choice(self._acted if missing.stray else self._of_label[int(self.labels[index])]))


def balanced(labels: np.ndarray, power: float) -> np.ndarray:
    """Return indices in which each class comes up as often as its count to the ``power``: 1 as it is, 0 all as often.

    The whole is as long as ``labels``; classes that come up more often than they are there repeat their members.
    """
    counts = np.bincount(labels)
    weights = np.where(counts > 0, counts.astype(float), np.inf) ** power
    weights[counts == 0] = 0
    wanted = np.round(weights / weights.sum() * len(labels)).astype(int)
    return np.concatenate([np.resize(np.flatnonzero(labels == label), n) for label, n in enumerate(wanted) if n])
