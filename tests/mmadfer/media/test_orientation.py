"""Pictures stand upright and have square pixels: display matrices, EXIF, what the stream itself says, pixel shapes."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from benchmarks.support.made_files import ffmpeg, number_of, picture
from mmadfer.media.media_file import open_media
from mmadfer.media.orientation import of_display_matrix, tilt, upright
from tests.support.media_judge import read

MATRICES = {1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
            5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0)}  # fmt: skip
"""a, b, c, d of x' = a x + c y, y' = b x + d y, by EXIF's numbers."""
UNDONE = {6: 8, 8: 6}
EIGHT = range(1, 9)


def stored(number, orientation):
    """Return picture ``number`` as a camera held so stores it."""
    return np.ascontiguousarray(upright(picture(number), UNDONE.get(orientation, orientation)))


def write_turned(path, codec, matrix, rgb, shape=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = rgb.shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        if shape:
            stream.codec_context.sample_aspect_ratio = shape
        a, b, c, d = (round(value * 65_536) for value in matrix)
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("orientation", EIGHT)
@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", "libx264"), ("mov", "mpeg4"), ("mkv", "libx264"), ("3gp", "mpeg4")]
)
def test_videos_stand_as_ffmpeg_turns_them(orientation, suffix, codec, tmp_path):
    path = write_turned(tmp_path / f"turned.{suffix}", codec, MATRICES[orientation], stored(5, orientation))
    reading = read(path)
    assert [number_of(rgb) for rgb in reading.pictures] == [5, 5, 5] and reading.size == (96, 64)
    raw = np.frombuffer(ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"), np.uint8)
    off = np.abs(np.stack(reading.pictures).astype(int) - raw.reshape(3, 64, 96, 3)).mean()
    assert off < 1, f"off ffmpeg's by {off:.1f}"


@pytest.mark.parametrize("orientation", EIGHT)
@pytest.mark.parametrize(
    ("form", "suffix"),
    [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("AVIF", "avif"), ("TIFF", "tif"), ("MPO", "mpo")],
)
def test_photos_stand_as_pillow_turns_them(orientation, form, suffix, tmp_path):
    path, exif = tmp_path / f"photo.{suffix}", Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored(9, orientation)).save(path, form, exif=exif, quality=95)
    (_, rgb), *more = open_media(path).frames()
    with Image.open(path) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert number_of(rgb) == 9 and not more
    np.testing.assert_array_equal(rgb, wanted)


@pytest.mark.parametrize("orientation", EIGHT)
def test_photos_of_phones_stand_upright(orientation, stills):
    file = open_media(stills / f"turned_{orientation}.heic")
    assert number_of(next(file.frames())[1]) == 9 and (file.width, file.height) == (96, 64)


