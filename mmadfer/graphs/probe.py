"""The probe: one fixed clip, and PyTorch's answer to it in float32, by which every engine is judged when it is loaded.

The clip is made by formula, so that it need not be kept: a face that nods and talks, and a voice. Its values are those
of real clips, which matters to int8: what lies outside of the calibrated ranges is cut off there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mmadfer.config import InputSpec, ModelConfig

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER

FORMAT = "mmadfer-probe-1"
"""Version of the clip and of the file's layout: answers to another clip are not compared with."""
FILE = "probe.safetensors"
NAMES = ("cls", "audio_cls", "means", "audio_means", "logits")

_FORMANTS = ((0.15, 3.0), (0.4, 2.0), (0.7, 1.0))
"""Place among the mel bins and strength (in log-mel) of the voice's formants."""


def inputs(spec: InputSpec) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the clip as the model takes it: frames ``(T, 3, S, S)`` in [0, 1], spectrogram ``(1, 1, 512, 128)``."""
    return torch.from_numpy(_frames(spec)), torch.from_numpy(_spectrogram(spec))


def counts(spec: InputSpec, config: ModelConfig) -> tuple[int, ...]:
    """Return the numbers of new frames that are asked for: those of the exact pass and, where there is one, a step."""
    whole = spec.num_frames
    return (whole, 1) if config.keeps_frames and whole > 1 else (whole,)


def _frames(spec: InputSpec) -> np.ndarray:
    """Return an oval face with eyes and a mouth before a background, moving a little: ``(T, 3, S, S)`` float32."""
    count, size = spec.num_frames, spec.image_size
    side = np.linspace(-1, 1, size, dtype=np.float32)
    time = np.linspace(0, 1, count, dtype=np.float32)[:, None, None]
    y = side[None, :, None] - 0.06 * np.sin(2 * np.pi * time)
    x = side[None, None, :] - 0.04 * np.sin(3 * np.pi * time)
    face = 1 / (1 + np.exp(12 * (np.hypot(x / 0.75, y / 0.95) - 1)))
    eyes = np.exp(-(((np.abs(x) - 0.33) / 0.14) ** 2) - ((y + 0.22) / 0.09) ** 2)
    opening = 0.07 + 0.06 * np.sin(7 * np.pi * time) ** 2
    mouth = np.exp(-((x / 0.3) ** 2) - ((y - 0.5) / opening) ** 2)
    light = (0.35 + 0.1 * x) * (1 - face) + (0.7 + 0.1 * x - 0.45 * eyes - 0.35 * mouth) * face
    grain = np.random.RandomState(0).randn(size, size).astype(np.float32)
    grey = light + 0.02 * grain
    tint = (1.0, 1.0, 1.0) if spec.color == "grey" else (1.05, 0.9, 0.8)
    return np.stack([grey * part for part in tint], axis=1).clip(0, 1).astype(np.float32)


def _spectrogram(spec: InputSpec) -> np.ndarray:
    """Return four syllables a second over a background, and padding at the end: ``(1, 1, 512, 128)`` float32."""
    mel = spec.mel
    time = np.linspace(0, mel.frames * mel.frame_shift, mel.frames, dtype=np.float32)[:, None]
    place = np.linspace(0, 1, mel.bins, dtype=np.float32)[None, :]
    voice = np.sin(4 * np.pi * time) ** 2
    formants = sum(strength * np.exp(-(((place - at) / 0.08) ** 2)) for at, strength in _FORMANTS)
    grain = np.random.RandomState(1).randn(mel.frames, mel.bins).astype(np.float32)
    log_mel = -6.0 - 3.0 * place + voice * (4.0 + formants) + grain
    log_mel[round(0.9 * mel.frames) :] = 0.0  # as `MelSpec.frames` says of sound that is shorter
    return ((log_mel - mel.mean) / (2 * mel.std)).astype(np.float32)[None, None]


@dataclass(frozen=True, eq=False)
class Reference:
    """What PyTorch in float32 answers, once for each number of new frames; every tensor float32 on the CPU."""

    answers: dict[int, dict[str, torch.Tensor]]
    """Number k of new frames -> name -> tensor: "cls" ``(k, D)``, "audio_cls" ``(1, D)``, "means" ``(k, depth, K)``,
    "audio_means" ``(depth, K)``, "logits" ``(1, C)``. The k newest frames are new; the others are those of the largest
    k, the exact pass."""

    @property
    def whole(self) -> dict[str, torch.Tensor]:
        """The answer of the exact pass."""
        return self.answers[max(self.answers)]

    def kept(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return CLS ``(T - k, D)`` of the frames but the ``count`` newest, and the sum of their means."""
        old = max(self.answers) - count
        return self.whole["cls"][:old], self.whole["means"][:old].sum(dim=0)

    @classmethod
    @torch.inference_mode()
    def of_model(cls, model: MMADFER) -> Reference:
        """Ask ``model``, which must be in float32 and is set to eval mode.

        Raises ValueError where its answer is not finite: no engine can do better.
        """
        model.eval()
        device = next(model.parameters()).device
        frames, spectrogram = (tensor.to(device) for tensor in inputs(model.spec))
        found = cls({})
        for count in counts(model.spec, model.config):
            old, kept_sum = found.kept(count) if found.answers else (frames.new_zeros(0, model.config.width), None)
            new = frames[len(frames) - count :].unsqueeze(0)
            kept = None if kept_sum is None else kept_sum.to(device).unsqueeze(0)
            encoded = model.encode(new, spectrogram, kept)
            logits = model.head(torch.cat([old.to(device), encoded[0][0]]).unsqueeze(0), encoded[1])
            tensors = (encoded[0][0], encoded[1], encoded[2][0], encoded[3][0], logits)
            found.answers[count] = {name: t.float().cpu() for name, t in zip(NAMES, tensors, strict=True)}
        if not all(tensor.isfinite().all() for answer in found.answers.values() for tensor in answer.values()):
            raise ValueError(
                f"the weights {model.info.name} give answers that are not finite numbers: they are damaged, or their "
                "training diverged; use others"
            )
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write this to ``path``. Raises OSError."""
        tensors = {f"{k}.{name}": t.contiguous() for k, answer in self.answers.items() for name, t in answer.items()}
        try:
            save_file(tensors, path, {"format": FORMAT})
        except SafetensorError as error:
            raise OSError(f"{path} could not be written: {error}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Reference:
        """Return what `save` wrote. Raises FileNotFoundError; ValueError where it is damaged or of another version."""
        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no {path}")
        answers: dict[int, dict[str, torch.Tensor]] = {}
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                if (file.metadata() or {}).get("format") != FORMAT:
                    raise ValueError(f"{path} was not written by this version of mmadfer")
                names = file.keys()
                for key in names:
                    count, _, name = key.partition(".")
                    answers.setdefault(int(count), {})[name] = file.get_tensor(key)
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        if not answers or any(set(answer) != set(NAMES) for answer in answers.values()):
            raise ValueError(f"{path} is damaged: answers are missing")
        return cls(answers)
