"""What a recording says of the program and the weights that made its answers."""

from __future__ import annotations

import dataclasses
from typing import Any

from mmadfer import __version__
from mmadfer.outputs.schema import SCHEMA_VERSION
from mmadfer.stream.shared import Recognizer
from mmadfer.weights import catalogue, starter

from ..session import protocol


def recording_about(recognizer: Recognizer, smoothing: float) -> dict[str, Any]:
    """Return these lines of metadata.json. Args: smoothing: time constant of the columns ``smoothed_``, s."""
    info = recognizer.info
    is_starter = info.name == starter.NAME
    return {
        "weightsSha256": recognizer.weights_sha256 or None,
        "weightsSource": info.source or None,
        # Where the card lies on this machine concerns nobody elsewhere.
        "weightsCard": f"mmadfer/assets/{starter.CARD.name} of mmadfer {__version__}" if is_starter else None,
        "weightsCaveat": catalogue.caveat(info).removesuffix(f" Read {starter.CARD}."),
        "versions": {"mmadfer": __version__, "protocol": protocol.VERSION, "schema": SCHEMA_VERSION},
        "smoothingSeconds": smoothing,
        "input": dataclasses.asdict(recognizer.spec),
    }
