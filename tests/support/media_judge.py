"""Whether what is read of a made file is right: by its maker's knowledge, and by what ffmpeg itself says."""

from __future__ import annotations

import json
import logging
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.support.made_files import Rgb, Waveform, ffmpeg, number_of, onsets_of
from mmadfer.media.media_file import open_media
from tests.support.media_cases import Case, Workshop

_SAME_TIME = 0.0101
"""Stamps of two versions of ffmpeg differ by up to 7 ms where sound begins before the file does (Opus), s."""
_SAME_SAMPLES = 0.005
_SAME_COLOURS = 3.0
"""Median and mean difference of pictures, of 255: scaled and unscaled conversion differ in their last bits."""
_SAME_LENGTH = 64
"""Samples."""


@dataclass(frozen=True)
class Reading:
    """What came of a file."""

    warnings: tuple[str, ...]
    seconds: float
    tracks: tuple[int, int]
    """Indices of the video and the sound track."""
    size: tuple[int, int]
    sample_rate: int
    channels: int
    times: tuple[float, ...]
    pictures: list[Rgb]
    chunk_times: tuple[float, ...]
    sound: Waveform | None
    """All pieces one behind the other."""
    laid_out: Waveform | None
    """What `read_audio` returns."""


class _Notes(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def read(path: Path | str) -> Reading:
    """Return what `mmadfer.media.media_file` makes of ``path``."""
    notes, log = _Notes(), logging.getLogger("mmadfer")
    log.addHandler(notes)
    try:
        file = open_media(path)
        frames, chunks = list(file.frames()), list(file.audio())
        ordered = [item.time for item in file.packets()]
        if ordered != sorted(ordered):
            raise AssertionError("packets() is not in the order of time")
        return Reading(
            warnings=tuple(dict.fromkeys(notes.lines)),
            seconds=file.duration,
            tracks=(file.video_track, file.audio_track),
            size=(file.width, file.height),
            sample_rate=file.sample_rate,
            channels=file.channels,
            times=tuple(time for time, _ in frames),
            pictures=[rgb for _, rgb in frames],
            chunk_times=tuple(time for time, _ in chunks),
            sound=np.concatenate([waveform for _, waveform in chunks], axis=1) if chunks else None,
            laid_out=file.read_audio(),
        )
    finally:
        log.removeHandler(notes)


def check(case: Case, workshop: Workshop, folder: Path) -> None:
    """Make the file of ``case`` in ``folder``, read it, and assert that it is right."""
    path = folder / case.name
    case.make(workshop, path)
    reading = read(path)
    faults = [*_against_maker(case, reading)]
    if case.ffmpeg and reading.pictures and reading.tracks[0] >= 0:
        faults += _pictures_against_ffmpeg(path, reading)
    if case.ffmpeg and reading.sound is not None:
        faults += _sound_against_ffmpeg(path, reading)
    if not any(re.search(case.told, line) for line in reading.warnings) if case.told else reading.warnings:
        faults.append(f"warnings {reading.warnings} in place of {case.told!r}")
    assert not faults, "\n".join(faults)


def _against_maker(case: Case, reading: Reading) -> Iterator[str]:
    numbers = [number_of(rgb) for rgb in reading.pictures]
    if case.numbers is not None and numbers != list(case.numbers):
        yield f"pictures {numbers} in place of {list(case.numbers)}"
    if case.times is not None:
        yield from _differ("pictures at", reading.times, case.times, _SAME_TIME)
    if case.sound is not None and (reading.sample_rate, reading.channels) != case.sound:
        yield f"sound of {reading.sample_rate} Hz x {reading.channels} in place of {case.sound}"
    if case.onsets is not None:
        yield from _differ("sound gets loud at", heard(reading), case.onsets, case.slack)
    if case.in_step is not None:
        step = heard(reading)[:1] - np.array(reading.times[:1])
        if len(step) != 1 or abs(step[0] - case.in_step) > case.slack:
            yield f"the sound gets loud {step} s after the first picture in place of {case.in_step}"
    if case.seconds is not None and abs(reading.seconds - case.seconds) > case.slack + 0.05:
        yield f"it lasts {reading.seconds:.3f} s in place of {case.seconds:.3f}"


def heard(reading: Reading) -> list[float]:
    """Return when the sound gets loud, s from the file's start."""
    if reading.laid_out is None:
        return []
    return [reading.chunk_times[0] + time for time in onsets_of(reading.laid_out, reading.sample_rate)]


def _differ(what: str, found: Sequence[float], wanted: Sequence[float], slack: float) -> Iterator[str]:
    if len(found) != len(wanted):
        yield f"{what} {_short(found)} ({len(found)}) in place of {_short(wanted)} ({len(wanted)})"
    elif len(wanted) and (off := float(np.abs(np.subtract(found, wanted)).max())) > slack:
        yield f"{what} {_short(found)} in place of {_short(wanted)}: off by {off:.3f} s"


def _short(times: Sequence[float]) -> str:
    texts = [f"{time:.3f}" for time in times]
    return ", ".join(texts if len(texts) < 7 else [*texts[:3], "..", *texts[-2:]])


def probed(path: Path, track: int) -> list[float | None]:
    """Return when ffprobe shows the frames of a track, s from the file's start; None for those it knows no time of."""
    wanted = "frame=best_effort_timestamp_time:format=start_time"
    command = ["ffprobe", "-v", "error", "-select_streams", str(track), "-show_entries", wanted, "-of", "json"]
    run = subprocess.run([*command, f"file:{path}"], capture_output=True, check=False, timeout=120)
    said = json.loads(run.stdout or b"{}")
    start = _number(said.get("format", {}).get("start_time")) or 0.0
    stamps = [_number(frame.get("best_effort_timestamp_time")) for frame in said.get("frames", [])]
    return [None if stamp is None else stamp - start for stamp in stamps]


def _number(text: str | None) -> float | None:
    return None if text in (None, "N/A") else float(text)


def _pictures_against_ffmpeg(path: Path, reading: Reading) -> Iterator[str]:
    width, height = reading.size
    track = ("-i", f"file:{path}", "-map", f"0:{reading.tracks[0]}", "-fps_mode", "passthrough")
    shown = ("-vf", f"scale={width}:{height}:flags=bilinear", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    raw = np.frombuffer(ffmpeg(*track, *shown), np.uint8)
    theirs = raw[: len(raw) // (3 * width * height) * 3 * width * height].reshape(-1, height, width, 3)
    if len(theirs) != len(reading.pictures):
        yield f"{len(reading.pictures)} pictures where ffmpeg has {len(theirs)}"
        return
    off = np.abs(np.stack(reading.pictures).astype(np.int16) - theirs)
    if max(float(np.median(off)), float(off.mean())) > _SAME_COLOURS:
        yield f"pictures are off ffmpeg's by {off.mean():.1f} of 255"
    yield from _differ_known("ffprobe shows pictures at", reading.times, probed(path, reading.tracks[0]))


def _differ_known(what: str, ours: Sequence[float], theirs: Sequence[float | None]) -> Iterator[str]:
    """Compare where the other knows; frames that a decoder keeps to the end have no time there."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=False) if b is not None]
    if pairs:
        yield from _differ(what, [a for a, _ in pairs], [b for _, b in pairs], _SAME_TIME)


def _sound_against_ffmpeg(path: Path, reading: Reading) -> Iterator[str]:
    raw = ffmpeg("-i", f"file:{path}", "-map", f"0:{reading.tracks[1]}", "-f", "f32le", "-")
    theirs = np.frombuffer(raw, np.float32)
    theirs = theirs[: len(theirs) // reading.channels * reading.channels].reshape(-1, reading.channels).T
    if abs(theirs.shape[1] - reading.sound.shape[1]) > _SAME_LENGTH:
        yield f"{reading.sound.shape[1]} samples where ffmpeg has {theirs.shape[1]}"
        return
    count = min(theirs.shape[1], reading.sound.shape[1])
    off = float(np.abs(theirs[:, :count] - reading.sound[:, :count]).max()) if count else 0.0
    if off > _SAME_SAMPLES:
        yield f"sound is off ffmpeg's by {off:.4f}"
    stamps = probed(path, reading.tracks[1])
    if len(stamps) == len(reading.chunk_times):
        yield from _differ_known("ffprobe hears pieces at", reading.chunk_times, stamps)
