"""MMA-DFER: two frozen encoders joined block by block, then a temporal transformer over the frames."""

from __future__ import annotations

import torch
from torch import nn

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.models.mma_dfer.fusion.base import Fusion
from mmadfer.models.mma_dfer.variants import make_adapter, make_encoder, make_fusion, make_temporal
from mmadfer.types import WeightsInfo


class MMADFER(nn.Module):
    """Emotion of a clip from 16 face crops and the log-mel of its sound (paper, section 3).

    The class count, frame count and input sizes come from ``spec``; ``info`` tells where the weights come from. Parts
    that ``config`` leaves out are replaced by ones that do nothing, so that the path through the model is always this.
    """

    def __init__(self, spec: InputSpec, config: ModelConfig | None = None, info: WeightsInfo | None = None) -> None:
        """Args: spec: input that the weights expect; config: shape, the paper's by default; info: the weights' origin.

        Raises ValueError where an input side is no multiple of the patch.
        """
        super().__init__()
        config = config or ModelConfig()
        self.spec, self.config, self.info = spec, config, info or WeightsInfo()
        self.face = make_encoder("face", spec, config)
        self.audio = make_encoder("audio", spec, config)
        self.fusion = nn.ModuleList(make_fusion(config) for _ in range(config.depth))
        self.adapters = nn.ModuleList(make_adapter(spec, config) for _ in range(config.depth))
        self.joint_projection = nn.Linear(config.width, config.temporal_width)
        self.temporal = make_temporal(spec, config)
        self.classifier = nn.Linear(config.temporal_width, len(spec.labels))
        for parameter in (*self.face.frozen_parameters(), *self.audio.frozen_parameters()):
            parameter.requires_grad_(False)

    def tunable_parameters(self) -> list[nn.Parameter]:
        """Return what fine-tuning changes: everything but the encoders' pre-trained part."""
        frozen = {id(p) for encoder in (self.face, self.audio) for p in encoder.frozen_parameters()}
        return [p for p in self.parameters() if id(p) not in frozen]

    def encode(
        self, frames: torch.Tensor, spectrogram: torch.Tensor, kept_sum: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the CLS of each frame at hand and of the sound, and what a later call needs of both.

        The face branch sees other frames only through the sound, and the sound sees faces only through one mean per
        block. So in a sliding window the frames seen before need not be encoded again: their means stand for them. The
        sound's means stand for it likewise, in `encode_faces`.

        Args: frames: the clip's k new frames ``(B, k, 3, S, S)`` in [0, 1]; spectrogram: ``(B, 1, 512, 128)``
        normalised; kept_sum: sum of the means of its T - k other frames ``(B, depth, K)``, None where k = T.
        Returns: frame CLS ``(B, k, D)``, sound CLS ``(B, D)``, the frames' means ``(B, k, depth, K)`` and the sound's
        ``(B, depth, K)``. Raises ValueError where k < T in a model whose frames cannot be kept.
        """
        clips = frames.shape[:2]
        if not self.config.keeps_frames and clips[1] != self.spec.num_frames:
            raise ValueError(
                f"frames of a model with fusion {self.config.fusion!r} and temporal {self.config.temporal!r} see each "
                f"other in its encoders: give all {self.spec.num_frames} of a clip, not {clips[1]}"
            )
        if kept_sum is None:
            kept_sum = frames.new_zeros(frames.shape[0], self.config.depth, self.config.context_width)
        face = self.face.embed(frames.flatten(0, 1))
        audio = self.audio.embed(spectrogram)
        means, audio_means = [], []
        for index, fusion in enumerate(self.fusion):
            face = self.face.block(index, face).unflatten(0, clips)
            audio = self.audio.block(index, audio)
            face, audio, mean, audio_mean = fusion(
                self.adapters[index](face), audio, kept_sum[:, index], self.spec.num_frames
            )
            face = self.face.renew_prompts(index, face.flatten(0, 1))
            audio = self.audio.renew_prompts(index, audio)
            means.append(mean)
            audio_means.append(audio_mean)
        face_cls = self.face.cls(face).unflatten(0, clips)
        return face_cls, self.audio.cls(audio), torch.stack(means, dim=2), torch.stack(audio_means, dim=1)

    def encode_faces(self, frames: torch.Tensor, audio_means: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode frames with sound that an earlier `encode` has seen: half the work of a streaming step, or less.

        Args: frames: ``(B, k, 3, S, S)`` in [0, 1]; audio_means: ``(B, depth, K)``, from `encode`.
        Returns: frame CLS ``(B, k, D)``, the frames' means ``(B, k, depth, K)``; for the same sound just as `encode`.
        Only for models whose ``config.keeps_frames``.
        """
        assert self.config.keeps_frames
        clips = frames.shape[:2]
        face = self.face.embed(frames.flatten(0, 1))
        means = []
        for index, fusion in enumerate(self.fusion):
            assert isinstance(fusion, Fusion)
            face = self.face.block(index, face).unflatten(0, clips)
            face, mean = fusion.face_side(face, audio_means[:, index])
            face = self.face.renew_prompts(index, face.flatten(0, 1))
            means.append(mean)
        return self.face.cls(face).unflatten(0, clips), torch.stack(means, dim=2)

    def fuse(self, face_cls: torch.Tensor, audio_cls: torch.Tensor) -> torch.Tensor:
        """Return each frame's CLS with the sound's added: ``(B, T, D)``, ``(B, D)`` -> ``(B, T, D)``."""
        return face_cls + audio_cls.unsqueeze(1)

    def clip_token(self, fused: torch.Tensor) -> torch.Tensor:
        """Return the temporal transformer's CLS: ``(B, T, D)`` -> ``(B, temporal width)``."""
        return self.temporal(self.joint_projection(fused))

    def head(self, face_cls: torch.Tensor, audio_cls: torch.Tensor) -> torch.Tensor:
        """Return the logits of a clip whose frames are all encoded: ``(B, T, D)``, ``(B, D)`` -> ``(B, C)``."""
        return self.classifier(self.clip_token(self.fuse(face_cls, audio_cls)))

    def forward(self, frames: torch.Tensor, spectrogram: torch.Tensor) -> torch.Tensor:
        """Return the logits ``(B, C)``.

        Args: frames: ``(B, T, 3, S, S)`` in [0, 1], RGB; spectrogram: ``(B, 1, 512, 128)`` normalised.
        Raises ValueError where a shape is not what the weights expect.
        """
        spec = self.spec
        _check_shape("frames", frames, (spec.num_frames, 3, spec.image_size, spec.image_size))
        _check_shape("spectrogram", spectrogram, (1, spec.mel.frames, spec.mel.bins))
        face_cls, audio_cls = self.encode(frames, spectrogram)[:2]
        return self.head(face_cls, audio_cls)


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
