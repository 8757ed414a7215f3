"""MMA-DFER: two frozen encoders joined block by block, then a temporal transformer over the frames."""

from __future__ import annotations

import torch
from torch import nn

from mmadfer.config import InputSpec, ModelConfig, WeightsInfo
from mmadfer.model.encoder import Encoder
from mmadfer.model.fusion import FusionBottleneck
from mmadfer.model.temporal import TemporalTransformer


class MMADFER(nn.Module):
    """Emotion of a clip from 16 face crops and the log-mel of its sound (paper, section 3).

    The class count, frame count and input sizes come from ``spec``; ``info`` tells where the weights come from.
    """

    def __init__(self, spec: InputSpec, config: ModelConfig | None = None, info: WeightsInfo | None = None) -> None:
        """Args: spec: input that the weights expect; config: shape, the paper's by default; info: the weights' origin.

        Raises ValueError where an input side is no multiple of the patch.
        """
        super().__init__()
        config = config or ModelConfig()
        self.spec, self.config, self.info = spec, config, info or WeightsInfo()
        self.face = Encoder(3, (spec.image_size, spec.image_size), config)
        self.audio = Encoder(1, (spec.mel.frames, spec.mel.bins), config)
        self.fusion = nn.ModuleList(FusionBottleneck(config.width, config.bottleneck) for _ in range(config.depth))
        self.joint_projection = nn.Linear(config.width, config.temporal_width)
        self.temporal = TemporalTransformer(
            spec.num_frames, config.temporal_width, config.temporal_heads, config.temporal_mlp
        )
        self.classifier = nn.Linear(config.temporal_width, len(spec.labels))
        for parameter in (*self.face.frozen_parameters(), *self.audio.frozen_parameters()):
            parameter.requires_grad_(False)

    def tunable_parameters(self) -> list[nn.Parameter]:
        """Return what fine-tuning changes: everything but the encoders' pre-trained part."""
        frozen = {id(p) for encoder in (self.face, self.audio) for p in encoder.frozen_parameters()}
        return [p for p in self.parameters() if id(p) not in frozen]

    def encode(self, frames: torch.Tensor, spectrogram: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the CLS of each frame and of the sound.

        Args: frames: ``(B, T, 3, S, S)`` in [0, 1]; spectrogram: ``(B, 1, 512, 128)`` normalised.
        Returns: ``(B, T, D)`` and ``(B, D)``.
        """
        clips = frames.shape[:2]
        face = self.face.embed(frames.flatten(0, 1))
        audio = self.audio.embed(spectrogram)
        for index, fusion in enumerate(self.fusion):
            face = self.face.blocks[index](face)
            audio = self.audio.blocks[index](audio)
            face, audio = fusion(face.unflatten(0, clips), audio)
            face = self.face.prompts.after_block(index, face.flatten(0, 1))
            audio = self.audio.prompts.after_block(index, audio)
        return self.face.cls(face).unflatten(0, clips), self.audio.cls(audio)

    def fuse(self, face_cls: torch.Tensor, audio_cls: torch.Tensor) -> torch.Tensor:
        """Return each frame's CLS with the sound's added: ``(B, T, D)``, ``(B, D)`` -> ``(B, T, D)``."""
        return face_cls + audio_cls.unsqueeze(1)

    def clip_token(self, fused: torch.Tensor) -> torch.Tensor:
        """Return the temporal transformer's CLS: ``(B, T, D)`` -> ``(B, temporal width)``."""
        return self.temporal(self.joint_projection(fused))

    def forward(self, frames: torch.Tensor, spectrogram: torch.Tensor) -> torch.Tensor:
        """Return the logits ``(B, C)``.

        Args: frames: ``(B, T, 3, S, S)`` in [0, 1], RGB; spectrogram: ``(B, 1, 512, 128)`` normalised.
        Raises ValueError where a shape is not what the weights expect.
        """
        spec = self.spec
        _check_shape("frames", frames, (spec.num_frames, 3, spec.image_size, spec.image_size))
        _check_shape("spectrogram", spectrogram, (1, spec.mel.frames, spec.mel.bins))
        return self.classifier(self.clip_token(self.fuse(*self.encode(frames, spectrogram))))


def _check_shape(name: str, tensor: torch.Tensor, expected: tuple[int, ...]) -> None:
    if tuple(tensor.shape[1:]) != expected:
        raise ValueError(
            f"{name} must have the shape (clips, {', '.join(map(str, expected))}) for these weights, "
            f"got {tuple(tensor.shape)}"
        )


def untrained_model(spec: InputSpec | None = None, config: ModelConfig | None = None, seed: int = 0) -> MMADFER:
    """Return a model with random weights, in eval mode; for trying the machinery out, never for an answer.

    The same ``seed`` gives the same weights; the global random state is left alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MMADFER(spec or InputSpec(), config)
    return model.eval()
