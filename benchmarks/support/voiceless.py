"""Made sounds in which nobody speaks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float64]


def voiceless_sounds(seconds: float, rate: int, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Return sounds without a voice `(1, n)` by what they are, each with its loudest sample at 0.3. Args: rate: Hz."""
    count = round(seconds * rate)
    rng, time = np.random.default_rng(seed), np.arange(count) / rate
    hum = np.sum([np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 2, 3, 5, 7)], axis=0)
    chords = np.where((time % 2 < 1)[None], _chord(time, 220.0), _chord(time, 196.0)).sum(axis=0)
    sounds = {
        "white noise": _coloured(rng, count, rate, 0.0),
        "pink noise": _coloured(rng, count, rate, 0.5),
        "brown noise": _coloured(rng, count, rate, 1.0),
        "hum of the mains": hum,
        "fan": _coloured(rng, count, rate, 0.7) + 0.5 * np.sin(2 * np.pi * 118 * time),
        "wind": _wind(rng, time, rate),
        "typing": _typing(rng, time),
        "tone": np.sin(2 * np.pi * 440 * time),
        "chords": chords,
        "melody": _melody(rng, time),
        "beeps": np.sin(2 * np.pi * 1000 * time) * (time % 0.5 < 0.15),
        "rain": _rain(rng, count, rate),
    }
    return {name: (0.3 * sound / np.abs(sound).max()).astype(np.float32)[None] for name, sound in sounds.items()}


def _coloured(rng: np.random.Generator, count: int, rate: int, slope: float) -> Sound:
    """Return noise whose amplitude falls as frequency to the power of ``slope``, from 20 Hz on."""
    frequency = np.fft.rfftfreq(count, 1 / rate)
    spectrum = np.fft.rfft(rng.standard_normal(count)) / np.maximum(frequency, 20.0) ** slope
    sound = np.fft.irfft(spectrum, count)
    return sound / sound.std()


def _wind(rng: np.random.Generator, time: Sound, rate: int) -> Sound:
    """Return low noise in gusts of a second or two."""
    moments = np.arange(0, time[-1] + 1, 0.7)
    gusts = np.interp(time, moments, rng.uniform(0.1, 1.0, len(moments)))
    return _coloured(rng, len(time), rate, 1.0) * gusts + 0.1 * _coloured(rng, len(time), rate, 0.3) * gusts**2


def _typing(rng: np.random.Generator, time: Sound) -> Sound:
    """Return keys that are hit about six times a second, in a quiet room."""
    sound = 0.002 * rng.standard_normal(len(time))
    for start in np.cumsum(rng.uniform(0.08, 0.25, int(time[-1] / 0.16))):
        since = np.maximum(time - start, 0)
        struck = (time >= start) * np.exp(-since / 0.008)
        sound += rng.uniform(0.3, 1) * struck * (rng.standard_normal(len(time)) + np.sin(2 * np.pi * 2500 * since))
    return sound


def _chord(time: Sound, root: float) -> Sound:
    return np.stack([np.sin(2 * np.pi * root * step * time) for step in (1.0, 1.26, 1.498, 2.0)])


def _melody(rng: np.random.Generator, time: Sound) -> Sound:
    """Return plucked notes of a scale, with overtones."""
    notes = 262 * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12], int(time[-1] / 0.3) + 1) / 12)
    pitch, since = notes[(time / 0.3).astype(int)], time % 0.3
    return np.exp(-since / 0.15) * np.sum([np.sin(2 * np.pi * k * pitch * since) / k**2 for k in (1, 2, 3, 4)], axis=0)


def _rain(rng: np.random.Generator, count: int, rate: int) -> Sound:
    drops = np.where(rng.random(count) < 60 / rate, rng.uniform(1, 8, count), 0)
    return (
        _coloured(rng, count, rate, -0.2) + np.convolve(drops, np.exp(-np.arange(rate // 500) / (rate / 4000)))[:count]
    )
