"""One clock for everything in a file: late tracks, edit lists, offsets, jumps, and stamps that are wrong."""

from __future__ import annotations

import re

import av
import numpy as np
import pytest

from benchmarks.support.made_files import ffmpeg, number_of, onsets_of
from mmadfer.media.media_file import open_media
from tests.support.flv_stamps import restamp
from tests.support.made_media import write_media
from tests.support.media_cases import COUNT, ONSETS, Case, paced
from tests.support.media_judge import check, read

H264, MPEG2 = "-c:v libx264 -pix_fmt yuv420p -c:a aac -g 10", "-c:v mpeg2video -q:v 2 -c:a mp2"
VP8 = "-c:v libvpx -c:a libopus"
MOST_LATE = 0.055
"""Codecs put up to so much before the sound, s."""


def _late(sound: float, video: float, arguments: str):
    def make(shop, path):
        given = ("-itsoffset", str(video), "-i", shop.pictures(), "-itsoffset", str(sound), "-i", shop.sound())
        ffmpeg(*given, *arguments.split(), "-fps_mode", "passthrough", path)

    return make


LATE_SOUND = [
    Case(f"sound{suffix}", _late(0.7, 0, codecs), numbers=range(COUNT), in_step=1.2, slack=MOST_LATE)
    for suffix, codecs in (
        (".mp4", H264), (".mov", H264), (".mkv", H264), (".ts", H264), (".flv", H264), (".nut", H264),
        (".webm", VP8), (".mpg", MPEG2), (".wmv", "-c:v wmv2 -q:v 2 -c:a wmav2"),
    )
]  # fmt: skip
LATE_VIDEO = [
    Case(f"video{suffix}", _late(0, 0.7, codecs), numbers=range(COUNT), in_step=-0.2, slack=MOST_LATE)
    for suffix, codecs in (
        (".mp4", H264), (".mov", H264), (".mkv", H264), (".ts", H264), (".flv", H264), (".nut", H264), (".webm", VP8),
    )
]  # fmt: skip
BEGUN = [
    Case(
        f"from{seconds}{suffix}",
        lambda shop, path, seconds=seconds: ffmpeg(
            "-i", shop.clip(path.suffix, H264), "-c", "copy", "-output_ts_offset", str(seconds), path
        ),
        numbers=range(COUNT),
        in_step=0.5,
        seconds=2.0,
        slack=0.1,
    )
    for suffix in (".mp4", ".mkv", ".ts", ".flv", ".nut")
    for seconds in (50, 1234.5)
]


def _edited(*arguments: str, bf: str = ""):
    def make(shop, path):
        clip = shop.clip(path.suffix, f"{H264} {bf}")
        ffmpeg(*(clip if part == "CLIP" else part for part in arguments), "-c", "copy", path)

    return make


EDITED = [
    Case(f"{name}{kind}{suffix}", _edited(*arguments, bf=bf))
    for suffix in (".mp4", ".mov")
    for kind, bf in (("", ""), ("-plain", "-bf 0"))
    for name, arguments in (
        ("begins-later", ("-ss", "0.5", "-i", "CLIP")),
        ("part", ("-ss", "0.5", "-to", "1.3", "-i", "CLIP")),
        ("empty-video", ("-itsoffset", "0.7", "-i", "CLIP", "-i", "CLIP", "-map", "0:v", "-map", "1:a")),
        ("empty-sound", ("-itsoffset", "0.7", "-i", "CLIP", "-i", "CLIP", "-map", "1:v", "-map", "0:a")),
    )
]


@pytest.mark.parametrize("case", [*LATE_SOUND, *LATE_VIDEO, *BEGUN, *EDITED], ids=str)
def test_tracks_lie_on_one_clock_as_ffprobe_has_it(case, workshop, tmp_path):
    check(case, workshop, tmp_path)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts", ".nut"])
def test_an_hour_of_nothing_is_named_and_not_filled(suffix, workshop, tmp_path):
    path = tmp_path / f"jump{suffix}"
    halves = [workshop.made(f"half-{k}.mp4", lambda p, k=k: _half(workshop, p, k)) for k in (0, 1)]
    _append(halves, (0, 3601), path)
    reading = read(path)
    assert [number_of(rgb) for rgb in reading.pictures] == list(range(50))
    assert reading.times[24] == pytest.approx(0.96, abs=0.03) and reading.times[25] == pytest.approx(3601, abs=0.1)
    assert any(re.search(r"jumps from 1\.\d+ s to 360[01]\.", line) for line in reading.warnings), reading.warnings
    assert reading.laid_out.shape[1] / reading.sample_rate == pytest.approx(2.0, abs=0.2)


def _half(workshop, path, number):
    pictures = workshop.pictures(25 * number, 25)
    sound = workshop.sound(seconds=1.0, bursts=((0.5, 0.75),))
    ffmpeg("-i", pictures, "-i", sound, *H264.split(), "-bf", "0", path)


def _append(sources, starts, path):
    """Write the packets of files, one behind the other, each from its start (s) on."""
    with av.open(str(path), "w") as out:
        streams = []
        for source, start in zip(sources, starts, strict=True):
            with av.open(str(source)) as given:
                streams = streams or [out.add_stream_from_template(stream) for stream in given.streams]
                for packet in given.demux():
                    if packet.size:
                        packet.pts += round(start / packet.time_base)
                        packet.dts += round(start / packet.time_base)
                        packet.stream = streams[packet.stream_index]
                        out.mux(packet)


