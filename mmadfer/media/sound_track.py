"""The pieces of a sound track in one format, each at its time, though stamps may lack, mislead or stand still."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator

import numpy as np

from mmadfer.media.decoding import Decoded
from mmadfer.media.sound_format import SoundFormat
from mmadfer.sound.audio_buffer import JITTER

_log = logging.getLogger(__name__)

_SAME = 0.0015
"""Stamps that differ by no more than this, s, are one: containers round them to 1 ms."""


class SoundTrack:
    """Turns decoded frames of sound into pieces `(channels, n)` at their times."""

    def __init__(self, name: str, sample_rate: int, channels: int, counted: bool) -> None:
        """Args: name: of the file, for warnings; counted: whether the samples alone tell the time."""
        self._name = name
        self._form = SoundFormat(sample_rate, channels)
        self._counted = counted
        self._changed = False
        self._next = 0.0  # when the next sample is due by those before it, s
        self._latest = -math.inf  # time of the newest piece
        self._made_up = math.nan  # what ffmpeg would make of a missing next stamp

    def pieces(self, frames: Iterable[Decoded]) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (time of the first sample in s, waveform) of ``frames``."""
        for stamp, frame, _ in frames:
            if self._form.changes_at(frame) and not self._changed:
                self._changed = True
                _log.warning(
                    "%s: the sound's format changes at %.2f s; the rest is converted to %d Hz",
                    self._name, self._next, self._form.sample_rate,
                )  # fmt: skip
            waveform = self._form.push(frame)
            self._next = self._time(stamp)
            if stamp is not None and frame.time_base:
                self._made_up = stamp + float(frame.duration * frame.time_base)
            yield from self._at_its_time(waveform)
        yield from self._at_its_time(self._form.flush())

    def _time(self, stamp: float | None) -> float:
        """Return when the next piece is heard, s: at its ``stamp``, unless the samples before it tell better."""
        if stamp is None or self._counted or stamp <= self._latest:  # some stamps stand still
            return self._next
        if not self._changed:
            return stamp
        # Packets without stamps of their own are stamped by the old rate; a converter holds some samples back.
        made_up = abs(stamp - self._made_up) < _SAME
        return self._next if made_up or abs(stamp - self._next) < JITTER else stamp

    def _at_its_time(self, waveform: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
        if waveform.shape[1]:
            yield self._next, waveform
            self._latest = self._next
            self._next += waveform.shape[1] / self._form.sample_rate
