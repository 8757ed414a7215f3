"""What each process loads of each epoch: its share of every global batch, in an order that only the seed decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pytorch_lightning as pl
from torch.utils.data import Sampler

from mmadfer.config import InputSpec
from mmadfer.data.dataset import ClipDataset, Item
from mmadfer.data.prepared import PreparedSet
from mmadfer.data.sampling import Sampling

from ..recipe import Recipe
from .batches import Batches
from .splits import Parts

ORDER_DRAWS = 4
"""Sets the draws of the order apart from other draws of the same seed and epoch."""


class Drawn(Protocol):
    """Clips whose parts are drawn anew in every epoch."""

    def __len__(self) -> int:
        """Return how many there are."""

    def set_epoch(self, epoch: int) -> None:
        """Draw for ``epoch`` from now on."""


class TrainSampler(Sampler[int]):
    """One process's positions in each epoch. All processes together see the same batches, whatever their number."""

    def __init__(self, dataset: Drawn, recipe: Recipe, rank: int = 0, world_size: int = 1) -> None:
        """Args: dataset: told of each new epoch; rank: of this process; world_size: processes in all.

        Raises ValueError where the batch cannot be divided, or is larger than the data set.
        """
        parts = world_size * recipe.accumulate
        if recipe.batch_size % parts:
            raise ValueError(
                f"a batch of {recipe.batch_size} cannot be divided over {world_size} devices"
                + (f" in {recipe.accumulate} parts each" if recipe.accumulate > 1 else "")
                + f"; set batch_size to a multiple of {parts}"
            )
        count = len(dataset)
        # A last, smaller batch gives each process equally many clips, too.
        self._used = count - count % (recipe.batch_size if recipe.drop_last else world_size)
        if not self._used:
            raise ValueError(
                f"{count} training clips make no whole batch of {recipe.batch_size}; set a smaller batch_size"
            )
        self._dataset, self._recipe = dataset, recipe
        self._rank, self._world_size = rank, world_size
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Take the order of ``epoch`` from the next iteration on, and the data set its draws."""
        self._epoch = epoch
        self._dataset.set_epoch(epoch)

    def __len__(self) -> int:
        return self._used // self._world_size

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self._recipe.seed, self._epoch, ORDER_DRAWS))
        order = rng.permutation(len(self._dataset))[: self._used]
        for start in range(0, self._used, self._recipe.batch_size):
            batch = order[start : start + self._recipe.batch_size]
            share = len(batch) // self._world_size
            yield from batch[self._rank * share : (self._rank + 1) * share].tolist()


class ScoringSampler(Sampler[int]):
    """One process's positions of a part that is scored: equally many for each, so that none waits for ever.

    The first positions are repeated where they do not divide evenly; whoever gathers them counts each clip once.
    """

    def __init__(self, count: int, rank: int = 0, world_size: int = 1) -> None:
        """Args: count: clips; rank: of this process; world_size: processes in all."""
        self._each = -(-count // world_size)
        self._count, self._rank = count, rank

    def __len__(self) -> int:
        return self._each

    def __iter__(self) -> Iterator[int]:
        return (position % self._count for position in range(self._rank * self._each, (self._rank + 1) * self._each))


class FoldData(pl.LightningDataModule):
    """The loaders of one fold. Scored are the test part, then what is held out."""

    def __init__(self, prepared: PreparedSet, parts: Parts, spec: InputSpec, recipe: Recipe, workers: int) -> None:
        """Args: prepared: the data set; parts: of the fold; spec: the model's; workers: loading threads each."""
        super().__init__()
        self._prepared, self._parts, self._spec, self._recipe, self._workers = prepared, parts, spec, recipe, workers

    def train_dataloader(self) -> Batches[Item]:
        """Return the loader of this process's share of the training part."""
        sampling = Sampling(
            train=True, order=self._recipe.frame_order, tail=self._recipe.tail_frames, span=self._recipe.span_matched
        )
        dataset = ClipDataset(self._prepared, list(self._parts.train), self._spec, sampling, self._recipe.seed)
        trainer = self.trainer
        assert trainer is not None
        sampler = TrainSampler(dataset, self._recipe, trainer.global_rank, trainer.world_size)
        return self._loader(dataset, sampler, trainer.world_size)

    def val_dataloader(self) -> list[Batches[Item]]:
        """Return this process's loaders of the scored parts that are not empty, in the order of `Parts.scored`."""
        sampling = Sampling(train=False, order=self._recipe.frame_order, span=self._recipe.span_matched)
        trainer = self.trainer
        assert trainer is not None
        loaders = []
        for part in self._parts.scored:
            clips = list(getattr(self._parts, part))
            dataset = ClipDataset(self._prepared, clips, self._spec, sampling, self._recipe.seed)
            sampler = ScoringSampler(len(clips), trainer.global_rank, trainer.world_size)
            loaders.append(self._loader(dataset, sampler, trainer.world_size))
        return loaders

    def _loader(self, dataset: ClipDataset, sampler: Sampler[int], world_size: int) -> Batches[Item]:
        batch_size = self._recipe.batch_size // self._recipe.accumulate // world_size
        return Batches(dataset, batch_size, sampler, self._workers)
