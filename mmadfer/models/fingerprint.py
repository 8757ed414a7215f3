"""By what a model is known: its settings and every weight, in one number."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER


def fingerprint(model: MMADFER) -> str:
    """Return SHA-256 over the settings and every weight of ``model``, as hexadecimal text."""
    digest = hashlib.sha256()
    for settings in (model.spec, model.config, model.info):
        digest.update(settings.to_json().encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
