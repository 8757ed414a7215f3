"""Kaldi log-mel features: of a whole waveform (`log_mel`) and, bit for bit the same, of one that grows (`LogMel`)."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import torch

from mmadfer.config import MelSpec

# Every call of the filter bank gets exactly this many analysis frames, and frame i always stands at place i % 16: a
# matrix product's last bits depend on its shape, so only calls of one shape agree to the bit under any chunking.
_BLOCK = 16
_PREEMPHASIS = 0.97
"""Share of the sample before that Kaldi takes off each sample."""


def log_mel(
    waveform: np.ndarray | torch.Tensor, sample_rate: int, mel: MelSpec | None = None, limit: int | None = None
) -> torch.Tensor:
    """Return the log-mel features `(frames, bins)` of the left channel, neither normalised nor padded.

    Args:
        waveform: `(channels, samples)` in [-1, 1], any length; less than one analysis frame gives 0 frames.
        sample_rate: Hz.
        mel: settings; AudioMAE's where None.
        limit: at most so many frames, from the start.

    Raises ValueError where the rate is too low for the mel bins.
    """
    columns = LogMel(sample_rate, mel)
    if limit is not None:
        waveform = waveform[:, : columns.samples_for(limit)]
    return columns.push(waveform)


class FilterBank:
    """Kaldi's filter bank for analysis frames of one rate, with its tables made once.

    It computes what `torchaudio.compliance.kaldi.fbank` does, which makes its tables anew at every call: for a live
    stream that is half of the time.
    """

    def __init__(self, mel: MelSpec, sample_rate: int) -> None:
        """Args: mel: settings. sample_rate: Hz."""
        from torchaudio.compliance.kaldi import get_mel_banks

        length = mel.samples(mel.frame_length, sample_rate)
        self._fft = 1 << (length - 1).bit_length()
        self._window = torch.hann_window(length, periodic=False)
        with warnings.catch_warnings():
            # At 8 kHz the lowest of 128 mel bins hold no FFT bin; their constant is what the official code gives too.
            warnings.simplefilter("ignore", UserWarning)
            banks, _ = get_mel_banks(
                mel.bins, self._fft, float(sample_rate), mel.low_frequency, 0.0, 100.0, -500.0, 1.0
            )
        self._banks = torch.nn.functional.pad(banks, (0, 1)).T  # the Nyquist bin counts for nothing

    def columns(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the log-mel features `(n, bins)` of analysis frames `(n, samples)`."""
        frames = frames - frames.mean(dim=1, keepdim=True)
        before = torch.cat((frames[:, :1], frames[:, :-1]), dim=1)
        frames = (frames - _PREEMPHASIS * before) * self._window
        power = torch.fft.rfft(frames, n=self._fft).abs().square()
        return (power @ self._banks).clamp_min(torch.finfo(torch.float32).eps).log()


@functools.lru_cache(maxsize=8)
def filter_bank(mel: MelSpec, sample_rate: int) -> FilterBank:
    """Return the filter bank of ``mel`` at ``sample_rate`` (Hz), made at the first call."""
    return FilterBank(mel, sample_rate)


class LogMel:
    """Log-mel columns of a stream: push sound in pieces of any size, get the columns that became complete.

    Columns are bit-equal to those of `log_mel` on the whole sound: each is local to its 25 ms of samples.
    """

    def __init__(self, sample_rate: int, mel: MelSpec | None = None) -> None:
        """Args: sample_rate: Hz. mel: settings; AudioMAE's where None. Raises ValueError on too low a rate."""
        self.mel = mel or MelSpec()
        self.sample_rate = sample_rate
        self._length = self.mel.samples(self.mel.frame_length, sample_rate)
        self._shift = self.mel.samples(self.mel.frame_shift, sample_rate)
        if self._shift < 1 or sample_rate / 2 <= self.mel.low_frequency:
            raise ValueError(f"a sample rate of {sample_rate} Hz is too low for log-mel features; use 8000 Hz or more")
        self._bank = filter_bank(self.mel, sample_rate)
        self.reset()

    def reset(self) -> None:
        """Forget the sound pushed so far."""
        self._tail = torch.zeros(0)  # from the first sample of the block that is not complete yet
        self._given = 0  # frames of that block already returned

    def samples_for(self, frames: int) -> int:
        """Return the number of samples that ``frames`` columns are made of."""
        return self._length + (frames - 1) * self._shift

    def push(self, chunk: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Take the next samples `(channels, n)` and return the new columns `(k, bins)` of the left channel."""
        left = torch.as_tensor(chunk)[0].to(torch.float32)
        self._tail = torch.cat((self._tail, left))
        columns = [torch.zeros(0, self.mel.bins)]
        while (complete := self._complete()) > self._given:
            columns.append(self._block(complete)[self._given :])
            self._given = complete
            if complete < _BLOCK:
                break
            self._tail = self._tail[_BLOCK * self._shift :].clone()
            self._given = 0
        return torch.cat(columns)

    def _complete(self) -> int:
        frames = 1 + (len(self._tail) - self._length) // self._shift
        return max(0, min(_BLOCK, frames))

    def _block(self, complete: int) -> torch.Tensor:
        samples = self.samples_for(_BLOCK)
        sound = torch.zeros(samples)
        used = min(self.samples_for(complete), samples)
        sound[:used] = self._tail[:used]
        return self._bank.columns(sound.unfold(0, self._length, self._shift))[:complete]
