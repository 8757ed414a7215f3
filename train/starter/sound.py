"""Voices as the model takes them: windows of log-mel, varied for training, and the several kinds of silence."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from mmadfer.config import InputSpec
from mmadfer.data.adapters.starter import Voice
from mmadfer.sound.logmel import log_mel

FLOOR = float(np.log(np.finfo(np.float32).eps))
"""Log-mel of digital silence: Kaldi's energies are at least the smallest step of a float."""
_KNOTS = 6
"""Of the curve that a microphone and a room lay over the spectrum."""
_TAIL = 60
"""Columns that a room goes on sounding for."""
_MASKS = 2
"""Stretches of time, and as many of bins, that are hidden."""
_NOISES = 64
_SINGLE = 24
"""Numbers that each clip draws besides the knots and the masks' places."""


@dataclass(frozen=True)
class Variation:
    """How far a voice is changed from epoch to epoch, all in the log-mel, where power is its natural logarithm."""

    gain: float = 4.0
    """Of the power, up or down: 4 is about 17 dB. Actors are loud where they are angry, and a loud microphone must not
    be."""
    speed: float = 0.15
    """Share by which it is quicker or slower."""
    pitch: float = 1.5
    """Mel bins by which it is shifted, up or down."""
    stretch: float = 0.05
    """Share by which the spectrum is stretched: a longer or shorter throat."""
    tilt: float = 2.0
    """Of the spectrum, from the lowest to the highest bin: another microphone, another room."""
    filter: float = 1.0
    """Of the power at each of several places of the spectrum, up or down."""
    contrast: float = 0.15
    """Share by which loud and soft lie farther apart or closer together, as a compressor brings them."""
    room: float = 0.3
    """Share of the voices that are heard in a room that sounds after them."""
    echo: tuple[float, float] = (0.2, 0.9)
    """How long until it has faded by 60 dB, s."""
    band: float = 0.2
    """Share of the voices of whose spectrum the ends are missing, as on a telephone."""
    noise: tuple[float, float] = (-16.0, -4.0)
    """Log power that the background is drawn from, before the gain: -16 is none, and half of the voices' sounds lie
    above -6."""
    hum: float = 0.0
    """Largest log power of a background without a voice: a fan, a street."""
    mask_frames: int = 30
    mask_bins: int = 6
    """Longest stretches that are hidden."""
    least: float = 0.75
    """Shortest part of the window that is filled, as a share: live, the window fills up first."""
    outside: float = 0.3
    """Largest share of the window that lies before or after the recording: live, a voice comes and goes at any time."""
    whole: float = 0.5
    """Share of the voices that are given from their first sample on."""


UNCHANGED = Variation(
    *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), noise=(-60.0, -60.0), band=0.0, mask_frames=0, mask_bins=0, whole=1.0
)
"""Voices as they are, from their first sample on."""


@dataclass(frozen=True)
class Columns:
    """The log-mels of several voices, neither normalised nor cut."""

    values: torch.Tensor
    """`(N, frames, bins)`, as long as the longest."""
    lengths: torch.Tensor
    """`(N,)`."""

    @classmethod
    def of(cls, voices: Sequence[Voice], spec: InputSpec) -> Columns:
        """Return the log-mels of ``voices``."""
        parts = [log_mel(voice.sound - voice.sound.mean(), spec.sample_rate, spec.mel) for voice in voices]
        return cls(pad_sequence(parts, batch_first=True), torch.tensor([len(part) for part in parts]))

    def __getitem__(self, indices: Sequence[int] | np.ndarray | torch.Tensor) -> Columns:
        return Columns(self.values[indices], self.lengths[indices])

    def statistics(self) -> tuple[float, float]:
        """Return the mean and the standard deviation of all values."""
        there = torch.arange(self.values.shape[1]) < self.lengths[:, None]
        values = self.values[there].double()
        return float(values.mean()), float(values.std(correction=0))


