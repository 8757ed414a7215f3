"""The usual sound in every coding, rate and number of channels, and sound that changes on its way."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks.support.made_files import RATE, SECONDS, ffmpeg
from tests.support.media_cases import ONSETS, Case, Workshop
from tests.support.media_judge import check

WAV = ("u8", "s16le", "s24le", "s32le", "s64le", "f32le", "f64le", "alaw", "mulaw")
WAV_CODED = ("adpcm_ms", "adpcm_ima_wav", "adpcm_yamaha", "libmp3lame", "mp2", "ac3")
CODED = (
    (".mp3", "-c:a libmp3lame"),
    (".mp3", "-c:a libmp3lame -write_xing 0 -id3v2_version 0"),
    (".mp3", "-c:a libmp3lame -q:a 4 -id3v2_version 3 -write_id3v1 1 -metadata title=x"),
    (".mp2", "-c:a mp2"),
    (".m4a", "-c:a aac"),
    (".aac", "-c:a aac"),
    (".ac3", "-c:a ac3"),
    (".eac3", "-c:a eac3"),
    (".dts", "-strict -2 -c:a dca"),
    (".thd", "-strict -2 -c:a truehd"),
    (".mlp", "-strict -2 -c:a mlp"),
    (".aiff", "-c:a pcm_s24be"),
    (".au", "-c:a pcm_s16be"),
    (".caf", "-c:a alac"),
    (".w64", "-c:a pcm_s16le"),
    (".voc", "-c:a pcm_u8"),
    (".wv", "-c:a wavpack"),
    (".tta", "-c:a tta"),
    (".opus", "-c:a libopus"),
    (".ogg", "-c:a flac"),
    (".oga", "-c:a libvorbis"),
    (".mka", "-c:a libopus"),
    (".wma", "-c:a wmav2"),
    (".sbc", "-c:a sbc -b:a 256k"),
    (".flv", "-c:a adpcm_swf -ar 44100"),
)
OF_TELEPHONES = (
    (".wav", "-c:a g722", 16_000),
    (".wav", "-c:a g726", 8_000),
    (".wav", "-c:a gsm_ms", 8_000),
    (".gsm", "-c:a libgsm", 8_000),
    (".g722", "-c:a g722", 16_000),
    (".spx", "-c:a libspeex", 16_000),
    (".ra", "-c:a real_144", 8_000),
)
RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
CHANNELS = (
    *(("wav", channels, "-c:a pcm_s16le") for channels in (1, 3, 4, 5, 6, 7, 8, 9, 12, 16, 24)),
    *(("flac", channels, "-c:a flac") for channels in (1, 3, 4, 5, 6, 8)),
    *(("m4a", channels, "-c:a aac") for channels in (1, 3, 4, 5, 6, 8)),
    *(("ogg", channels, "-c:a libvorbis") for channels in (3, 6, 8)),
    *(("opus", channels, "-mapping_family 255 -c:a libopus") for channels in (1, 6, 8, 12)),
    *(("caf", channels, "-c:a pcm_f32le") for channels in (3, 6, 8, 12)),
    *(("mov", channels, "-c:a pcm_s16le") for channels in (3, 6, 8)),
    *(("mkv", channels, "-c:a pcm_s16le") for channels in (6, 8, 12)),
)
JOINED = (
    (".aac", "-c:a aac"),
    (".mp3", "-c:a libmp3lame"),
    (".mp3", "-c:a libmp3lame -write_xing 0 -id3v2_version 0"),
    (".mp2", "-c:a mp2"),
    (".ts", "-c:a aac"),
    (".ts", "-c:a mp2"),
    (".loas", "-c:a aac -f latm"),
)
CHANGES = (((48_000, 2), (16_000, 1)), ((16_000, 1), (44_100, 2)), ((22_050, 1), (44_100, 1)))
UNCHANGED = (((48_000, 2), (48_000, 2)),)


def coded(name: str, arguments: str, rate: int = RATE, channels: int = 2, slack: float = 0.03) -> Case:
    exact = "-ar" not in arguments and not name.endswith(".voc")  # VOC rounds the rate
    return Case(
        name,
        lambda shop, path: ffmpeg("-i", shop.sound(rate, channels), *arguments.split(), path),
        numbers=(),
        onsets=ONSETS,
        sound=(rate, channels) if exact else None,
        seconds=SECONDS,
        slack=slack,
        ffmpeg=not name.endswith(".ra"),  # all of its packets bear the time 0, and so does ffmpeg's sound
    )


def joined(number: int, suffix: str, arguments: str, parts: tuple[tuple[int, int], ...]) -> Case:
    """Return a case of recordings joined byte by byte. Args: parts: (rate in Hz, channels) of each."""

    def make(shop: Workshop, path: Path) -> None:
        data = b""
        for rate, channels in parts:
            part = path.with_name(f"part{suffix}")
            ffmpeg("-i", shop.sound(rate, channels), *arguments.split(), part)
            data += part.read_bytes()
        path.write_bytes(data)

    told = "format changes" if parts[0] != parts[1] else ""
    if not told and suffix in (".ts", ".ogg", ".opus"):
        told = "starts anew"
    elif not told and suffix == ".mp3" and "xing" not in arguments:
        told = "1 parts of its audio are damaged"  # the second file's tags
    return Case(
        f"{number:02d}-{parts[0][0]}-{parts[1][0]}{suffix}",
        make,
        numbers=(),
        onsets=tuple(onset + SECONDS * k for k in range(len(parts)) for onset in ONSETS),
        sound=parts[0],
        seconds=SECONDS * len(parts) if suffix != ".loas" else None,  # its headers are not read for their lengths
        told=told,
        ffmpeg=False,
        slack=0.16,  # each part begins with what its codec puts before the sound
    )


CASES = (
    *(coded(f"{coding}.wav", f"-c:a pcm_{coding}") for coding in WAV),
    *(coded(f"{coding}.wav", f"-c:a {coding}") for coding in WAV_CODED),
    *(coded(f"{number:02d}{suffix}", arguments, slack=0.045) for number, (suffix, arguments) in enumerate(CODED)),
    *(
        coded(f"telephone{n}{suffix}", arguments, rate, 1, 0.05)
        for n, (suffix, arguments, rate) in enumerate(OF_TELEPHONES)
    ),
    *(coded(f"{rate}.wav", "-c:a pcm_s16le", rate) for rate in RATES),
    *(coded(f"{rate}.flac", "-c:a flac", rate, 1) for rate in RATES),
    *(coded(f"{rate}.mp3", "-c:a libmp3lame", rate) for rate in RATES[:9]),
    *(coded(f"{rate}.aac", "-c:a aac", rate, 1, slack=0.14) for rate in RATES[:9]),
    *(coded(f"{channels}-channels.{suffix}", arguments, RATE, channels) for suffix, channels, arguments in CHANNELS),
)
CHANGING = (
    *(
        joined(number, suffix, arguments, parts)
        for number, (suffix, arguments) in enumerate(JOINED)
        for parts in (*CHANGES, *UNCHANGED)
    ),
    joined(20, ".ogg", "-c:a libvorbis", ((48_000, 2), (48_000, 2))),
    joined(21, ".opus", "-c:a libopus", ((48_000, 2), (48_000, 2))),
    joined(22, ".ac3", "-c:a ac3", ((48_000, 2), (32_000, 1))),
    joined(23, ".eac3", "-c:a eac3", ((48_000, 2), (32_000, 1))),
    joined(24, ".dts", "-strict -2 -c:a dca", ((48_000, 2), (32_000, 2))),
    dataclasses.replace(  # PyAV's ffmpeg reads no further, and that is told
        joined(25, ".ogg", "-c:a libvorbis", ((48_000, 2), (16_000, 1))),
        told="breaks off at 1.9",
        onsets=ONSETS,
        seconds=SECONDS,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sound_is_read_in_its_rate_and_channels_at_its_time(case, workshop, tmp_path):
    check(case, workshop, tmp_path)


@pytest.mark.parametrize("case", CHANGING, ids=str)
def test_sound_that_changes_on_its_way_is_read_whole(case, workshop, tmp_path):
    check(case, workshop, tmp_path)
