"""Still and moving pictures of every kind: upright RGB of 8 bits, as Pillow and ffmpeg show them, or one sentence."""

from __future__ import annotations

import io
import shutil
import struct

import numpy as np
import pytest
from PIL import Image

from benchmarks.support.made_files import ffmpeg, number_of, picture
from mmadfer.media.media_file import open_media
from tests.support.media_judge import read

COLOUR = Image.fromarray(picture(9))
GREY = np.asarray(COLOUR.convert("L"))
WIDE = GREY.astype(np.uint16) * 257


def by_ffmpeg(pixels, codec=None):
    """Return what writes picture 9 with those pixels."""
    given = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-i", "-", "-frames:v", "1")
    coded = ("-c:v", codec) if codec else ()
    return lambda path: ffmpeg(*given, *coded, "-pix_fmt", pixels, path, data=picture(9).tobytes())


def see_through():
    image, alpha = COLOUR.convert("RGBA"), np.full((64, 96), 255, np.uint8)
    alpha[:, 48:] = 0
    image.putalpha(Image.fromarray(alpha))
    return image


def over_white(image):
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def tiff(path, tags, data):
    """Write one strip or tile as TIFF; 0 in ``tags`` stands for the place of ``data``."""
    start = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, start if value is None else value) for tag, value in tags)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data)


def tiled(path):
    """Write picture 9 as TIFF of tiles of 32 x 32 px."""
    tiles = [picture(9)[y : y + 32, x : x + 32].tobytes() for y in (0, 32) for x in (0, 32, 64)]
    entries = [(256, 3, 1, 96), (257, 3, 1, 64), (258, 3, 3, 0), (259, 3, 1, 1), (262, 3, 1, 2), (277, 3, 1, 3),
               (322, 3, 1, 32), (323, 3, 1, 32), (324, 4, 6, 0), (325, 4, 6, 0)]  # fmt: skip
    after = 8 + 2 + 12 * len(entries) + 4
    bits, offsets, sizes, data = after, after + 8, after + 32, after + 56
    places = {258: bits, 324: offsets, 325: sizes}
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    head += b"".join(struct.pack("<HHII", t, kind, n, places.get(t, v)) for t, kind, n, v in entries) + bytes(4)
    head += struct.pack("<3HH", 8, 8, 8, 0) + struct.pack("<6I", *(data + 3072 * k for k in range(6)))
    path.write_bytes(head + struct.pack("<6I", *[3072] * 6) + b"".join(tiles))


def twelve_bits(path):
    values = (GREY.astype(np.uint16) * 16 + 15).ravel()
    packed = np.stack([values[::2] >> 4, (values[::2] & 15) << 4 | values[1::2] >> 8, values[1::2] & 255], 1)
    data = packed.astype(np.uint8).tobytes()
    tiff(
        path,
        [(256, 96), (257, 64), (258, 12), (259, 1), (262, 1), (273, None), (277, 1), (278, 64), (279, len(data))],
        data,
    )


def white_is_zero(values, bits):
    def write(path):
        data = values.tobytes()
        tags = [
            (256, 96),
            (257, 64),
            (258, bits),
            (259, 1),
            (262, 0),
            (273, None),
            (277, 1),
            (278, 64),
            (279, len(data)),
        ]
        tiff(path, tags, data)

    return write


def grey(values):
    return Image.fromarray(values).convert("RGB")


