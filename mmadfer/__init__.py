"""mmadfer: emotion recognition from face and voice, live; others use any of it."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmadfer import preprocess
    from mmadfer.config import InputSpec, ModelConfig
    from mmadfer.media.media_file import AudioChunk, VideoFrame
    from mmadfer.recognizer import EmotionRecognizer
    from mmadfer.stream.session import EmotionStream
    from mmadfer.types import Prediction
    from mmadfer.weights.checkpoint import load_model, load_pretrained, save_model

__all__ = [
    "AudioChunk",
    "EmotionRecognizer",
    "EmotionStream",
    "InputSpec",
    "ModelConfig",
    "Prediction",
    "VideoFrame",
    "load_model",
    "load_pretrained",
    "preprocess",
    "save_model",
]

__version__ = version("mmadfer")

_HOME = {
    "AudioChunk": "media.media_file",
    "EmotionRecognizer": "recognizer",
    "EmotionStream": "stream.session",
    "InputSpec": "config",
    "ModelConfig": "config",
    "Prediction": "types",
    "VideoFrame": "media.media_file",
    "load_model": "weights.checkpoint",
    "load_pretrained": "weights.checkpoint",
    "save_model": "weights.checkpoint",
}


def __getattr__(name: str) -> Any:
    # On first use: PyTorch takes seconds to import, and `python -m mmadfer.weights list` needs none of it.
    if name in _HOME:
        return getattr(importlib.import_module(f"mmadfer.{_HOME[name]}"), name)
    if name == "preprocess":
        return importlib.import_module("mmadfer.preprocess")
    raise AttributeError(f"module 'mmadfer' has no attribute {name!r}")
