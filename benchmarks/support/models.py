"""The models that benchmarks run: weights by name, or random ones of any size."""

from __future__ import annotations

from mmadfer.config import InputSpec
from mmadfer.models.mma_dfer import MMADFER, untrained_model
from mmadfer.weights import checkpoint, store


def set_gates(model: MMADFER, gate: float) -> None:
    """Set all gates of ``model``: by tanh of them the branches see each other."""
    for name, parameter in model.fusion.named_parameters():
        if name.endswith("_gate"):
            parameter.data.fill_(gate)


def load(name_or_path: str | None, size: int, gate: float) -> MMADFER:
    """Return the weights named, or untrained ones for faces of ``size`` px with their gates set to ``gate``."""
    if name_or_path is not None:
        return checkpoint.load_model(store.resolve(name_or_path))
    model = untrained_model(InputSpec(image_size=size))
    set_gates(model, gate)
    return model
