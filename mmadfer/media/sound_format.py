"""Decoded sound as float samples of one rate and one number of channels, though a stream may change both on its way."""

from __future__ import annotations

from typing import Any

import av
import numpy as np


class SoundFormat:
    """Turns PyAV's frames of sound into `(channels, n)` float32 in [-1, 1], all in the format of the first."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        """Args: sample_rate: Hz; channels: of what comes out. Sound in this format is passed on as it is."""
        self.sample_rate = sample_rate
        self.channels = channels
        self._format: tuple[str, str, int] | None = None
        self._resampler: Any = None

    def changes_at(self, frame: Any) -> bool:
        """Return whether ``frame`` is in another format than the one before it."""
        return self._format is not None and self._format != _format_of(frame)

    def push(self, frame: Any) -> np.ndarray:
        """Take the next frame and return what became complete; after a change of format some 20 ms wait inside."""
        rest = self.flush() if self.changes_at(frame) else np.zeros((self.channels, 0), np.float32)
        if self._resampler is None:
            # The sample type, and the rate where it is another. Not to planar "fltp": with 8 channels or more, PyAV 18
            # counts a frame's planes past the end of their list and crashes.
            self._resampler = av.AudioResampler(format="flt", rate=self.sample_rate)
            self._format = _format_of(frame)
        return np.concatenate([rest, self._converted(frame)], axis=1)

    def flush(self) -> np.ndarray:
        """Return what still waits inside; the next frame may have any format."""
        rest = self._converted(None) if self._resampler is not None else np.zeros((self.channels, 0), np.float32)
        self._resampler = self._format = None
        return rest

    def _converted(self, frame: Any) -> np.ndarray:
        blocks = [np.zeros((self.channels, 0), np.float32)]
        for block in self._resampler.resample(frame):
            interleaved = block.to_ndarray().reshape(-1, block.layout.nb_channels)
            blocks.append(self._mapped(np.ascontiguousarray(interleaved.T)))
        return np.concatenate(blocks, axis=1)

    def _mapped(self, waveform: np.ndarray) -> np.ndarray:
        """Return ``waveform`` with as many channels as come out; what was mono is on all of them, at its own level."""
        there = len(waveform)
        if there == self.channels:
            return waveform
        if there == 1:
            return np.repeat(waveform, self.channels, axis=0)
        if self.channels == 1:
            return waveform.mean(axis=0, keepdims=True)
        if there > self.channels:
            return waveform[: self.channels]
        return np.concatenate([waveform, np.zeros((self.channels - there, waveform.shape[1]), np.float32)])


def _format_of(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate
