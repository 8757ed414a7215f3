"""How far picture and sound of a recording are from its answers, by what the recogniser saw and heard then."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np

RATE = 16_000
"""Samples a second to which sound is brought, Hz."""


@dataclass(frozen=True)
class Media:
    """What a recording's file holds, by the file's own times."""

    pictures: list[tuple[float, float]]
    """(s, mean brightness) of each frame."""
    sound: np.ndarray
    """At `RATE`, one piece after the other."""
    times: list[tuple[float, int]]
    """(s, index into ``sound``) where each piece begins."""

    @classmethod
    def of(cls, data: bytes) -> Media:
        """Decode a file."""
        with av.open(io.BytesIO(data)) as file:
            pictures = [(float(f.time), float(f.to_ndarray(format="gray").mean())) for f in file.decode(video=0)]
        to_mono, pieces, times, count = av.AudioResampler("flt", "mono", RATE), [], [], 0
        with av.open(io.BytesIO(data)) as file:
            for frame in file.decode(audio=0):
                times.append((float(frame.time), count))
                for piece in to_mono.resample(frame):
                    pieces.append(piece.to_ndarray()[0])
                    count += len(pieces[-1])
        return cls(pictures, np.concatenate(pieces), times)

    def around(self, start: float, end: float) -> tuple[float, np.ndarray]:
        """Return when the sound from ``start`` to ``end`` (s) begins by its own pieces' times, and its samples."""
        inside = [(time, index) for time, index in self.times if start <= time <= end]
        begin = inside[0][1]
        first = float(np.median([time - (index - begin) / RATE for time, index in inside]))
        return first, self.sound[begin : inside[-1][1]]


def offsets(windows: Sequence[Any], rows: Sequence[dict[str, str]], media: Media) -> tuple[float, float, float]:
    """Return how late the picture and the sound are against the answers (s), and how well the picture fits (0 to 1).

    Args: windows: that were answered, on the page's clock; rows: of answers.csv, those of these windows among them.
    """
    by_end = {window.end: window for window in windows}
    zero = float(np.median([end - float(row["time_s"]) for end, row in matched(list(by_end), rows)]))
    picture, fit = _picture_offset(windows, zero, media.pictures)
    last = max(media.times[-1][0], 0.0)
    chosen = [window for window in windows if 3.5 < window.end - zero < last - 0.3][-1]
    return picture, _sound_offset(chosen, zero, media), fit


def _picture_offset(windows: Sequence[Any], zero: float, pictures: list[tuple[float, float]]) -> tuple[float, float]:
    crops = [pair for window in windows for pair in zip(window.frame_times, window.crops, strict=True)]
    seen = sorted({(time - zero, float(crop.mean())) for time, crop in crops})
    at, value = np.array([(t, v) for t, v in seen if 0.5 < t < pictures[-1][0] - 0.5]).T
    when, bright = np.array(pictures).T
    shifts = np.arange(-0.3, 0.3, 0.002)
    # The frame that stands at a moment is the last one before it.
    fits = [np.corrcoef(value, bright[np.searchsorted(when, at + shift + 0.004) - 1])[0, 1] for shift in shifts]
    best = np.flatnonzero(np.array(fits) > max(fits) - 0.005)
    return float(shifts[best].mean()), max(fits)


def _sound_offset(window: Any, zero: float, media: Media) -> float:
    length = window.waveform.shape[1] / window.sample_rate
    own = np.arange(window.waveform.shape[1]) / window.sample_rate
    heard = np.interp(np.arange(0, length, 1 / RATE), own, window.waveform[0])
    begin = window.end - zero - length
    first, sound = media.around(begin - 1.0, begin + length + 1.0)
    size = 1 << int(np.ceil(np.log2(len(sound) + len(heard))))
    products = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(heard, size)), size)[: len(sound)]
    return first + float(np.argmax(products)) / RATE - begin


def matched(windows: Sequence[float], rows: Sequence[dict[str, str]]) -> list[tuple[float, dict[str, str]]]:
    """Return the window's end that belongs to each row: their distances are the same."""
    ends, times = np.array(sorted(windows)), np.array([float(row["time_s"]) for row in rows])
    shifts = [end - times[0] for end in ends]
    errors = [np.abs(ends[np.argmin(np.abs(ends[:, None] - times - s), axis=0)] - times - s).sum() for s in shifts]
    best = shifts[int(np.argmin(errors))]
    assert min(errors) / len(times) < 0.002, "the answers are not of these windows"
    return [(float(ends[np.argmin(np.abs(ends - float(row["time_s"]) - best))]), row) for row in rows]