@dataclass(frozen=True)
class _Draws:
    """The random numbers in [0, 1) of a batch, a row for each clip."""

    single: torch.Tensor
    """`(B, 24)`."""
    knots: torch.Tensor
    """`(B, knots)`."""
    masks: torch.Tensor
    """`(B, masks, 4)`: of time, how long and where; of bins, how many and where."""

    @classmethod
    def of(cls, rngs: Sequence[np.random.Generator]) -> _Draws:
        """Return as many numbers of each generator as a clip needs."""
        rows = np.stack([rng.random(_SINGLE + _KNOTS + 4 * _MASKS, np.float32) for rng in rngs])
        single, knots, masks = torch.from_numpy(rows).split((_SINGLE, _KNOTS, 4 * _MASKS), dim=1)
        return cls(single, knots, masks.view(len(rows), _MASKS, 4))

    def about(self, place: int, reach: float) -> torch.Tensor:
        """Return `(B, 1, 1)` numbers from ``-reach`` to ``reach``."""
        return (2 * self.single[:, place, None, None] - 1) * reach

    def between(self, place: int, limits: tuple[float, float]) -> torch.Tensor:
        """Return `(B, 1, 1)` numbers from one of ``limits`` to the other."""
        return limits[0] + self.single[:, place, None, None] * (limits[1] - limits[0])

    def chosen(self, place: int, share: float) -> torch.Tensor:
        """Return `(B, 1, 1)`: whether a clip belongs to ``share`` of all."""
        return self.single[:, place, None, None] < share


def varied_inputs(
    columns: Columns, spec: InputSpec, variation: Variation, rngs: Sequence[np.random.Generator]
) -> torch.Tensor:
    """Return normalised windows `(B, frames, bins)` of ``columns`` of B voices, each changed by its own draws."""
    draws = _Draws.of(rngs)
    times, length = _times(columns, spec, variation, draws)
    there = (times >= 0) & (times < columns.lengths[:, None])
    sound = _placed(columns, times, spec, variation, draws)
    sound = torch.where(there[..., None], _coloured(sound, there, variation, draws), FLOOR)
    if variation.room:
        sound = torch.where(draws.chosen(13, variation.room), _in_room(sound, spec, variation, draws), sound)
    if variation.band:
        sound = torch.where(draws.chosen(16, variation.band), _cut_band(sound, spec, draws), sound)
    level = draws.about(0, variation.gain) + draws.between(19, variation.noise)
    sound = torch.logaddexp(sound, level + _background(sound.shape, draws))
    sound = _masked(sound, length, variation, draws)
    return _padded(sound, length, spec)


def silent_inputs(spec: InputSpec, variation: Variation, rngs: Sequence[np.random.Generator]) -> torch.Tensor:
    """Return normalised windows `(B, frames, bins)` without a voice: no microphone, digital silence, or a room."""
    draws = _Draws.of(rngs)
    kind = (4 * draws.single[:, 23]).floor()
    length = torch.where(kind == 0, 0, _live_length(spec, variation, draws))
    shape = (len(rngs), spec.mel.frames, spec.mel.bins)
    room = draws.between(19, (variation.noise[0], variation.hum)) + _background(shape, draws)
    return _padded(torch.where((kind > 1)[:, None, None], room, FLOOR), length, spec)


def _times(columns: Columns, spec: InputSpec, variation: Variation, draws: _Draws) -> tuple[torch.Tensor, torch.Tensor]:
    """Return at which time of its voice each column of the windows is, `(B, frames)`, and the windows' lengths."""
    speed = 1 + draws.about(1, variation.speed)[:, 0]
    spoken = (columns.lengths / speed[:, 0]).floor()
    live = _live_length(spec, variation, draws)
    most = (variation.outside * live).round()
    last = torch.maximum(-most, spoken - live + most)
    start = -most + (draws.single[:, 4] * (last + most + 1)).floor()
    whole = draws.single[:, 5] < variation.whole
    start = torch.where(whole, 0, start)
    length = torch.where(whole, spoken.clamp(max=spec.mel.frames), live)
    return (start[:, None] + torch.arange(spec.mel.frames)) * speed, length


def _live_length(spec: InputSpec, variation: Variation, draws: _Draws) -> torch.Tensor:
    """Return `(B,)` how many columns a live window has: all, or fewer while it fills up."""
    share = variation.least + draws.single[:, 2] * (1 - variation.least)
    share = torch.where(draws.single[:, 3] < 0.5, 1.0, share)
    return (share * (spec.window_seconds / spec.mel.frame_shift)).round().clamp(max=spec.mel.frames)


def _placed(
    columns: Columns, times: torch.Tensor, spec: InputSpec, variation: Variation, draws: _Draws
) -> torch.Tensor:
    """Return `(B, frames, bins)`: the values at ``times``, shifted and stretched along the bins."""
    longest, bins = columns.values.shape[1], spec.mel.bins
    places = torch.arange(bins) * (1 + draws.about(6, variation.stretch)) + draws.about(7, variation.pitch)
    at = times[..., None].expand(-1, -1, bins)
    grid = torch.stack([2 * places.expand_as(at) / (bins - 1) - 1, 2 * at / max(longest - 1, 1) - 1], dim=-1)
    return F.grid_sample(columns.values[:, None], grid, padding_mode="border", align_corners=True)[:, 0]


