"""``python -m benchmarks.voice [FOLDER ...]``: what telling a voice from other sound takes, and how well it is told.

FOLDER: recordings of voices, each of which should be found to hold one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.support.machine import machine
from benchmarks.support.voiceless import voiceless_sounds
from mmadfer import cli
from mmadfer.media.media_file import open_media
from mmadfer.media.suffixes import SOUND_SUFFIXES
from mmadfer.sound.voice_activity import VoiceActivity, is_voice
from mmadfer.sound.voice_network import CHUNK, RATE

WINDOW = 3.0
"""Length of the window that is judged, s."""
HOP = 0.1875
CHUNKS = 500
"""Chunks whose time is taken."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.voice", "Measure voice activity: time, made sounds, voices in folders.")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", type=Path, help="recordings of voices")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="length of each made sound")
    return cli.run(parser, _run, argv)


def _run(arguments: argparse.Namespace) -> int:
    print(machine())
    for rate in (16_000, 44_100, 48_000):
        for channels in (1, 2):
            took = milliseconds(rate, channels)
            print(f"{rate} Hz, {channels} channel(s): {took:.3f} ms for {1000 * CHUNK / RATE:.0f} ms")
    print("\nmade sounds without a voice: windows of 3 s that are said to hold one")
    for rate in (16_000, 44_100):
        for name, sound in voiceless_sounds(arguments.seconds, rate).items():
            found = windows_with_a_voice(sound, rate)
            print(f"{name}, {rate} Hz: {sum(found)} of {len(found)}")
    for folder in arguments.folders:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUND_SUFFIXES)
        shares = [share_of(*sound_of(path)) for path in paths]
        voiced = sum(is_voice(share, seconds) for share, seconds in shares)
        print(f"\n{folder.name}: a voice in {voiced} of {len(paths)} recordings")
        if paths:
            print(f"median share of speech: {np.median([share for share, _ in shares]):.2f}")
    return 0


def milliseconds(rate: int, channels: int) -> float:
    """Return the median time for one chunk's worth of sound at ``rate`` (Hz), ms."""
    count = round(CHUNK * rate / RATE)
    sound = (0.1 * np.random.default_rng(0).standard_normal((channels, count))).astype(np.float32)
    activity, times = VoiceActivity(WINDOW), []
    activity.start(0, rate, channels)
    for k in range(CHUNKS):
        start = time.perf_counter()
        activity.push(k * count, sound)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def windows_with_a_voice(sound: npt.NDArray[np.float32], rate: int) -> list[bool]:
    """Return for the window that ends at each hop of ``sound`` `(channels, n)` whether a voice is found in it."""
    activity = VoiceActivity(sound.shape[1] / rate)
    activity.start(0, rate, len(sound))
    activity.push(0, sound)
    found = []
    for stop in range(round(HOP * rate), sound.shape[1] + 1, round(HOP * rate)):
        begin = max(0, stop - round(WINDOW * rate))
        found.append(is_voice(activity.share(begin, stop) or 0.0, (stop - begin) / rate))
    return found


def share_of(sound: npt.NDArray[np.float32], rate: int) -> tuple[float, float]:
    """Return (how much of ``sound`` `(channels, n)` is speech, its length in s)."""
    activity = VoiceActivity(sound.shape[1] / rate)
    activity.start(0, rate, len(sound))
    activity.push(0, sound)
    return activity.share(0, sound.shape[1]) or 0.0, sound.shape[1] / rate


def sound_of(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    """Return the sound of a file `(channels, n)`, and its rate in Hz."""
    file = open_media(path)
    return np.concatenate([waveform for _, waveform in file.audio()], axis=1), file.sample_rate


if __name__ == "__main__":
    sys.exit(main())
