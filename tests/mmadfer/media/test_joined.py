"""Recordings joined byte by byte: one lies behind the other, with its picture and sound in step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.made_files import ffmpeg, number_of, onsets_of
from tests.support.media_cases import Workshop
from tests.support.media_judge import Reading, read

H264, MPEG2 = "-c:v libx264 -pix_fmt yuv420p -c:a aac", "-c:v mpeg2video -q:v 2 -c:a mp2"
BURST = 0.3
"""When the sound of each part gets loud, s from its first picture."""
SLACK = 0.06


def part(
    shop: Workshop, suffix: str, codecs: str, first: int, count: int, *, sound: float | None = None, late: float = 0
):
    """Return a part of ``count`` pictures; sound: its length in s, as the pictures' where None, none where 0."""
    seconds = count / 25 if sound is None else sound
    name = f"part-{codecs.split()[1]}-{first}-{count}-{seconds}-{late}{suffix}"

    def write(path: Path) -> None:
        given = ["-i", shop.pictures(first, count)]
        if seconds:
            bursts = ((BURST, BURST + 0.1),)
            given += ["-itsoffset", str(late), "-i", shop.sound(seconds=seconds, bursts=bursts)]
        ffmpeg(*given, *codecs.split(), path)

    return shop.made(name, write)


def joined(folder: Path, *parts: Path) -> Reading:
    path = folder / f"joined{parts[0].suffix}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return read(path)


def in_step(reading: Reading, firsts: list[int], loud: list[float]) -> None:
    """Assert that each part's sound gets loud so long after its first picture, s; None: it has no sound."""
    numbers = [number_of(rgb) for rgb in reading.pictures]
    starts = [reading.times[numbers.index(first)] for first in firsts]
    wanted = [start + after for start, after in zip(starts, loud, strict=True) if after is not None]
    heard = [reading.chunk_times[0] + t for t in onsets_of(reading.laid_out, reading.sample_rate)]
    assert heard == pytest.approx(wanted, abs=SLACK)


@pytest.mark.parametrize(("suffix", "codecs"), [(".ts", H264), (".ts", MPEG2), (".mpg", MPEG2), (".m2ts", H264)])
@pytest.mark.parametrize("lengths", [(30, 20), (20, 30), (30, 20, 40)], ids=str)
def test_two_or_three_parts_lie_one_behind_the_other(suffix, codecs, lengths, workshop, tmp_path):
    firsts = [sum(lengths[:k]) for k in range(len(lengths))]
    reading = joined(tmp_path, *(part(workshop, suffix, codecs, a, n) for a, n in zip(firsts, lengths, strict=True)))
    assert [number_of(rgb) for rgb in reading.pictures] == list(range(sum(lengths)))
    assert max(np.diff(reading.times)) < 0.12, "there is a hole between the parts"
    assert reading.seconds == pytest.approx(sum(lengths) / 25, abs=0.12)
    assert sum("starts anew" in line for line in reading.warnings) == len(lengths) - 1
    in_step(reading, firsts, [BURST] * len(lengths))


def test_the_same_recording_twice(workshop, tmp_path):
    one = part(workshop, ".ts", H264, 0, 30)
    reading = joined(tmp_path, one, one)
    assert [number_of(rgb) for rgb in reading.pictures] == [*range(30), *range(30)]


UNEVEN = {
    "sound longer than pictures": ({"sound": 2.5}, {}, 2.5, [BURST, BURST]),
    "sound shorter than pictures": ({"sound": 0.5}, {}, 1.2, [BURST, BURST]),
    "no sound in the first": ({"sound": 0}, {}, 1.2, [None, BURST]),
    "no sound in the second": ({}, {"sound": 0}, 1.2, [BURST, None]),
    "sound that begins late in the second": ({}, {"late": 0.6}, 1.2, [BURST, BURST + 0.6]),
}


@pytest.mark.parametrize("name", UNEVEN)
def test_parts_begin_together_behind_all_that_was_before(name, workshop, tmp_path):
    first, second, length, loud = UNEVEN[name]
    reading = joined(
        tmp_path, part(workshop, ".ts", H264, 0, 30, **first), part(workshop, ".ts", H264, 30, 20, **second)
    )
    assert [number_of(rgb) for rgb in reading.pictures] == list(range(50))
    assert reading.times[30] == pytest.approx(length, abs=0.1)
    in_step(reading, [0, 30], loud)


def test_a_part_whose_clock_is_lower_than_the_first_ones_start(workshop, tmp_path):
    one, later = part(workshop, ".ts", H264, 0, 30), tmp_path / "later.ts"
    ffmpeg("-i", part(workshop, ".ts", H264, 30, 20), "-c", "copy", "-output_ts_offset", "1000", later)
    reading = joined(tmp_path, later, one)  # ffmpeg takes this for 26.5 hours that have passed
    assert [number_of(rgb) for rgb in reading.pictures] == [*range(30, 50), *range(30)]
    assert reading.seconds == pytest.approx(2.0, abs=0.15)
    in_step(reading, [30, 0], [BURST, BURST])


def test_a_part_whose_clock_is_ahead_is_a_hole_that_is_named(workshop, tmp_path):
    later = tmp_path / "later.ts"
    ffmpeg("-i", part(workshop, ".ts", H264, 30, 20), "-c", "copy", "-output_ts_offset", "1000", later)
    reading = joined(tmp_path, part(workshop, ".ts", H264, 0, 30), later)
    assert len(reading.pictures) == 50
    assert any("jumps from 1.2" in line and "to 999.9" in line for line in reading.warnings), reading.warnings


STREAMS = (
    (".h264", "-c:v libx264 -pix_fmt yuv420p"),
    (".hevc", "-c:v libx265 -pix_fmt yuv420p"),
    (".m2v", "-c:v mpeg2video -q:v 2"),
    (".mjpeg", "-c:v mjpeg -q:v 2"),
)


@pytest.mark.parametrize(("suffix", "codecs"), STREAMS)
def test_streams_without_a_clock_go_on(suffix, codecs, workshop, tmp_path):
    one, two = (part(workshop, suffix, codecs, first, 25, sound=0) for first in (0, 25))
    reading = joined(tmp_path, one, two)
    assert [number_of(rgb) for rgb in reading.pictures] == list(range(50))
    np.testing.assert_allclose(reading.times, np.arange(50) / 25, atol=0.001)
