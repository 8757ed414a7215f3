"""The published way from files to tensors, written plainly from its description, to compare speed and outputs with.

Each frame goes through PIL alone, and each sound through the Kaldi filter bank whenever its clip is loaded. Only what
is drawn comes from outside, so that both ways can be given the same.
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch.utils.data import Dataset

from mmadfer.config import MelSpec
from train.augmentation import Draw


@dataclass(frozen=True)
class OfficialClip:
    """A clip as distributed."""

    frames: Path
    """Folder of JPEG files."""
    sound: Path
    """WAV file, 16 bit; it need not exist."""
    label: int


class OfficialPipeline(Dataset[tuple[torch.Tensor, torch.Tensor, int]]):
    """Clips with what was drawn for each."""

    def __init__(
        self, clips: Sequence[OfficialClip], positions: Sequence[Sequence[int]], draws: Sequence[Draw | None], size: int
    ) -> None:
        """Args: positions: of the frames among the sorted file names; draws: None for test time; size: px."""
        self._clips, self._positions, self._draws, self._size = clips, positions, draws, size

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, k: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Return frames `(T, 3, S, S)` in [0, 1], the log-mel `(1, frames, bins)` and the label."""
        files = sorted(self._clips[k].frames.iterdir(), key=lambda path: path.name)
        pictures = [Image.open(files[position]).convert("RGB") for position in self._positions[k]]
        draw = self._draws[k] or Draw()
        return augmented(pictures, draw, self._size), log_mel(self._clips[k].sound)[None], self._clips[k].label


def augmented(pictures: Sequence[Image.Image], draw: Draw, size: int) -> torch.Tensor:
    """Return ``pictures`` after ``draw`` as `(T, 3, size, size)` in [0, 1]."""
    left, top, width, height = draw.box(pictures[0].width)
    finished = []
    for picture in pictures:
        bright = ImageEnhance.Brightness(picture).enhance(draw.brightness)
        crop = bright.crop((left, top, left + width, top + height))
        resized = crop.resize((size, size), Image.Resampling.BILINEAR)
        finished.append(resized.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draw.flip else resized)
    stacked = np.concatenate([np.asarray(picture) for picture in finished], axis=2)
    channels_first = torch.from_numpy(stacked).permute(2, 0, 1).contiguous()
    return channels_first.to(torch.float32).div(255).reshape(-1, 3, size, size)


def log_mel(path: Path) -> torch.Tensor:
    """Return the normalised log-mel `(frames, bins)` of a WAV file; of nothing but padding where there is no file."""
    from torchaudio.compliance.kaldi import fbank

    mel = MelSpec()
    columns = torch.zeros(0, mel.bins)
    if path.exists():
        with wave.open(str(path)) as file:
            rate, channels = file.getframerate(), file.getnchannels()
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, channels)
        waveform = torch.from_numpy(samples.T.astype(np.float32) / 32768)
        columns = fbank(
            waveform - waveform.mean(),
            htk_compat=True,
            sample_frequency=rate,
            use_energy=False,
            window_type="hanning",
            num_mel_bins=mel.bins,
            dither=0.0,
            frame_shift=1000 * mel.frame_shift,
        )
    padded = torch.nn.functional.pad(columns[: mel.frames], (0, 0, 0, max(0, mel.frames - len(columns))))
    return (padded - mel.mean) / (2 * mel.std)