@pytest.mark.parametrize("value", [0, 9, 77])
def test_nonsense_for_an_orientation_is_none(value, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = value
    Image.fromarray(picture(9)).save(tmp_path / "photo.jpg", exif=exif, quality=95)
    assert number_of(next(open_media(tmp_path / "photo.jpg").frames())[1]) == 9


@pytest.mark.parametrize("degrees", [0.5, 10, 44, 80, 135.5, 200, 350])
def test_odd_angles_go_to_the_nearest_quarter_turn_and_are_told(degrees, tmp_path):
    turn = np.deg2rad(degrees)
    matrix = (np.cos(turn), np.sin(turn), -np.sin(turn), np.cos(turn))
    orientation = (1, 6, 3, 8)[round(degrees / 90) % 4]
    reading = read(write_turned(tmp_path / "odd.mp4", "mpeg4", matrix, stored(5, orientation)))
    assert number_of(reading.pictures[0]) == 5
    told = any("lean by" in line for line in reading.warnings)
    assert told == (abs(degrees - 90 * round(degrees / 90)) > 1), reading.warnings


def test_a_display_matrix_of_nonsense_turns_nothing():
    assert of_display_matrix(bytes(36)) == 1 and of_display_matrix(b"short") == 1 and tilt(bytes(36)) == 0


def coded(path, pictures, *arguments):
    height, width = pictures[0].shape[:2]
    given = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25", "-i", "-")
    raw = b"".join(np.ascontiguousarray(rgb).tobytes() for rgb in pictures)
    ffmpeg(*given, "-c:v", "libx264", "-pix_fmt", "yuv420p", *arguments, path, data=raw)
    return path.read_bytes()


def test_a_turn_that_the_stream_itself_tells_holds_until_it_tells_another(tmp_path):
    said = "h264_metadata=display_orientation=insert:"
    parts = (
        coded(tmp_path / "a.ts", [picture(k) for k in range(10)], "-bsf:v", f"{said}rotate=0"),
        coded(tmp_path / "b.ts", [upright(picture(k), 6) for k in range(10, 20)], "-bsf:v", f"{said}rotate=90"),
        coded(tmp_path / "c.ts", [upright(picture(k), 2) for k in range(20, 30)], "-bsf:v", f"{said}flip=horizontal"),
        coded(tmp_path / "d.ts", [picture(k) for k in range(30, 40)]),
    )
    path = tmp_path / "turns.ts"
    path.write_bytes(b"".join(parts))
    assert [number_of(rgb) for rgb in read(path).pictures] == list(range(40))


@pytest.mark.parametrize("shape", [Fraction(4, 3), Fraction(2, 3), Fraction(64, 45), Fraction(1, 2), Fraction(2, 1)])
@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov", "ts", "avi"])
def test_pixels_are_square_as_ffmpeg_scales_them(shape, suffix, tmp_path):
    path = tmp_path / f"shape.{suffix}"
    coded(path, [picture(k) for k in range(20)], "-vf", f"setsar={shape.numerator}/{shape.denominator}", "-bf", "0")
    reading = read(path)
    assert [number_of(rgb) for rgb in reading.pictures] == list(range(20))
    assert reading.size == (round(96 * shape), 64)
    shown = ffmpeg(
        "-i", path, "-frames:v", "1", "-vf", "scale=round(iw*sar):ih", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"
    )
    wanted = np.frombuffer(shown, np.uint8).reshape(64, -1, 3)
    off = np.abs(reading.pictures[0].astype(int) - wanted)
    assert np.median(off) < 3 and off.mean() < 6, f"off ffmpeg's by {off.mean():.1f}"


@pytest.mark.parametrize("orientation", EIGHT)
def test_pixels_are_made_square_before_the_turn(orientation, tmp_path):
    shape, (height, width) = Fraction(4, 3), stored(5, orientation).shape[:2]
    path = write_turned(tmp_path / "both.mp4", "libx264", MATRICES[orientation], stored(5, orientation), shape)
    reading = read(path)
    wide = (round(width * shape), height)
    assert reading.size == (wide if orientation < 5 else wide[::-1]) and number_of(reading.pictures[0]) == 5


def test_size_and_pixel_shape_may_change_on_the_way(tmp_path):
    parts = (
        coded(tmp_path / "a.ts", [picture(k) for k in range(10)]),
        coded(tmp_path / "b.ts", [picture(k, 160, 96) for k in range(10, 20)]),
        coded(tmp_path / "c.ts", [picture(k) for k in range(20, 60)], "-vf", "setsar=4/3"),
    )
    path = tmp_path / "sizes.ts"
    path.write_bytes(b"".join(parts))
    pictures = read(path).pictures
    assert [number_of(rgb) for rgb in pictures] == list(range(60))
    assert (
        pictures[5].shape == (64, 96, 3) and pictures[15].shape == (96, 160, 3) and pictures[59].shape == (64, 128, 3)
    )


def test_an_absurd_pixel_shape_is_told_and_not_taken(tmp_path):
    path = tmp_path / "absurd.mkv"
    coded(path, [picture(k) for k in range(3)], "-vf", "setsar=100/1")
    reading = read(path)
    assert reading.size == (96, 64) and any("as square" in line for line in reading.warnings)
