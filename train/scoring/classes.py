"""Which outputs of the weights answer for which classes of a data set: by name, never by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClassMap:
    """The classes that are scored."""

    names: tuple[str, ...]
    """In the data set's order."""
    columns: tuple[int, ...]
    """The weights' output for each of them."""

    def logits(self, logits: np.ndarray) -> np.ndarray:
        """Return the outputs of the scored classes: `(..., weights' classes)` -> `(..., C)`."""
        return logits[..., list(self.columns)]

    def bias(self, bias: Sequence[float]) -> tuple[float, ...]:
        """Return the scored classes' share of the weights' logit bias, which may be empty."""
        return tuple(bias[column] for column in self.columns) if bias else ()

    def probabilities(self, values: Mapping[str, float]) -> np.ndarray:
        """Return the probabilities `(C,)` that are left where no other class is possible."""
        shares = np.array([values[name] for name in self.names])
        return shares / shares.sum()


def match_classes(data: str, data_labels: Sequence[str], weights_labels: Sequence[str], shared: bool) -> ClassMap:
    """Return the classes of the data set called ``data`` that weights with ``weights_labels`` are scored on.

    Args: shared: score only the classes that both name, where they differ: the other outputs are left out before the
    softmax, and so are the clips of other classes.
    Raises ValueError where the names differ and ``shared`` does not allow it, or fewer than two are common.
    """
    names = tuple(name for name in data_labels if name in weights_labels)
    foreign = [name for name in weights_labels if name not in data_labels]
    unknown = [name for name in data_labels if name not in weights_labels]
    if len(names) < 2:
        raise ValueError(
            f"the weights answer with {', '.join(weights_labels)}, and {data} is labelled with "
            f"{', '.join(data_labels)}: they share {f'only {names[0]}' if names else 'no class'}, so nothing can be "
            "scored"
        )
    if (foreign or unknown) and not shared:
        differences = [f"only the weights have {', '.join(foreign)}"] if foreign else []
        differences += [f"only {data} has {', '.join(unknown)}"] if unknown else []
        raise ValueError(
            f"the weights have {len(weights_labels)} classes and {data} has {len(data_labels)}: "
            f"{'; '.join(differences)}. Add --shared-labels to score the {len(names)} that they share"
        )
    return ClassMap(names, tuple(list(weights_labels).index(name) for name in names))