def _coloured(sound: torch.Tensor, there: torch.Tensor, variation: Variation, draws: _Draws) -> torch.Tensor:
    """Return ``sound`` louder or softer, through another microphone, with other steps between loud and soft."""
    bins = sound.shape[-1]
    count = (there.sum(dim=1) * bins).clamp(min=1)[:, None, None]
    mean = (sound * there[..., None]).sum(dim=(1, 2), keepdim=True) / count
    sound = mean + (sound - mean) * (1 + draws.about(8, variation.contrast))
    curve = F.interpolate(2 * draws.knots[:, None] - 1, bins, mode="linear", align_corners=True)
    tilt = torch.linspace(-0.5, 0.5, bins) * draws.about(9, variation.tilt)
    return sound + draws.about(0, variation.gain) + tilt + variation.filter * curve


def _in_room(sound: torch.Tensor, spec: InputSpec, variation: Variation, draws: _Draws) -> torch.Tensor:
    """Return ``sound`` with what a room answers to it: each column's power fading over those after it."""
    fading = 6 * np.log(10) * spec.mel.frame_shift / draws.between(14, variation.echo)[:, :, 0]
    tail = torch.exp(-fading * torch.arange(1, _TAIL + 1))
    tail = tail / tail.sum(dim=1, keepdim=True) * torch.exp(draws.between(15, (-3.0, 0.5)))[:, :, 0]
    kernel = torch.cat([tail.flip(1), torch.ones(len(tail), 1)], dim=1)[:, None]
    power = F.pad(sound.exp().permute(2, 0, 1), (_TAIL, 0))  # (bins, B, frames)
    return F.conv1d(power, kernel, groups=len(kernel)).permute(1, 2, 0).clamp_min(np.exp(FLOOR)).log()


def _cut_band(sound: torch.Tensor, spec: InputSpec, draws: _Draws) -> torch.Tensor:
    """Return ``sound`` without the lowest and the highest bins."""
    bins = torch.arange(sound.shape[-1])
    low, high = draws.between(17, (0.0, 0.16)), draws.between(18, (0.62, 1.0))
    kept = (bins >= low * spec.mel.bins) & (bins < high * spec.mel.bins)
    return torch.where(kept, sound, (sound - 8.0).clamp_min(FLOOR))


@functools.cache
def _noises(frames: int, bins: int) -> torch.Tensor:
    """Return some steady noises `(N, frames, bins)` as log power: each value of a mean of squares."""
    powers = np.random.default_rng(_NOISES).gamma(4.0, 0.25, (_NOISES, frames, bins))
    return torch.from_numpy(np.log(powers + 1e-3).astype(np.float32))


def _background(shape: Sequence[int], draws: _Draws) -> torch.Tensor:
    """Return steady noise of a random colour `(B, frames, bins)`, as log power."""
    noises = _noises(shape[1], shape[2])
    which = (draws.single[:, 20] * len(noises)).long()
    moved = (torch.arange(shape[1]) + (draws.single[:, 21, None] * shape[1]).long()) % shape[1]
    colour = torch.linspace(0.5, -0.5, shape[2]) * draws.between(22, (-2.0, 4.0))
    return colour + noises[which[:, None], moved]


def _masked(sound: torch.Tensor, length: torch.Tensor, variation: Variation, draws: _Draws) -> torch.Tensor:
    """Return ``sound`` with stretches of time and of bins at its mean."""
    frames, bins = sound.shape[1:]
    count = (length * bins).clamp(min=1)[:, None, None]
    filled = torch.arange(frames)[:, None] < length[:, None, None]
    mean = (sound * filled).sum(dim=(1, 2), keepdim=True) / count
    for mask in range(_MASKS):
        for axis, size, most in ((0, length, variation.mask_frames), (1, torch.tensor(bins), variation.mask_bins)):
            width = (draws.masks[:, mask, 2 * axis] * (size.clamp(max=most) + 1)).floor()
            start = (draws.masks[:, mask, 2 * axis + 1] * (size - width + 1)).floor()
            places = torch.arange(frames if axis == 0 else bins)
            hidden = (places >= start[:, None]) & (places < (start + width)[:, None])
            sound = torch.where(hidden[:, :, None] if axis == 0 else hidden[:, None], mean, sound)
    return sound


def _padded(sound: torch.Tensor, length: torch.Tensor, spec: InputSpec) -> torch.Tensor:
    filled = torch.arange(spec.mel.frames)[:, None] < length[:, None, None]
    return (torch.where(filled, sound.clamp_min(FLOOR), 0.0) - spec.mel.mean) / (2.0 * spec.mel.std)