STRAY = {
    "a picture ahead": lambda kind, n, ms: ms + 5_000_000 if kind == "v" and n == 20 else ms,
    "three pictures ahead": lambda kind, n, ms: ms + 5_000_000 if kind == "v" and 20 <= n < 23 else ms,
    "a piece of sound ahead": lambda kind, n, ms: ms + 5_000_000 if kind == "a" and n == 20 else ms,
    "both ahead": lambda kind, n, ms: ms + 5_000_000 if n in (20, 21) else ms,
    "a picture at 0": lambda kind, n, ms: 0 if kind == "v" and n == 30 else ms,
    "a piece of sound at 0": lambda kind, n, ms: 0 if kind == "a" and n == 30 else ms,
    "32 bits run over": lambda kind, n, ms: ms + 0xFFFFFFFF - 900,
    "jitter": lambda kind, n, ms: max(0, ms + (7 * n) % 25 - 12),
}


@pytest.mark.parametrize("name", STRAY)
def test_stray_stamps_cost_no_picture_and_no_sound(name, workshop, tmp_path):
    path = tmp_path / "stray.flv"
    restamp(workshop.clip(".flv", H264), path, STRAY[name])
    reading = read(path)
    assert [number_of(rgb) for rgb in reading.pictures] == list(range(COUNT))
    np.testing.assert_allclose(np.subtract(reading.times, reading.times[0]), paced(), atol=0.045)
    heard = onsets_of(reading.laid_out, reading.sample_rate)
    np.testing.assert_allclose(np.subtract(heard, reading.times[0]), ONSETS, atol=0.06)
    assert reading.seconds == pytest.approx(2.08, abs=0.1)


@pytest.mark.parametrize("kinds", ["v", "va"])
def test_pictures_that_all_bear_one_time_are_shown_at_an_even_pace_and_told(kinds, workshop, tmp_path):
    path = tmp_path / "still.flv"
    restamp(workshop.clip(".flv", H264), path, lambda kind, n, ms: 0 if kind in kinds else ms)
    reading = read(path)
    assert [number_of(rgb) for rgb in reading.pictures] == list(range(COUNT))
    np.testing.assert_allclose(reading.times, paced(), atol=0.001)
    assert any("even pace" in line for line in reading.warnings)
    assert reading.sound.shape[1] / reading.sample_rate == pytest.approx(2.027, abs=0.01)


WRONG = {
    "the clock begins anew": (lambda kind, n, ms: ms if ms < 1000 else ms - 1000, "starts anew at 1.0"),
    "the clock begins anew, lower": (lambda kind, n, ms: ms + 5000 if ms < 1000 else ms - 1000, "starts anew at 1.0"),
    "the first stamps are 0": (lambda kind, n, ms: ms if n < 2 else ms + 1_234_500, "jumps from 0.0"),
    "a little back": (lambda kind, n, ms: ms if ms < 1000 else ms - 150, "pictures are not shown"),
    "at random": (lambda kind, n, ms: (n * 7_919_000_003) % 2**31 if kind == "v" else ms, "."),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_stamps_are_told(name, workshop, tmp_path):
    path, (change, words) = tmp_path / "wrong.flv", WRONG[name]
    restamp(workshop.clip(".flv", H264), path, change)
    reading = read(path)
    assert any(words in line for line in reading.warnings), reading.warnings
    assert list(reading.times) == sorted(set(reading.times))
    assert reading.sound.shape[1] / reading.sample_rate == pytest.approx(2.027, abs=0.01), "sound was lost"


def test_pictures_of_the_same_time_are_counted_and_told(tmp_path, workshop):
    uneven = [0.0, 0.04, 0.08, 0.08, 0.5, 0.52, 2.0]
    rgb = np.full((48, 64, 3), 90, np.uint8)
    path = write_media(tmp_path / "vfr.mkv", [(t, rgb) for t in sorted(set(uneven))])
    reading = read(path)
    np.testing.assert_allclose(reading.times, sorted(set(uneven)), atol=1e-3)
    restamp(workshop.clip(".flv", f"{H264} -bf 0"), tmp_path / "same.flv", _same_twice)
    reading = read(tmp_path / "same.flv")
    assert len(reading.times) == COUNT - 2 and list(reading.times) == sorted(set(reading.times))
    assert any("2 pictures are not shown" in line for line in reading.warnings)


def _same_twice(kind: str, number: int, ms: int) -> int:
    return ms - 40 if kind == "v" and number in (11, 31) else ms  # the first one is no picture


def test_spans_are_of_the_files_clock_though_the_sound_begins_late(workshop, tmp_path):
    late = tmp_path / "late.mkv"
    ffmpeg("-i", workshop.pictures(0, 200, 2), "-itsoffset", "70", "-i", workshop.sound(), "-c:v", "ffv1", late)
    file = open_media(late)
    for start, end, onsets in ((70.4, 70.8, [0.1]), (0.0, 71.0, [70.5]), (69.0, 72.0, [1.5, 2.25])):
        heard = file.read_span(start, end)
        assert heard.shape[1] <= round((end - start) * 48_000)
        assert onsets_of(heard, 48_000) == pytest.approx(onsets, abs=0.06), (start, end)
    assert file.read_span(0.0, 60.0).shape[1] == 0
