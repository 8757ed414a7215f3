"""Media files made for checks: pictures that bear their number and their way up, sound that bears its times.

Picture ``k`` shows four colours, one a corner, and ``k`` in eight black and white blocks: so which came, at what time
and which way up can be read off it after any codec. The sound is a tone for each channel that sets in at known times.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Waveform = npt.NDArray[np.float32]

WIDTH, HEIGHT = 96, 64
FPS = 25
SECONDS = 2.0
RATE = 48_000
BURSTS = ((0.5, 0.75), (1.25, 1.5))
"""From when to when the sound is loud, s; between it lies far lower."""
CORNERS = np.array([(40, 60, 200), (210, 40, 40), (40, 170, 60), (200, 190, 60)], np.uint8)
"""Colours of the top left, top right, bottom left and bottom right corner."""
_LOW = 0.01
_STEP = 0.005
_BITS = 8


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> Rgb:
    """Return picture ``number`` (0 to 255) `(height, width, 3)`."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2], rgb[: height // 2, width // 2 :] = CORNERS[0], CORNERS[1]
    rgb[height // 2 :, : width // 2], rgb[height // 2 :, width // 2 :] = CORNERS[2], CORNERS[3]
    band = slice(round(0.375 * height), round(0.625 * height))
    for bit in range(_BITS):
        block = slice(round(bit * width / _BITS), round((bit + 1) * width / _BITS))
        rgb[band, block] = 235 if number >> (_BITS - 1 - bit) & 1 else 20
    return rgb


def number_of(rgb: Rgb) -> int | None:
    """Return the number of a picture as it was read; None where it is none, or does not stand upright."""
    height, width = rgb.shape[:2]
    top, left = height // 8, width // 8
    seen = np.array([rgb[y, x].astype(int) for y in (top, -top - 1) for x in (left, -left - 1)])
    nearest = np.abs(seen[:, None] - CORNERS[None].astype(int)).sum(axis=2).argmin(axis=1)
    if nearest.tolist() != [0, 1, 2, 3]:
        return None
    row = rgb[height // 2 - 1 : height // 2 + 1].mean(axis=(0, 2))
    bits = [row[round((bit + 0.5) * width / _BITS)] > 128 for bit in range(_BITS)]
    return int("".join(str(int(bit)) for bit in bits), 2)


def waveform(
    rate: int = RATE, channels: int = 2, seconds: float = SECONDS, bursts: Sequence[tuple[float, float]] = BURSTS
) -> Waveform:
    """Return the sound `(channels, samples)`: tones of 300 Hz, 400 Hz.. by channel, loud in ``bursts`` (s)."""
    time = np.arange(round(rate * seconds)) / rate
    level = np.full(len(time), _LOW)
    for begin, end in bursts:
        level[(time >= begin) & (time < end)] = 0.5
    return np.stack([level * np.sin(2 * np.pi * (300 + 100 * c) * time) for c in range(channels)]).astype(np.float32)


def onsets_of(sound: Waveform, rate: int) -> list[float]:
    """Return when the first channel gets loud, s from the first sample."""
    size = max(1, round(_STEP * rate))
    blocks = sound[0, : sound.shape[1] // size * size].reshape(-1, size)
    loud = np.sqrt((blocks.astype(np.float64) ** 2).mean(axis=1)) > 0.12
    return [float(k) * size / rate for k in range(len(loud)) if loud[k] and not (k and loud[k - 1])]


def ffmpeg(*arguments: str | Path, data: bytes | None = None) -> bytes:
    """Run the ffmpeg command and return what it wrote to its output. Raises CalledProcessError where it fails."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    if data is not None:
        command.remove("-nostdin")
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=120).stdout


def write_pictures(
    path: Path, numbers: Iterable[int], fps: float = FPS, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Path:
    """Write pictures without loss to a file for ffmpeg to read, with the times of ``fps``."""
    raw = b"".join(picture(number, *size).tobytes() for number in numbers)
    given = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "-")
    ffmpeg(*given, "-c:v", "ffv1", "-f", "nut", path, data=raw)
    return path


def write_sound(path: Path, sound: Waveform, rate: int = RATE) -> Path:
    """Write ``sound`` `(channels, samples)` without loss to a file for ffmpeg to read."""
    raw = np.ascontiguousarray(sound.T).tobytes()
    ffmpeg(
        "-f",
        "f32le",
        "-ar",
        str(rate),
        "-ac",
        str(len(sound)),
        "-i",
        "-",
        "-c:a",
        "pcm_f32le",
        "-f",
        "nut",
        path,
        data=raw,
    )
    return path
