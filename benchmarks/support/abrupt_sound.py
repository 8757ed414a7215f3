"""Sound that changes abruptly, made of a clip's own voice, under the clip's faces: where the step is at its worst."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from benchmarks.support.clip import CLIPS
from mmadfer.config import InputSpec
from mmadfer.media import media_file
from mmadfer.preprocess import resample
from mmadfer.stream.window import AVWindow, Window

SECONDS = 9.0
"""Length of each made stream, s; the clip's faces begin anew where it ends."""
_ROOM = 1e-3
"""Loudness of a quiet room, of full scale."""
_LEAST_VIDEO = 1.0
"""Clips with less of it are pictures, s."""


@dataclasses.dataclass(frozen=True, eq=False)
class MadeSound:
    """A sound to put under a clip's faces."""

    waveform: npt.NDArray[np.float32]
    """``(1, samples)``"""
    begins: float = 0.0
    """Before this time there is no sound at all: the microphone comes late, s."""


def made_sounds(voice: npt.NDArray[np.float32], rate: int) -> dict[str, MadeSound]:
    """Return the sounds by what happens in them. Args: voice: ``(n,)`` at ``rate`` (Hz), repeated where it is short."""
    time = np.arange(round(SECONDS * rate)) / rate
    rng = np.random.default_rng(0)
    voice = np.resize(voice, len(time)) / max(float(np.abs(voice).max()), 1e-6)
    room, hiss = _ROOM * rng.standard_normal(len(time)), rng.standard_normal(len(time))
    bursts = hiss * np.sum([_decaying(time, start) for start in (4.0, 5.6, 7.1)], axis=0)
    chord = np.sum([np.sin(2 * np.pi * pitch * time) for pitch in (220.0, 277.2, 329.6, 440.0)], axis=0) / 5
    scenes: dict[str, npt.NDArray[np.floating]] = {
        "silence, then a shout": np.where(_between(time, 4.2, 5.4), 5 * voice, 0.0),
        "a quiet room, then a shout": np.where(_between(time, 4.2, 5.4), 5 * voice, room),
        "speech, then silence": np.where(time < 5.0, 0.5 * voice, 0.0),
        "slamming doors": room + bursts,
        "music on and off": np.where(_between(time, 4.0, 6.5), chord, room),
        "speech, then noise": np.where(time < 5.0, 0.5 * voice, 0.3 * hiss),
        "the microphone comes late": 0.5 * voice,
    }
    late = {"the microphone comes late": 4.4}
    return {
        name: MadeSound(np.clip(values, -1, 1).astype(np.float32)[np.newaxis], late.get(name, 0.0))
        for name, values in scenes.items()
    }


def voice_of(clip: str, rate: int) -> npt.NDArray[np.float32]:
    """Return the sound of ``clip`` ``(n,)`` at ``rate`` (Hz), or that of a test clip where it has none."""
    file = media_file.open_media(clip)
    if not file.sample_rate:
        file = media_file.open_media(CLIPS / "jfk.flac")
    return resample(np.concatenate([w for _, w in file.audio()], axis=1), file.sample_rate, rate).numpy()[0]


def face_windows(clip: str, spec: InputSpec, hop: float) -> list[Window]:
    """Return the windows of ``clip``'s faces at each ``hop`` (s), without sound; none where it is no video."""
    stream, windows, hops = AVWindow(spec), [], 1
    try:
        for time, rgb in _frames(clip):
            while time > hops * hop:
                windows.append(stream.window(end=hops * hop))
                hops += 1
            stream.push_frame(time, rgb)
    finally:
        stream.close()
    return windows


def with_sound(window: Window, sound: MadeSound, rate: int) -> Window:
    """Return ``window`` with the part of ``sound`` (at ``rate``, Hz) that falls into it."""
    if window.end <= sound.begins:
        return window
    first, begin, last = (round(max(0.0, moment) * rate) for moment in (window.start, sound.begins, window.end))
    waveform = sound.waveform[:, first:last].copy()
    waveform[:, : max(0, begin - first)] = 0
    return dataclasses.replace(window, waveform=waveform, sample_rate=rate)


def _frames(clip: str) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
    """Yield the frames of ``clip``, again and again, up to `SECONDS`."""
    offset = 0.0
    while True:
        time = 0.0
        for time, rgb in media_file.open_media(clip).frames():
            if offset + time > SECONDS:
                return
            yield offset + time, rgb
        if time < _LEAST_VIDEO:
            return
        offset += time + 0.04


def _between(time: npt.NDArray[np.float64], start: float, end: float) -> npt.NDArray[np.bool_]:
    return (start <= time) & (time < end)


def _decaying(time: npt.NDArray[np.float64], start: float) -> npt.NDArray[np.float64]:
    return np.where(time >= start, np.exp(-12 * np.maximum(time - start, 0)), 0.0)
