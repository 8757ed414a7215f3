"""How far a backend's answers are from the plain model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from mmadfer.backends import Backend
from mmadfer.backends.base import Encoded


@dataclass(frozen=True)
class Parity:
    """Over a few random inputs."""

    encoded: float
    """Largest absolute difference of what the encoders give."""
    probability: float
    """Largest absolute difference of a probability."""
    agreement: float
    """Share of the inputs whose most probable class is the same."""


def compare(ours: Backend, reference: Backend, frame_counts: Sequence[int] = (1, 2, 16), seed: int = 0) -> Parity:
    """Return how far ``ours`` is from ``reference`` with each number of new frames in ``frame_counts``.

    Raises ValueError where the two expect different input.
    """
    spec, config = reference.spec, reference.config
    if ours.spec.differences(spec):
        raise ValueError(f"the two expect different input: {'; '.join(ours.spec.differences(spec))}")
    generator = torch.Generator().manual_seed(seed)
    encoded, probability, same = [], [], 0
    for k in frame_counts:
        frames = torch.rand(k, 3, spec.image_size, spec.image_size, generator=generator)
        spectrogram = 0.5 * torch.randn(1, 1, spec.mel.frames, spec.mel.bins, generator=generator)
        # The sum of the other frames' means, as large as such a sum is.
        kept = torch.randn(config.depth, config.context_width, generator=generator) * (spec.num_frames - k) ** 0.5
        old = torch.randn(spec.num_frames - k, config.width, generator=generator)
        answers = []
        for backend in (ours, reference):
            result = backend.encode(frames, spectrogram, kept)
            cls = torch.cat([old.to(result.cls.device), result.cls])
            answers.append((result, backend.head(cls, result.audio_cls).softmax(-1)))
        (a, p), (b, q) = answers
        for field in fields(Encoded):
            encoded.append((getattr(a, field.name).cpu() - getattr(b, field.name).cpu()).abs().max())
        probability.append((p - q).abs().max())
        same += int(p.argmax() == q.argmax())
    # PyTorch's maximum of numbers and a "not a number" is the latter; Python's is not.
    worst = [torch.stack(values).max().item() for values in (encoded, probability)]
    return Parity(worst[0], worst[1], same / len(frame_counts))
