"""The last seconds of a sound stream, at its own rate, addressed by sample index and by time."""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

import numpy as np

# Greater values are no sound in [-1, 1] that is a little too loud but broken input, as NaN is; their power overflows.
_LOUDEST = 1e6
_HIGHEST_RATE = 768_000
_MOST_CHANNELS = 64
# Time stamps jitter with the scheduler, the sample count does not: only what cannot be jitter moves the clock, s.
JITTER = 0.05
# Clocks drift apart by less than this between two chunks, s: a time stamp further ahead tells of sound that never came.
_HOLE = 0.5


class SampleListener(Protocol):
    """Who hears every sample of a stream in order, with the zeros that stand in for gaps."""

    def start(self, number: int, sample_rate: int, channels: int) -> None:
        """Learn that another stream begins with sample ``number``; ``sample_rate`` in Hz."""
        ...

    def push(self, number: int, samples: np.ndarray) -> None:
        """Take ``samples`` `(channels, n)`, numbered from ``number``; only holes longer than the ring are left out."""
        ...


class AudioBuffer:
    """Bounded ring of sound. Nothing that arrives is lost; what did not arrive is zeros, and counted as a gap.

    Samples are numbered from the stream's start. Time is `origin` + number / rate, s on the source's clock. A source
    that counts anew from a lower index, such as a microphone that was plugged in again, goes on at its time stamp.
    """

    def __init__(self, seconds: float, longest_hole: float = math.inf, listener: SampleListener | None = None) -> None:
        """Args: seconds: how much of the past is kept. longest_hole: after a longer one, s, the stream starts anew."""
        if seconds <= 0:
            raise ValueError(f"an audio buffer must keep more than 0 seconds, got {seconds}")
        self.seconds = seconds
        self._longest_hole = longest_hole
        self._listener = listener
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next chunk starts a new one."""
        self.gaps = 0
        self.received = 0.0  # s of sound that came, without the zeros put in for gaps
        self._forget_stream()

    def _forget_stream(self) -> None:
        self.sample_rate = 0
        self.channels = 0
        self._origin = 0.0
        self._shift = 0  # from the source's sample index to our number, which goes on where the source counts anew
        self._first = self._end = 0  # sample numbers: the stream's first, and one past its newest
        self._filled = 0
        self._data = np.zeros((0, 0), np.float32)  # two capacities long, so that moving its half is rare
        self._gaps: deque[tuple[int, int]] = deque(maxlen=256)

    @property
    def start_time(self) -> float | None:
        """Time of the stream's first sample, or of the first after its last long hole, s; None where none has come."""
        return self._origin + self._first / self.sample_rate if self.sample_rate else None

    @property
    def end_time(self) -> float | None:
        """Time just after the newest sample, s; None where none has come."""
        return self._origin + self._end / self.sample_rate if self.sample_rate else None

    def push(
        self,
        waveform: np.ndarray,
        sample_rate: int,
        time: float | None = None,
        sample_index: int | None = None,
    ) -> None:
        """Append a chunk.

        Args:
            waveform: `(channels, n)` or `(n,)` floating point in [-1, 1]. Values that are no numbers become zeros.
            sample_rate: Hz. Another rate or channel count than before starts the stream anew, which counts as a gap.
            time: of the chunk's first sample, s; without it the sound just goes on (from 0 s at first).
            sample_index: number of the chunk's first sample in its stream. One beyond the newest leaves a gap of
                zeros; samples that are there already are dropped, unless ``time`` shows that they are new ones.
                ``time`` shows gaps above 0.5 s; without the index, above 50 ms.

        Raises ValueError on a malformed chunk.
        """
        chunk = _checked(waveform, sample_rate, time, sample_index)
        if not chunk.shape[1]:
            return
        if (sample_rate, len(chunk)) != (self.sample_rate, self.channels):
            self._start(len(chunk), sample_rate, time, sample_index)
        begin = self._place(time, sample_index)
        if begin > self._end:
            self._count_gap(self._end, begin)
            if begin - self._end > self._longest_hole * sample_rate:
                self._first = begin
            self._append_zeros(begin - self._end)
        chunk = chunk[:, max(0, self._end - begin) :]
        good = np.abs(chunk) <= _LOUDEST  # False for NaN too
        if not good.all():
            self._count_gap(self._end, self._end + chunk.shape[1])
            chunk = np.where(good, chunk, np.float32(0))
        self.received += chunk.shape[1] / sample_rate
        self._append(chunk)

    def span(self, end: float, seconds: float) -> tuple[np.ndarray | None, bool]:
        """Return (the sound of the ``seconds`` before ``end``, whether a gap is in it).

        The sound is a copy `(channels, n)`; it begins later where the stream did, ends earlier where no more has
        come, and is None where there is none. Its longest length does not depend on rounding of ``end``.
        """
        begin, stop = self.numbers(end, seconds)
        if begin >= stop:
            return None, False
        offset = self._filled - self._end
        gap = any(first < stop and last > begin for first, last in self._gaps)
        return self._data[:, begin + offset : stop + offset].copy(), gap

    def numbers(self, end: float, seconds: float) -> tuple[int, int]:
        """Return the number of the first sample of `span`, and one past its last (for none, not above the first)."""
        stop = round((end - self._origin) * self.sample_rate)
        begin = max(stop - round(seconds * self.sample_rate), self._first, self._end - self._filled)
        return begin, min(stop, self._end)

    def _start(self, channels: int, sample_rate: int, time: float | None, sample_index: int | None) -> None:
        if self.sample_rate:
            self.gaps += 1
        self._forget_stream()
        self.sample_rate, self.channels = sample_rate, channels
        self._first = self._end = sample_index or 0
        self._origin = 0.0 if time is None else time - self._first / sample_rate
        self._capacity = math.ceil(self.seconds * sample_rate)
        self._data = np.zeros((channels, 2 * self._capacity), np.float32)
        if self._listener is not None:
            self._listener.start(self._first, sample_rate, channels)

    def _place(self, time: float | None, sample_index: int | None) -> int:
        """Return the number of the chunk's first sample; moves the clock where its time stamp says so."""
        begin = self._end if sample_index is None else sample_index + self._shift
        if time is None:
            return begin
        ahead = time - (self._origin + begin / self.sample_rate)
        if abs(ahead) <= JITTER:
            return begin
        if begin < self._end and time > self._origin + self._end / self.sample_rate - JITTER:
            return self._renumber(time, begin)
        if ahead > (JITTER if sample_index is None else _HOLE) and begin >= self._end:
            hole = round(ahead * self.sample_rate)
            self._shift += hole if sample_index is not None else 0
            return begin + hole
        self._origin += ahead  # no sample is missing, so the clocks drifted apart
        return begin

    def _renumber(self, time: float, begin: int) -> int:
        """Return the number that ``begin``, lower than the newest, gets now that its time shows that it is new."""
        number = max(self._end, round((time - self._origin) * self.sample_rate))
        if number == self._end:
            self._count_gap(self._end, self._end)  # of no length, but two recordings meet here
        self._shift += number - begin
        return number

    def _count_gap(self, begin: int, end: int) -> None:
        self.gaps += 1
        self._gaps.append((begin, end))

    def _append_zeros(self, count: int) -> None:
        self._end += max(0, count - self._capacity)
        self._append(np.zeros((self.channels, min(count, self._capacity)), np.float32))

    def _append(self, chunk: np.ndarray) -> None:
        if self._listener is not None:
            self._listener.push(self._end, chunk)
        self._end += chunk.shape[1]
        chunk = chunk[:, -self._capacity :]
        if self._filled + chunk.shape[1] > self._data.shape[1]:
            kept = self._capacity
            self._data[:, :kept] = self._data[:, self._filled - kept : self._filled].copy()
            self._filled = kept
        self._data[:, self._filled : self._filled + chunk.shape[1]] = chunk
        self._filled += chunk.shape[1]


def _checked(waveform: np.ndarray, sample_rate: int, time: float | None, sample_index: int | None) -> np.ndarray:
    """Return ``waveform`` as `(channels, n)`. Raises ValueError where an argument is malformed."""
    chunk = np.asarray(waveform)
    if chunk.ndim == 1:
        chunk = chunk[None]
    if chunk.ndim != 2 or not 1 <= chunk.shape[0] <= _MOST_CHANNELS:
        raise ValueError(
            f"sound must have the shape (channels, samples) with 1 to {_MOST_CHANNELS} channels, got {chunk.shape}"
        )
    if not np.issubdtype(chunk.dtype, np.floating):
        raise ValueError(f"sound must be floating point in [-1, 1], got {chunk.dtype}; divide int16 by 32768")
    if not 1 <= sample_rate <= _HIGHEST_RATE:
        raise ValueError(f"the sample rate must be between 1 and {_HIGHEST_RATE} Hz, got {sample_rate}")
    if time is not None and not math.isfinite(time):
        raise ValueError(f"the time of sound must be a finite number of seconds, got {time}")
    if sample_index is not None and sample_index < 0:
        raise ValueError(f"the sample index must be 0 or more, got {sample_index}")
    return chunk.astype(np.float32, copy=False)