STILLS = {
    # 16 bits and other depths
    "grey16.png": (lambda p: Image.fromarray(WIDE).save(p), grey(GREY)),
    "grey16.tif": (lambda p: Image.fromarray(WIDE).save(p), grey(GREY)),
    "grey16.pgm": (lambda p: Image.fromarray(WIDE).save(p), grey(GREY)),
    "grey16.jp2": (lambda p: Image.fromarray(WIDE).save(p), grey(GREY)),
    "grey16-big-endian.tif": (
        lambda p: Image.frombytes("I;16B", (96, 64), WIDE.astype(">u2").tobytes()).save(p),
        grey(GREY),
    ),
    "grey12.jp2": (by_ffmpeg("gray12", "libopenjpeg"), grey(GREY)),
    "grey12.tif": (twelve_bits, grey(GREY)),
    "grey10.pgm": (by_ffmpeg("gray10be", "pgm"), grey(GREY)),
    "white-is-zero16.tif": (white_is_zero(WIDE, 16), grey(255 - GREY)),
    "white-is-zero8.tif": (white_is_zero(GREY, 8), grey(255 - GREY)),
    "rgb48.png": (by_ffmpeg("rgb48be"), COLOUR),
    "rgba64.png": (by_ffmpeg("rgba64be"), COLOUR),
    "grey-alpha16.png": (by_ffmpeg("ya16be"), grey(GREY)),
    "grey-alpha8.png": (by_ffmpeg("ya8"), grey(GREY)),
    "rgb48.tif": (by_ffmpeg("rgb48le"), COLOUR),
    "rgba64.tif": (by_ffmpeg("rgba64le"), COLOUR),
    "rgb48.ppm": (by_ffmpeg("rgb48be"), COLOUR),
    "rgb48.jp2": (by_ffmpeg("rgb48", "libopenjpeg"), COLOUR),
    "one-bit.tif": (lambda p: COLOUR.convert("1").save(p), COLOUR.convert("1")),
    "one-bit.png": (lambda p: COLOUR.convert("1").save(p), COLOUR.convert("1")),
    "one-bit.bmp": (lambda p: COLOUR.convert("1").save(p), COLOUR.convert("1")),
    "fax.tif": (lambda p: COLOUR.convert("1").save(p, compression="group4"), COLOUR.convert("1")),
    # colours
    "cmyk.jpg": (lambda p: COLOUR.convert("CMYK").save(p, quality=100, subsampling=0), COLOUR),
    "cmyk.tif": (lambda p: COLOUR.convert("CMYK").save(p), COLOUR),
    "palette.png": (lambda p: COLOUR.quantize(16).save(p), COLOUR.quantize(16)),
    "palette.gif": (lambda p: COLOUR.quantize(16).save(p), COLOUR.quantize(16)),
    "palette.bmp": (lambda p: COLOUR.quantize(16).save(p), COLOUR.quantize(16)),
    # what is seen through
    "alpha.png": (lambda p: see_through().save(p), over_white(see_through())),
    "alpha.webp": (lambda p: see_through().save(p, lossless=True), over_white(see_through())),
    "alpha.tif": (lambda p: see_through().save(p), over_white(see_through())),
    "grey-alpha.png": (lambda p: see_through().convert("LA").save(p), over_white(see_through().convert("LA"))),
    "clear-colour.png": (lambda p: COLOUR.save(p, transparency=(40, 60, 200)), None),
    "clear-grey.png": (lambda p: COLOUR.convert("L").save(p, transparency=20), None),
    "clear-palette.png": (lambda p: COLOUR.quantize(16).save(p, transparency=bytes([128] * 16)), None),
    "clear-index.gif": (lambda p: COLOUR.quantize(16).save(p, transparency=0), None),
    # how they are laid down
    "tiled.tif": (tiled, COLOUR),
    "deflated.tif": (lambda p: COLOUR.save(p, compression="tiff_deflate"), COLOUR),
    "lzw.tif": (lambda p: COLOUR.save(p, compression="tiff_lzw"), COLOUR),
    "packbits.tif": (lambda p: COLOUR.save(p, compression="packbits"), COLOUR),
    "progressive.jpg": (lambda p: COLOUR.save(p, progressive=True, quality=100, subsampling=0), COLOUR),
    "plain.bmp": (lambda p: COLOUR.save(p), COLOUR),
    "plain.ppm": (lambda p: COLOUR.save(p), COLOUR),
    "plain.jp2": (lambda p: COLOUR.save(p), COLOUR),
    "plain.j2k": (lambda p: COLOUR.save(p), COLOUR),
    "lossless.webp": (lambda p: COLOUR.save(p, lossless=True), COLOUR),
}  # fmt: skip


