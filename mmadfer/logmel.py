"""Kaldi log-mel features: of a whole waveform (`log_mel`) and, bit for bit the same, of one that grows (`LogMel`)."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from mmadfer.config import MelSpec

# Every call of the filter bank gets exactly this many analysis frames, and frame i always stands at place i % 16: a
# matrix product's last bits depend on its shape, so only calls of one shape agree to the bit under any chunking.
_BLOCK = 16


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
        from torchaudio.compliance.kaldi import fbank

        samples = self.samples_for(_BLOCK)
        sound = torch.zeros(1, samples)
        used = min(self.samples_for(complete), samples)
        sound[0, :used] = self._tail[:used]
        with warnings.catch_warnings():
            # At 8 kHz the lowest of 128 mel bins hold no FFT bin; their constant is what the official code gives too.
            warnings.simplefilter("ignore", UserWarning)
            columns = fbank(
                sound,
                htk_compat=True,
                sample_frequency=self.sample_rate,
                use_energy=False,
                window_type="hanning",
                num_mel_bins=self.mel.bins,
                dither=0.0,
                frame_length=self.mel.frame_length * 1000,
                frame_shift=self.mel.frame_shift * 1000,
                low_freq=self.mel.low_frequency,
            )
        return columns[:complete]
