"""A model that is built when somebody needs its weights: an engine made from them earlier does not."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.models.fingerprint import fingerprint
from mmadfer.types import WeightsInfo
from mmadfer.weights import catalogue, checkpoint, store
from mmadfer.weights.origin import Known, Origin

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER


class LazyModel:
    """Stands for a model; its settings and its fingerprint are known without building it where they were noted."""

    def __init__(self, make: Callable[[], MMADFER], origin: Origin | None = None) -> None:
        """Args: make: builds the model, called once at most; origin: of its weights, None where they have no name."""
        self._make = make
        self._origin = origin
        self._model: MMADFER | None = None
        self._known = origin.recall() if origin else None

    @classmethod
    def of(cls, model: MMADFER | LazyModel) -> LazyModel:
        """Return ``model`` as one of these."""
        return model if isinstance(model, LazyModel) else cls(lambda: model)

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> LazyModel:
        """Return the model in the file ``path``. Raises OSError or ValueError where there is none.

        What is wrong inside the file shows when the model is built, as `mmadfer.weights.checkpoint.load_model` says it.
        """
        path = checkpoint.existing_file(path)
        return cls(lambda: checkpoint.load_model(path), Origin.of_file(path))

    @classmethod
    def named(cls, name_or_path: str | os.PathLike[str] | None = None) -> LazyModel:
        """Return the model in a file or of a known name, fetched where it is not here yet.

        None means the starter weights. Raises OSError or ValueError as `mmadfer.weights.store.resolve` does.
        """
        if name_or_path == catalogue.UNTRAINED:
            return cls.untrained()
        return cls.of_file(store.resolve(catalogue.STARTER if name_or_path is None else name_or_path))

    @classmethod
    def untrained(cls, seed: int = 0) -> LazyModel:
        """Return the model with random weights of `mmadfer.models.mma_dfer.untrained_model`."""

        def make() -> MMADFER:
            from mmadfer.models.mma_dfer import (
                untrained_model,  # here, for it brings timm, which takes seconds to import
            )

            return untrained_model(seed=seed)

        return cls(make, Origin.untrained(seed))

    @property
    def has_origin(self) -> bool:
        """Whether the weights can be known again: what is found out about them is worth keeping."""
        return self._origin is not None

    @property
    def spec(self) -> InputSpec:
        """What the weights expect of their input."""
        return (self._known or self.build()).spec

    @property
    def config(self) -> ModelConfig:
        """The model's shape."""
        return (self._known or self.build()).config

    @property
    def info(self) -> WeightsInfo:
        """Where the weights come from."""
        return (self._known or self.build()).info

    @property
    def fingerprint(self) -> str:
        """See `mmadfer.models.fingerprint`; noted for the next time where the weights have an origin."""
        if self._known is None:
            model = self.build()
            self._known = Known(fingerprint(model), model.spec, model.config, model.info)
            if self._origin:
                self._origin.remember(self._known)
        return self._known.fingerprint

    def build(self) -> MMADFER:
        """Return the model itself, in eval mode, on the CPU."""
        if self._model is None:
            self._model = self._make()
        return self._model