@pytest.mark.parametrize("name", STILLS)
def test_stills_are_those_of_their_maker_and_of_pillow(name, tmp_path):
    path, (write, wanted) = tmp_path / name, STILLS[name]
    write(path)
    if wanted is None:
        with Image.open(path) as image:
            wanted = over_white(image)
    file = open_media(path)
    (time, rgb), *more = file.frames()
    assert (time, more, file.has_audio, rgb.dtype) == (0.0, [], False, np.uint8)
    off = np.abs(rgb.astype(int) - np.asarray(wanted.convert("RGB"))).max()
    assert off <= 3, f"off by {off} of 255"


def test_grey_of_16_bits_that_is_seen_through_is_white(tmp_path):
    Image.fromarray(WIDE).save(tmp_path / "clear.png", transparency=int(WIDE[0, 0]))
    rgb = next(open_media(tmp_path / "clear.png").frames())[1]
    assert (rgb[WIDE[0, 0] == WIDE] == 255).all() and rgb[-1, -1, 0] == GREY[-1, -1]


@pytest.mark.parametrize("name", ["grid.avif", "ten_bits.heic"])
def test_grids_and_ten_bits(name, stills):
    assert number_of(next(open_media(stills / name).frames())[1]) == 9


DELAYS = [100, 20, 0, 50, 200]
SHOWN = [0, 0.1, 0.12, 0.22, 0.27]
"""As browsers show them: a delay below 11 ms is taken as 100 ms."""


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_animations_are_films(suffix, tmp_path):
    frames = [Image.fromarray(picture(k)) for k in range(5)]
    lossless = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], duration=DELAYS, **lossless)
    reading = read(tmp_path / f"a.{suffix}")
    assert [number_of(rgb) for rgb in reading.pictures] == [0, 1, 2, 3, 4]
    assert reading.times == pytest.approx(SHOWN) and reading.seconds == pytest.approx(0.47)


def test_a_moving_avif_is_a_film(tmp_path):
    frames = [Image.fromarray(picture(k)) for k in range(4)]
    frames[0].save(tmp_path / "a.avif", save_all=True, append_images=frames[1:], duration=[100, 20, 40, 50], quality=95)
    reading = read(tmp_path / "a.avif")
    assert [number_of(rgb) for rgb in reading.pictures] == [0, 1, 2, 3]
    assert reading.times == pytest.approx([0, 0.1, 0.12, 0.16])


def test_the_picture_for_programs_without_animations_is_not_shown(tmp_path):
    frames = [Image.fromarray(picture(k)) for k in range(4)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=100, default_image=True)
    assert [number_of(rgb) for rgb in read(tmp_path / "a.png").pictures] == [1, 2, 3]


def test_of_pages_the_first_is_read_and_that_is_told(tmp_path):
    frames = [Image.fromarray(picture(k)) for k in range(3)]
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    reading = read(tmp_path / "pages.tif")
    assert [number_of(rgb) for rgb in reading.pictures] == [0]
    assert any("the first of its 3 pages" in line for line in reading.warnings)


def test_of_two_views_the_first_is_read(tmp_path):
    Image.fromarray(picture(3)).save(
        tmp_path / "two.mpo", "MPO", save_all=True, append_images=[Image.fromarray(picture(4))], quality=95
    )
    assert [number_of(rgb) for rgb in read(tmp_path / "two.mpo").pictures] == [3]


def jpeg(number, size=(96, 64), **options):
    buffer = io.BytesIO()
    Image.fromarray(picture(number, *size)).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "count"), [("film.jpg", 3), ("film.jpg", 50), ("film.mjpeg", 2), ("film.mjpeg", 50)])
