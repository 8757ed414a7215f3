"""Makes the media files that tests need: any frame times, size, rotation, sound rate and channel count."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

TICKS = 12_800
"""Time base of the videos, ticks a second."""


def gradient(width: int, height: int) -> np.ndarray:
    """Return a picture whose left half is dark and whose top right corner is red, so that turns show."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, width // 2 :] = 200
    rgb[: height // 2, width // 2 :] = (220, 20, 20)
    return rgb


def write_media(
    path: Path,
    frames: Iterable[tuple[float, np.ndarray]] = (),
    waveform: np.ndarray | None = None,
    sample_rate: int = 44_100,
    rotation: int = 0,
    codecs: tuple[str, str] = ("mpeg4", "flac"),
    audio_start: float = 0.0,
    options: dict[str, str] | None = None,
) -> Path:
    """Write ``frames`` ((time in s, rgb)) and ``waveform`` `(channels, n)` to ``path``; return it."""
    frames = list(frames)
    with av.open(str(path), "w", options=options or {}) as container:
        video: Any = None
        if frames:
            video = container.add_stream(codecs[0], rate=25)
            video.height, video.width = frames[0][1].shape[:2]
            video.pix_fmt = "yuv420p"
            video.time_base = video.codec_context.time_base = Fraction(1, TICKS)
            video.bit_rate = 4_000_000
            if rotation:
                video.set_display_rotation(rotation)
        if waveform is not None:
            layout = {1: "mono", 2: "stereo", 8: "7.1"}[len(waveform)]
            sound = container.add_stream(codecs[1], rate=sample_rate, layout=layout)
        for time, rgb in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = round(time * TICKS), Fraction(1, TICKS)
            container.mux(video.encode(picture))
        if video is not None:
            container.mux(video.encode())
        if waveform is not None:
            samples = np.clip(np.round(waveform * 32768), -32768, 32767).astype(np.int16)
            for i in range(0, samples.shape[1], 1024):
                piece = np.ascontiguousarray(samples[:, i : i + 1024].T.reshape(1, -1))
                block = av.AudioFrame.from_ndarray(piece, format="s16", layout=layout)
                block.sample_rate, block.time_base = sample_rate, Fraction(1, sample_rate)
                block.pts = i + round(audio_start * sample_rate)
                container.mux(sound.encode(block))
            container.mux(sound.encode())
    return path


def tone(sample_rate: int, seconds: float, channels: int = 1) -> np.ndarray:
    """Return a tone of 440 Hz `(channels, samples)` float32, each channel a little quieter than the one before."""
    t = np.arange(round(sample_rate * seconds)) / sample_rate
    wave = 0.5 * np.sin(2 * np.pi * 440 * t)
    return np.stack([wave / (1 + c) for c in range(channels)]).astype(np.float32)


def write_portrait(
    path: Path, rgb: np.ndarray, seconds: float = 6.0, height: int = 360, sound: np.ndarray | None = None
) -> Path:
    """Write a still picture as a clip of 640 x 360 px: somebody who hardly moves, before a grey wall.

    Args: height: of the picture in the clip, px; photographs of a face alone need a wall around them to be found;
    sound: `(1, 16000 * seconds)`; silence where None.
    """
    width = round(rgb.shape[1] * height / rgb.shape[0])
    large = np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC))
    shown = large[:, max(0, (width - 600) // 2) :][:, :600]
    frames = []
    for number in range(round(25 * seconds)):
        frame = np.full((360, 640, 3), 127, np.uint8)
        left = (640 - shown.shape[1]) // 2 + round(3 * np.sin(number / 20))
        top = (360 - height) // 2
        frame[top : top + height, left : left + shown.shape[1]] = shown
        frames.append((number / 25, frame))
    if sound is None:
        sound = np.zeros((1, round(16_000 * seconds)), np.float32)
    return write_media(path, frames, sound, 16_000)


def write_flicker(path: Path, rgb: np.ndarray, seconds: float = 12.0) -> Path:
    """Write a portrait whose light changes ten times a second at random, and noise that comes and goes likewise."""
    rng = np.random.default_rng(1)
    portrait = write_portrait(path.with_name("portrait.mp4"), rgb, 0.1)
    with av.open(str(portrait)) as file:
        still = next(file.decode(video=0)).to_ndarray(format="rgb24")
    lights, loudness = rng.uniform(0.55, 1.0, round(10 * seconds)), rng.uniform(0, 0.5, round(10 * seconds))
    frames = [(k / 25, (still * lights[int(k / 2.5)]).astype(np.uint8)) for k in range(round(25 * seconds))]
    noise = rng.standard_normal(round(16_000 * seconds)) * np.repeat(loudness, 1600)
    return write_media(path, frames, noise.clip(-1, 1)[None].astype(np.float32), 16_000)
