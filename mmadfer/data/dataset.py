"""Clips of a prepared set as the training and the evaluation load them: decoded frames as bytes, and the log-mel.

What is done to the pixels after decoding is done in batches, on the device: `train.input.augment`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from mmadfer.config import InputSpec
from mmadfer.data.prepared import PreparedClip, PreparedSet
from mmadfer.data.sampling import Picked, Sampling, listed_frames, pick
from mmadfer.preprocess import grey

# The purposes that numbers are drawn for, so that two of them never share a generator. Not 0: a seed of (1, 2, 0) gives
# the same numbers as one of (1, 2).
FRAME_DRAWS = 2

_DECODE = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


class Item(NamedTuple):
    """One clip, or a batch of them with one more dimension in front."""

    frames: torch.Tensor
    """`(T, S0, S0, 3)` uint8, red first, of the side that the set was prepared at; black where there is no face."""
    spectrogram: torch.Tensor
    """`(1, frames, bins)` float32, normalised; the constant of padding where there is no sound."""
    label: int | torch.Tensor
    """Index into the labels of the InputSpec."""
    index: int | torch.Tensor  # type: ignore[assignment]  # a tuple's own method of that name is of no use here
    """Into the clips of the prepared set."""


class ClipDataset(Dataset[Item]):
    """Chosen clips of a prepared set, sampled by one rule.

    Each draw depends on the seed, the epoch and the clip alone: not on the order, the worker or the process.
    """

    def __init__(
        self, prepared: PreparedSet, indices: Sequence[int], spec: InputSpec, sampling: Sampling, seed: int = 1
    ) -> None:
        """Args: indices: into ``prepared.clips``; spec: the input that the weights expect; seed: 0 or more.

        Raises ValueError where the set was prepared for another input, or where an index or a label is out of range.
        """
        self.prepared, self.indices, self.spec, self.sampling = prepared, list(indices), spec, sampling
        _check_sound(prepared, spec)
        wrong = [i for i in self.indices if not 0 <= i < len(prepared.clips)]
        if wrong:
            raise ValueError(f"{prepared.name} has the clips 0 to {len(prepared.clips) - 1}, got {wrong[0]}")
        strangers = {prepared.clips[i].label: prepared.clips[i].clip_id for i in self.indices}
        for label in set(spec.labels) & set(strangers):
            del strangers[label]
        for label, clip_id in strangers.items():
            raise ValueError(
                f"clip {clip_id} of {prepared.name} is labelled {label!r}, which these weights do not know: "
                f"they know {', '.join(spec.labels)}"
            )
        if seed < 0:
            raise ValueError(f"the seed must be 0 or more, got {seed}")
        self._seed = seed
        # Shared memory: workers that live on from epoch to epoch hold a copy of everything else.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Draw for ``epoch``, from 0 on, from now on; in all workers too. Call it before the epoch's first batch."""
        self._epoch[0] = epoch

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, k: int) -> Item:
        """Return the k-th of the chosen clips. Raises OSError or ValueError where its data cannot be read."""
        index, frames = self.indices[k], self._empty(1)[0]
        spectrogram = self._load(index, frames)
        return Item(torch.from_numpy(frames), torch.from_numpy(spectrogram), self._label(index), index)

    def batch(self, ks: Sequence[int]) -> Item:
        """Return several of the chosen clips as one item with a dimension more; errors as for one.

        Their frames share one block of memory, for which NumPy asks the system for large pages; with a page fault at
        every 4 KB, loading takes at least a tenth longer. No work is left to PyTorch, whose threads would get in the
        way of others that load.
        """
        indices = [self.indices[k] for k in ks]
        frames = self._empty(len(indices))
        spectrograms = np.stack([self._load(index, block) for index, block in zip(indices, frames, strict=True)])
        labels = np.array([self._label(index) for index in indices])
        return Item(*map(torch.from_numpy, (frames, spectrograms, labels, np.array(indices))))

    def _empty(self, clips: int) -> np.ndarray:
        side = self.prepared.image_size
        return np.empty((clips, self.spec.num_frames, side, side, 3), dtype=np.uint8)

    def _label(self, index: int) -> int:
        return self.spec.labels.index(self.prepared.clips[index].label)

    def _load(self, index: int, frames: np.ndarray) -> np.ndarray:
        """Return the log-mel of clip ``index``, its frames written into ``frames``."""
        clip = self.prepared.clips[index]
        rng = np.random.default_rng((self._seed, int(self._epoch), index, FRAME_DRAWS))
        picked = Picked(())
        if clip.num_frames:
            picked = pick(self.sampling, clip, self.spec, rng, self._listed(index))
        else:
            frames[:] = 0
        self._decode(index, clip, picked.positions, frames)
        return self._spectrogram(index, picked.first_column)

    def _listed(self, index: int) -> Sequence[int]:
        if self.sampling.order == "natural":
            return ()
        return listed_frames(self.prepared.text_order(index), self.prepared.uncounted_frames)

    def _decode(self, index: int, clip: PreparedClip, positions: Sequence[int], frames: np.ndarray) -> None:
        """Write the frames at ``positions`` into ``frames``, each decoded once."""
        side = self.prepared.image_size
        different = sorted(set(positions))
        rows = {position: positions.index(position) for position in different}
        for position, data in zip(different, self.prepared.jpegs(index, different), strict=True):
            frame = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), _DECODE)
            if frame is None or frame.shape != (side, side, 3):
                raise ValueError(
                    f"frame {position} of clip {clip.clip_id} is no JPEG of {side} x {side} px; "
                    f"prepare {self.prepared.name} again"
                )
            frames[rows[position]] = grey(frame) if self.spec.color == "grey" else frame
        for row, position in enumerate(positions):
            if row != rows[position]:
                frames[row] = frames[rows[position]]

    def _spectrogram(self, index: int, first_column: int) -> np.ndarray:
        mel = self.spec.mel
        spectrogram = np.full((1, mel.frames, mel.bins), mel.padding, dtype=np.float32)
        columns = self.prepared.log_mel(index)[first_column : first_column + mel.frames]
        spectrogram[0, : len(columns)] = columns
        return spectrogram


def _check_sound(prepared: PreparedSet, spec: InputSpec) -> None:
    """Raise ValueError where the cached log-mel is another than the weights expect; its length alone may differ."""
    if dataclasses.replace(prepared.mel, frames=spec.mel.frames) != spec.mel:
        raise ValueError(
            f"{prepared.name} was prepared with the log-mel settings {prepared.mel}, and the weights expect "
            f"{spec.mel}: prepare it again with those"
        )
    if prepared.sample_rate not in (0, spec.sample_rate):
        raise ValueError(
            f"{prepared.name} was prepared with sound at {prepared.sample_rate} Hz, and the weights expect "
            f"{spec.sample_rate} Hz: prepare it again with --sample-rate {spec.sample_rate}"
        )
