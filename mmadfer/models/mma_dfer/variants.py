"""From settings to modules: the one place that knows which variant of a part a `ModelConfig` names."""

from __future__ import annotations

from collections.abc import Callable

from timm.layers import PatchEmbed
from torch import nn

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.models.mma_dfer.encoder import Encoder
from mmadfer.models.mma_dfer.fusion.absent import AbsentEncoder
from mmadfer.models.mma_dfer.fusion.addition import AdditionFusion
from mmadfer.models.mma_dfer.fusion.base import Fusion, NoFusion
from mmadfer.models.mma_dfer.fusion.bottleneck import FusionBottleneck
from mmadfer.models.mma_dfer.fusion.concatenation import ConcatenationFusion
from mmadfer.models.mma_dfer.fusion.multimodal import MultimodalTransformer
from mmadfer.models.parts.adapters import TemporalAdapter
from mmadfer.models.parts.stem import ConvStem
from mmadfer.models.parts.temporal import TemporalMean, TemporalTransformer

_NARROW: dict[str, Callable[[int, int], Fusion]] = {
    "bottleneck": FusionBottleneck,
    "multimodal": MultimodalTransformer,
    "concatenation": ConcatenationFusion,
}
_PLAIN: dict[str, Callable[[], Fusion]] = {"addition": AdditionFusion, "none": NoFusion}


def make_encoder(kind: str, spec: InputSpec, config: ModelConfig) -> Encoder | AbsentEncoder:
    """Return the encoder of ``kind`` ("face" or "audio"). Raises ValueError where an input side does not fit."""
    if kind not in config.modalities:
        return AbsentEncoder(config.width)
    if kind == "face":
        channels, size, patch_size = 3, (spec.image_size, spec.image_size), config.patch_size
    else:
        channels, size, patch_size = 1, (spec.mel.frames, spec.mel.bins), config.audio_patch_size
    for side in size:
        if side % patch_size:
            raise ValueError(f"input sides must be multiples of the {patch_size} px patch, got {size}")
    if config.stem == "conv":
        pairs = config.face_stem if kind == "face" else ()
        return Encoder(ConvStem(size, patch_size, channels, config.width, pairs), config)
    return Encoder(PatchEmbed(size, patch_size, channels, config.width), config)


def make_fusion(config: ModelConfig) -> Fusion:
    """Return one block's fusion."""
    if config.exchange in _NARROW:
        return _NARROW[config.exchange](config.width, config.bottleneck)
    return _PLAIN[config.exchange]()


def make_adapter(spec: InputSpec, config: ModelConfig) -> nn.Module:
    """Return one block's temporal adapter, which passes frames on as they are where there is none."""
    if not config.has_adapters:
        return nn.Identity()
    return TemporalAdapter(config.width, config.temporal_adapter_width, spec.num_frames)


def make_temporal(spec: InputSpec, config: ModelConfig) -> TemporalTransformer | TemporalMean:
    """Return what makes one clip token of the frames."""
    if config.temporal in ("adapters", "none"):
        return TemporalMean()
    return TemporalTransformer(spec.num_frames, config.temporal_width, config.temporal_heads, config.temporal_mlp)
