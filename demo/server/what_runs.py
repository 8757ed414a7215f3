"""What the pages, and recordings, are told of the model that runs here."""

from __future__ import annotations

from typing import Any

from mmadfer.outputs.schema import Output, columns, weights_name
from mmadfer.stream.shared import Recognizer
from mmadfer.stream.worker import Worker
from mmadfer.types import WeightsInfo
from mmadfer.weights import starter

from .file_routes import limits
from .recording_about import recording_about


def what_runs(worker: Worker, smoothing: float) -> dict[str, Any]:
    """Return it for a page, or how far it is. Args: smoothing: time constant of the session's answers, s."""
    recognizer = worker.recognizer
    if recognizer is None:
        return {"model": "failed" if worker.error else "loading", "error": str(worker.error or "")}
    spec, info = recognizer.spec, recognizer.info
    return {
        "model": "ready",
        "labels": spec.labels,
        "windowSeconds": spec.window_seconds,
        "sampleRate": spec.sample_rate,
        "melBins": spec.mel.bins,
        "columnsPerSecond": round(1 / spec.mel.frame_shift),
        "trained": info.trained,
        "unsureError": info.unsure_error,
        "columns": [{"name": c.name, "decimals": c.decimals} for c in columns(Output.PAGE, spec.labels)],
        "weights": weights_name(info),
        "starter": info.name == starter.NAME,
        "title": _title(info),
        "description": recognizer.describe(),
        "exact": worker.exact,
        "about": recording_about(recognizer, smoothing),
        "files": limits(),
    }


def what_is_recorded(recognizer: Recognizer, source: str, clip: str, smoothing: float) -> dict[str, Any]:
    """Return it for a recording on this side, in the words of one in a browser. Args: clip: the file's name, or ""."""
    return {
        "source": {"kind": source, **({"clip": clip} if clip else {})},
        "weights": weights_name(recognizer.info),
        "trained": recognizer.info.trained,
        "engine": recognizer.describe(),
        "labels": list(recognizer.spec.labels),
        "windowSeconds": recognizer.spec.window_seconds,
        **recording_about(recognizer, smoothing),
    }


def _title(info: WeightsInfo) -> str:
    if not info.trained:
        return "Untrained weights"
    return info.name[0].upper() + info.name[1:] if info.name == starter.NAME else f"Weights: {info.name}"
