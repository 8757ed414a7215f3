"""How a prepared clip becomes one answer: which frames, crops and sound are seen, and how views are averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from mmadfer.backends import Backend
from mmadfer.config import InputSpec
from mmadfer.data.dataset import ClipDataset
from mmadfer.data.prepared import PreparedSet
from mmadfer.data.sampling import FIRST, SECOND, WHOLE, Sampling
from mmadfer.postprocess import softmax
from mmadfer.preprocess import frame_pixels

from ..input.batches import Batches

LIVE = "live"
CENTRE = 7 / 8
"""Side of the smaller of the two crops of a view, as a share of the face's."""


@dataclass(frozen=True)
class View:
    """One look at a clip."""

    frames: str = WHOLE
    """Which frames: a view of `mmadfer.data.sampling`."""
    crop: float = 1.0
    """Side of the central square that is seen, as a share of the face crop's."""


VIEWS: dict[str, tuple[View, ...]] = {
    "uniform": (View(),),
    "two-clip": (View(FIRST), View(SECOND)),
    "views": tuple(View(frames, crop) for frames in (FIRST, SECOND) for crop in (1.0, CENTRE)),
}
PROTOCOLS = (*VIEWS, LIVE)
RULES = {
    "uniform": "16 frames by the test-time rule, from the middles of 16 equal parts of the clip; one answer",
    "two-clip": "two times 16 frames, a quarter and three quarters into each of 16 equal parts of the clip, with the "
    "same sound; mean of the two answers' probabilities (the paper's 2-clip)",
    "views": f"the two times 16 frames of two-clip, each seen whole and cut down to the central {CENTRE:.1%} of its "
    "side; mean of the four answers' probabilities",
    LIVE: "the app's sliding window over the whole video, with its face detector; mean of the probabilities of the "
    "full windows whose label it would show",
}


class ViewDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Chosen clips of a prepared set, each seen as a protocol wants it and resized by the one rule of the app."""

    def __init__(
        self,
        prepared: PreparedSet,
        indices: Sequence[int],
        spec: InputSpec,
        protocol: str,
        order: str = "text",
        span: bool = False,
    ) -> None:
        """Args: indices: into ``prepared.clips``; protocol: one of `VIEWS`; order, span: as the weights were trained.

        Raises ValueError as `ClipDataset` does.
        """
        self._spec, self.views = spec, VIEWS[protocol]
        self._clips = {
            name: ClipDataset(prepared, indices, spec, Sampling(train=False, order=order, span=span, view=name))
            for name in {view.frames for view in self.views}
        }

    def __len__(self) -> int:
        return len(next(iter(self._clips.values())))

    def __getitem__(self, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the V views of clip k: frames `(V, T, S, S, 3)` uint8 and log-mels `(V, 1, frames, bins)`."""
        items = {name: clips[k] for name, clips in self._clips.items()}
        frames = [self._resized(items[view.frames].frames.numpy(), view.crop) for view in self.views]
        return torch.stack(frames), torch.stack([items[view.frames].spectrogram for view in self.views])

    def batch(self, ks: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return several clips, with a dimension more in front."""
        frames, spectrograms = zip(*(self[k] for k in ks), strict=True)
        return torch.stack(frames), torch.stack(spectrograms)

    def _resized(self, frames: np.ndarray, crop: float) -> torch.Tensor:
        side = frames.shape[1]
        margin = round(side * (1 - crop) / 2)
        inner = frames[:, margin : side - margin, margin : side - margin]
        return torch.from_numpy(np.stack([frame_pixels(frame, self._spec) for frame in inner]))


def score_views(
    backend: Backend, dataset: ViewDataset, batch_size: int, workers: int, progress: Callable[[int], None]
) -> np.ndarray:
    """Return the logits of every view `(N, V, C)` float32, in the data set's order.

    Args: batch_size: views at once; workers: loading threads; progress: called with the clips just done.
    """
    count = len(dataset.views)
    loader = Batches(dataset, max(1, batch_size // count), threads=workers)
    found = []
    for frames, spectrograms in loader:
        clips = len(frames)
        crops = list(frames.flatten(0, 2).numpy())
        pixels = backend.frames(crops).unflatten(0, (clips * count, -1))
        logits = [
            backend(pixels[start : start + batch_size], sound)
            for start, sound in zip(
                range(0, clips * count, batch_size), spectrograms.flatten(0, 1).split(batch_size), strict=True
            )
        ]
        found.append(torch.cat(logits).unflatten(0, (clips, count)).numpy())
        progress(clips)
    return np.concatenate(found)


def averaged(logits: np.ndarray) -> np.ndarray:
    """Return one answer for each clip: `(N, V, C)` -> `(N, C)` float32.

    That of a single view is its own; several are averaged as probabilities, whose logarithm is returned.
    """
    if logits.shape[1] == 1:
        return logits[:, 0]
    mean = softmax(logits).mean(axis=1)
    return np.log(np.maximum(mean, np.finfo(np.float32).tiny)).astype(np.float32)