def test_films_of_jpeg_pictures_are_films_whatever_they_are_called(name, count, tmp_path):
    (tmp_path / name).write_bytes(b"".join(jpeg(k) for k in range(count)))
    reading = read(tmp_path / name)
    assert [number_of(rgb) for rgb in reading.pictures] == list(range(count))
    assert reading.times == pytest.approx([k / 25 for k in range(count)])


def turned_jpeg(number):
    exif = Image.Exif()
    exif[0x0112] = 3
    buffer = io.BytesIO()
    Image.fromarray(picture(number)[::-1, ::-1]).save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


IN_ITS_HEADER = b"Exif\0\0" + jpeg(7)
PHOTOS = {
    "with another of its size": turned_jpeg(3) + jpeg(4),
    "with a smaller one": jpeg(3, (960, 640)) + jpeg(4),
    "with a film behind it": jpeg(3) + b"\0\0\0\x18ftypmp42" + bytes(500),
    "with one in its header": b"".join(
        (b"\xff\xd8\xff\xe1", (len(IN_ITS_HEADER) + 2).to_bytes(2, "big"), IN_ITS_HEADER, jpeg(3)[2:])
    ),
}


@pytest.mark.parametrize("name", PHOTOS)
def test_photos_that_hold_more_are_photos(name, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(PHOTOS[name])
    assert [number_of(rgb) for rgb in read(tmp_path / "photo.jpg").pictures] == [3]


def test_content_counts_and_not_the_name(workshop, tmp_path):
    (tmp_path / "picture.mp4").write_bytes(jpeg(5))
    assert [number_of(rgb) for rgb in read(tmp_path / "picture.mp4").pictures] == [5]
    shutil.copy(workshop.clip(".mp4", "-c:v libx264 -pix_fmt yuv420p -c:a aac"), tmp_path / "video%03d.jpg")
    assert len(read(tmp_path / "video%03d.jpg").pictures) == 50
    COLOUR.save(tmp_path / "real.png")
    shutil.move(tmp_path / "real.png", tmp_path / "named.jpg")
    assert [number_of(rgb) for rgb in read(tmp_path / "named.jpg").pictures] == [9]


def cut(write, share=0.5):
    def make(path):
        write(path)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return make


def bomb(path):
    Image.new("1", (20_000, 10_000)).save(path)


def large(path):
    return Image.fromarray(picture(9, 960, 640)).save(path)


REFUSED = {
    "cut.jpg": (cut(large), "cannot be read as a picture"),
    "cut.png": (cut(large), "cannot be read as a picture"),
    "cut.webp": (cut(large), "cannot be read as"),
    "cut.tif": (cut(large), "cannot be read as a picture"),
    "cut.bmp": (cut(large), "cannot be read as a picture"),
    "cut.avif": (cut(large), "is it damaged or cut short"),
    "cut.gif": (cut(lambda p: large(p)), "cannot be read as a picture"),
    "no-head.png": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500)), "is it damaged or cut short"),
    "bomb.png": (bomb, "could be decompression bomb"),
    "fractions.tif": (lambda p: COLOUR.convert("F").save(p), "no known black and white; save it with 8 or 16 bits"),
    "32-bits.tif": (lambda p: COLOUR.convert("I").save(p), "no known black and white; save it with 8 or 16 bits"),
    "rare.tga": (lambda p: COLOUR.save(p), "a rare kind of picture.*convert it"),
    "rare.pcx": (lambda p: COLOUR.save(p), "a rare kind of picture.*convert it"),
    "icon.ico": (lambda p: COLOUR.save(p), "a rare kind of picture.*convert it"),
    "page.pdf": (lambda p: COLOUR.save(p), "it is a document"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_whole_picture_is_refused_in_one_sentence(name, tmp_path):
    path, (write, words) = tmp_path / name, REFUSED[name]
    write(path)
    with pytest.raises(ValueError, match=words) as refused:
        list(open_media(path).frames())
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)
