"""A case of the tests of file reading: a made file, what its maker knows of it, and the sources it is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.support.made_files import BURSTS, FPS, RATE, SECONDS, ffmpeg, waveform, write_pictures, write_sound

COUNT = round(FPS * SECONDS)
"""Pictures of the usual clip."""
ONSETS = tuple(begin for begin, _ in BURSTS)


class Workshop:
    """A folder of sources that cases share; each is made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pictures(self, first: int = 0, count: int = COUNT, fps: float = FPS) -> Path:
        """Return a file of the numbered pictures from ``first`` on, without loss."""
        name = f"pictures-{first}-{count}-{fps}.nut"
        return self.made(name, lambda path: write_pictures(path, range(first, first + count), fps))

    def sound(
        self,
        rate: int = RATE,
        channels: int = 2,
        seconds: float = SECONDS,
        bursts: Sequence[tuple[float, float]] = BURSTS,
    ) -> Path:
        """Return a file of sound, without loss."""
        name = f"sound-{rate}-{channels}-{seconds}-{_mark(bursts)}.nut"
        return self.made(name, lambda path: write_sound(path, waveform(rate, channels, seconds, bursts), rate))

    def clip(self, suffix: str, arguments: str) -> Path:
        """Return the usual clip, coded with ffmpeg's ``arguments`` in a file with that suffix."""
        return self.made(f"clip-{_mark(arguments)}{suffix}", lambda path: self.encode(path, arguments))

    def encode(self, path: Path, arguments: str) -> None:
        """Write the usual clip to ``path``."""
        ffmpeg("-i", self.pictures(), "-i", self.sound(), *arguments.split(), path)

    def made(self, name: str, write: Callable[[Path], object]) -> Path:
        """Return the file of that name; ``write`` makes it at the first call."""
        path = self.folder / name
        if not path.exists():
            write(path)
        return path


def _mark(thing: object) -> str:
    return hashlib.sha256(repr(thing).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Case:
    """A file to be made and read, and what its maker knows; None for what is left to the other judges."""

    name: str
    """Of the file."""
    make: Callable[[Workshop, Path], object]
    numbers: Sequence[int] | None = None
    """Of the pictures, in order; empty where there is no video."""
    times: Sequence[float] | None = None
    """When each is shown, s from the file's start."""
    onsets: Sequence[float] | None = None
    """When the sound gets loud, s from the file's start; empty where there is no sound."""
    sound: tuple[int, int] | None = None
    """Sample rate (Hz) and channels."""
    in_step: float | None = None
    """How long after the first picture the sound gets loud, s."""
    seconds: float | None = None
    told: str = ""
    """A pattern that a warning has to match; where there is none, nothing may be warned of."""
    ffmpeg: bool = True
    """Whether ffmpeg and ffprobe are asked, too."""
    slack: float = 0.05
    """By how much times of sound and the length may be off for the sake of the codec, s."""

    def __str__(self) -> str:
        return self.name


def paced(count: int = COUNT, fps: float = FPS, start: float = 0.0) -> tuple[float, ...]:
    """Return the times of ``count`` pictures at an even pace, s."""
    return tuple(start + number / fps for number in range(count))
