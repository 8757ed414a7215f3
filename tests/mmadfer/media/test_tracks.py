"""Which tracks of a file are read: those that are meant to be played, and that can be."""

from __future__ import annotations

import pytest

from benchmarks.support.made_files import ffmpeg, number_of, onsets_of, picture
from tests.support.media_judge import read

FIRST, SECOND = 0, 100
"""Numbers of the first pictures of the two video tracks; the two sound tracks get loud at 0.2 and 0.6 s."""
TWO = "-map 0 -map 1 -map 2 -map 3 -c:v libx264 -pix_fmt yuv420p -c:a aac"
NO_DEFAULT = "-disposition:v 0 -disposition:a 0"


def two_of_each(shop, path, arguments=""):
    """Write two video and two sound tracks."""
    pictures = (shop.pictures(FIRST, 25), shop.pictures(SECOND, 25))
    sounds = (shop.sound(seconds=1.0, bursts=((begin, begin + 0.2),)) for begin in (0.2, 0.6))
    given = (part for source in (*pictures, *sounds) for part in ("-i", source))
    ffmpeg(*given, *TWO.split(), *arguments.split(), path)


def shown(path):
    """Return the number of the first picture and when the sound gets loud, s; None where there is none."""
    reading = read(path)
    heard = [] if reading.laid_out is None else onsets_of(reading.laid_out, reading.sample_rate)
    number = number_of(reading.pictures[0]) if reading.pictures else None
    return number, (round(heard[0], 1) if heard else None), reading.warnings


DISPOSITIONS = {
    "": (FIRST, 0.2),
    NO_DEFAULT: (FIRST, 0.2),
    "-disposition:v:0 0 -disposition:v:1 default -disposition:a:0 0 -disposition:a:1 default": (SECOND, 0.6),
    f"{NO_DEFAULT} -disposition:a:0 comment": (FIRST, 0.6),
    f"{NO_DEFAULT} -disposition:a:0 default+visual_impaired": (FIRST, 0.6),
    f"{NO_DEFAULT} -disposition:a:0 default+hearing_impaired": (FIRST, 0.6),
}


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("arguments", DISPOSITIONS)
def test_the_track_meant_to_be_played_is_read(suffix, arguments, workshop, tmp_path):
    path = tmp_path / f"two.{suffix}"
    two_of_each(workshop, path, arguments)
    assert shown(path)[:2] == DISPOSITIONS[arguments]


def test_description_for_the_blind_comes_second_in_broadcasts(workshop, tmp_path):
    two_of_each(workshop, tmp_path / "two.ts", "-disposition:a:0 visual_impaired -disposition:a:1 0")
    assert shown(tmp_path / "two.ts")[:2] == (FIRST, 0.6)


CODECS = {"mkv": ((b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/AVX"), (b"A_AAC", b"A_XXX")),
          "mp4": ((b"avc1" + bytes(6), b"zzz1" + bytes(6)),)}  # fmt: skip


@pytest.mark.parametrize(("suffix", "kind"), [("mkv", 0), ("mkv", 1), ("mp4", 0)])
def test_the_next_track_is_read_where_the_first_cannot_be_decoded(suffix, kind, workshop, tmp_path):
    path, (known, unknown) = tmp_path / f"two.{suffix}", CODECS[suffix][kind]
    two_of_each(workshop, path, NO_DEFAULT)
    data = path.read_bytes()
    assert data.count(known) == 2
    path.write_bytes(data.replace(known, unknown, 1))
    assert shown(path)[:2] == ((SECOND, 0.2) if kind == 0 else (FIRST, 0.6))


@pytest.mark.parametrize("kind", [0, 1])
def test_a_track_that_cannot_be_decoded_is_left_out_and_told(kind, workshop, tmp_path):
    path, (known, unknown) = tmp_path / "two.mkv", CODECS["mkv"][kind]
    two_of_each(workshop, path)
    path.write_bytes(path.read_bytes().replace(known, unknown))
    number, onset, warnings = shown(path)
    assert (number is None, onset is None) == (kind == 0, kind == 1)
    assert any(f"its {('video', 'audio')[kind]} cannot be decoded" in line for line in warnings), warnings


COVERS = {
    "cover.mp3": "-map 1 -map 0 -c:v copy -c:a libmp3lame -disposition:v:0 attached_pic",
    "cover.m4a": "-map 1 -map 0 -c:v copy -c:a aac -disposition:v:0 attached_pic",
    "cover.flac": "-map 1 -map 0 -c:v copy -c:a flac -disposition:v:0 attached_pic",
}


def cover(folder):
    path = folder / "cover.png"
    given = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-i", "-")
    ffmpeg(*given, "-frames:v", "1", path, data=picture(77).tobytes())
    return path


@pytest.mark.parametrize("name", COVERS)
def test_a_cover_is_no_video(name, workshop, tmp_path):
    ffmpeg("-i", cover(tmp_path), "-i", workshop.sound(), *COVERS[name].split(), tmp_path / name)
    assert shown(tmp_path / name)[:2] == (None, 0.5)


def test_an_attached_cover_is_no_video(workshop, tmp_path):
    path = tmp_path / "cover.mka"
    attached = ("-attach", cover(tmp_path), "-metadata:s:t", "mimetype=image/png")
    ffmpeg("-i", workshop.sound(), *attached, "-c:a", "flac", path)
    assert shown(path)[:2] == (None, 0.5)


def test_a_cover_before_the_video_is_not_taken_for_it(workshop, tmp_path):
    path = tmp_path / "cover.mp4"
    tracks = (
        "-map 0 -map 1 -map 2 -c:v:0 copy -c:v:1 libx264 -pix_fmt:v:1 yuv420p -c:a aac -disposition:v:0 attached_pic"
    )
    ffmpeg("-i", cover(tmp_path), "-i", workshop.pictures(), "-i", workshop.sound(), *tracks.split(), path)
    assert shown(path)[:2] == (FIRST, 0.5)
