"""The files that `benchmarks.files` tries: how each is made, and what it holds by its maker's own knowledge."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.support.made_files import FPS, SECONDS, ffmpeg, picture, waveform, write_pictures, write_sound
from benchmarks.support.made_pictures import MATRICES, animated, exif, grey16, turned

FRAMES = round(FPS * SECONDS)
ONSETS = (0.5, 1.25)


@dataclass(frozen=True)
class Holds:
    """What a file holds."""

    numbers: tuple[int, ...] = ()
    """Of its pictures, in order."""
    fps: float = FPS
    start: float = 0.0
    """Time of its first picture, s."""
    onsets: tuple[float, ...] = ()
    """When its sound gets loud, s from the file's start."""
    shape: tuple[int, int] | None = None
    """(height, width) of its pictures, px; None where it does not matter."""


@dataclass(frozen=True)
class Case:
    """One file to try. ``holds`` None: it must be refused, or be told of, in words."""

    kind: str
    name: str
    make: Callable[[Path], object]
    holds: Holds | None


BOTH = Holds(tuple(range(FRAMES)), onsets=ONSETS)
SIGHT = Holds(tuple(range(FRAMES)))
SOUND = Holds(onsets=ONSETS)

_VIDEO = {
    "mp4": ("libx264", "mpeg4", "libx265", "mjpeg"),
    "mov": ("libx264", "mjpeg", "prores_ks", "png", "mpeg4"),
    "mkv": ("libx264", "libvpx", "libvpx-vp9", "ffv1", "mpeg4", "libtheora", "mpeg2video", "huffyuv", "rawvideo"),
    "webm": ("libvpx", "libvpx-vp9"),
    "avi": ("mpeg4", "mjpeg", "ffv1", "msmpeg4", "rawvideo", "libxvid"),
    "flv": ("flv1", "libx264"),
    "ts": ("libx264", "mpeg2video", "libx265"),
    "m2ts": ("libx264",),
    "mpg": ("mpeg1video", "mpeg2video"),
    "wmv": ("wmv2", "wmv1"),
    "ogv": ("libtheora",),
    "nut": ("ffv1", "mpeg4"),
    "3gp": ("mpeg4", "libx264"),
    "mxf": ("mpeg2video",),
    "m4v": ("libx264",),
    "f4v": ("libx264",),
}
_SOUND_OF = {"webm": "libopus", "ogv": "libvorbis", "flv": "aac", "mpg": "mp2", "wmv": "wmav2", "mxf": "pcm_s16le"}
_RAW = {
    "h264": "libx264",
    "hevc": "libx265",
    "m4v": "mpeg4",
    "mjpeg": "mjpeg",
    "y4m": "wrapped_avframe",
    "ivf": "libvpx",
}
_SOUNDS = (
    ("wav", "pcm_u8"), ("wav", "pcm_s16le"), ("wav", "pcm_s24le"), ("wav", "pcm_s32le"), ("wav", "pcm_f32le"),
    ("wav", "pcm_f64le"), ("wav", "pcm_alaw"), ("wav", "pcm_mulaw"), ("wav", "adpcm_ima_wav"), ("wav", "adpcm_ms"),
    ("flac", "flac"), ("mp3", "libmp3lame"), ("aac", "aac"), ("m4a", "aac"), ("m4a", "alac"), ("ogg", "libvorbis"),
    ("ogg", "libopus"), ("ogg", "flac"), ("opus", "libopus"), ("webm", "libopus"), ("mka", "libvorbis"),
    ("mka", "pcm_s16le"), ("mka", "flac"), ("ac3", "ac3"), ("eac3", "eac3"), ("mp2", "mp2"), ("wma", "wmav2"),
    ("aiff", "pcm_s16be"), ("caf", "pcm_s16le"), ("au", "pcm_s16be"), ("wv", "wavpack"), ("tta", "tta"),
    ("w64", "pcm_s16le"),
)  # fmt: skip
_RATES, _LAYOUTS = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 96_000, 192_000), (1, 2, 4, 6, 8)
_PICTURES = ("jpg", "png", "webp", "avif", "tiff")
_NAMES = {
    "colon": b"2026-01-02T10:30:00.mp4", "percent": b"100%03d.mp4", "hash and question": b"a#b?c.mp4",
    "line end": b"a\nb.mp4", "Latin-1": b"caf\xe9.mp4", "emoji": "\U0001f600.mp4".encode(), "dash": b"-i.mp4",
    "no suffix": b"clip", "wrong suffix": b"clip.jpg", "long": b"x" * 240 + b".mp4", "protocol": b"concat:a.mp4",
}  # fmt: skip


def sources(folder: Path) -> None:
    """Write into ``folder`` what the files are made of."""
    write_pictures(folder / "pictures.nut", range(FRAMES))
    write_sound(folder / "sound.nut", waveform())


def cases(folder: Path) -> Iterator[Case]:
    """Yield every case; `sources` must have filled ``folder``."""
    yield from _containers(folder)
    yield from _sounds(folder)
    yield from _orientations()
    yield from _stills()
    yield from _clocks(folder)
    yield from _names(folder)
    yield from _faults(folder)


def _given(folder: Path) -> tuple[str, ...]:
    return ("-i", str(folder / "pictures.nut"), "-i", str(folder / "sound.nut"))


def _containers(folder: Path) -> Iterator[Case]:
    quality = ("-q:v", "2", "-b:v", "3M", "-bf", "0")
    for suffix, codecs in _VIDEO.items():
        for codec in codecs:
            sound = _SOUND_OF.get(suffix, "aac")
            colours = {"prores_ks": "yuv422p10le", "png": "rgb24"}.get(codec, "yuv420p")
            larger = ("-s", "192x128") if codec in ("mpeg2video", "mpeg1video", "msmpeg4") else ()
            options = ("-c:v", codec, "-c:a", sound, "-pix_fmt", colours, *quality, *larger, "-strict", "-2")
            make = _run(*_given(folder), *options)
            yield Case("container and codec", f"{codec}-{sound}.{suffix}", make, BOTH)
    for suffix, codec in _RAW.items():
        for fps in (24, 30):
            make = _run(
                "-r", str(fps), "-i", str(folder / "pictures.nut"), "-pix_fmt", "yuv420p", "-c:v", codec, *quality
            )
            holds = Holds(SIGHT.numbers, fps=FPS if suffix == "mjpeg" else fps)  # which alone says nothing of its rate
            yield Case("stream without a container", f"{fps}.{suffix}", make, holds)


def _sounds(folder: Path) -> Iterator[Case]:
    given = ("-i", str(folder / "sound.nut"))
    for suffix, codec in _SOUNDS:
        options = (*given, "-c:a", codec, "-strict", "-2", *(("-b:a", "192k") if codec.startswith("lib") else ()))
        yield Case("sound and codec", f"{codec}.{suffix}", _run(*options), SOUND)
    for rate in _RATES:
        yield Case("sample rate", f"{rate}.wav", _run(*given, "-ar", str(rate)), SOUND)
    for channels in _LAYOUTS:
        yield Case("channels", f"{channels}.flac", _wide(folder, channels), SOUND)


def _orientations() -> Iterator[Case]:
    for number, matrix in enumerate(MATRICES, 1):
        for suffix in ("mp4", "mov", "mkv"):
            yield Case("display matrix", f"{number}.{suffix}", turned(matrix, number), Holds((5, 6, 7), shape=(64, 96)))
        for suffix in _PICTURES:
            yield Case("EXIF orientation", f"{number}.{suffix}", exif(number), Holds((9,), shape=(64, 96)))


def _stills() -> Iterator[Case]:
    made: dict[str, Callable[[Path], object]] = {
        "16 bits.png": grey16, "16 bits.tiff": grey16,
        "cmyk.jpg": lambda path: Image.fromarray(picture(9)).convert("CMYK").save(path, quality=95),
        "palette.png": lambda path: Image.fromarray(picture(9)).quantize(64).save(path),
        "palette.gif": lambda path: Image.fromarray(picture(9)).quantize(64).save(path),
        "alpha.png": lambda path: Image.fromarray(picture(9)).convert("RGBA").save(path),
        "alpha.webp": lambda path: Image.fromarray(picture(9)).convert("RGBA").save(path, lossless=True),
        "tiled.tiff": lambda path: Image.fromarray(picture(9)).save(path, compression="tiff_adobe_deflate"),
        "plain.bmp": lambda path: Image.fromarray(picture(9)).save(path),
        "plain.ppm": lambda path: Image.fromarray(picture(9)).save(path),
        "plain.jp2": lambda path: Image.fromarray(picture(9)).save(path),
    }  # fmt: skip
    for name, make in made.items():
        grey = name.startswith("16")
        yield Case("still picture", name, make, Holds((9,) if not grey else (-1,)))
    for suffix in ("gif", "png", "webp"):
        yield Case("animation", f"moving.{suffix}", animated, Holds(tuple(range(12)), fps=10))


def _clocks(folder: Path) -> Iterator[Case]:
    late = tuple(t + 0.7 for t in ONSETS)
    codec = ("-c:v", "mpeg4", "-q:v", "2", "-c:a", "aac", "-vsync", "passthrough")
    pictures, sound = str(folder / "pictures.nut"), str(folder / "sound.nut")
    for suffix in ("mp4", "mov", "mkv", "ts", "nut"):
        make = _run("-i", pictures, "-itsoffset", "0.7", "-i", sound, *codec)
        yield Case("late sound", f"sound.{suffix}", make, Holds(SIGHT.numbers, onsets=late))
        make = _run("-itsoffset", "0.4", "-i", pictures, "-i", sound, *codec)
        yield Case("late video", f"video.{suffix}", make, Holds(SIGHT.numbers, start=0.4, onsets=ONSETS))
        make = _run(*_given(folder), *codec, "-output_ts_offset", "50")
        yield Case("clock from 50 s", f"offset.{suffix}", make, BOTH)
    for parts in (2, 3):
        yield Case("joined recordings", f"{parts}.ts", _joined(folder, parts), _joined_holds(parts))
    yield Case(
        "pixel shape",
        "wide.mkv",
        _run("-i", pictures, "-c:v", "ffv1", "-vf", "setsar=4/3"),
        Holds(SIGHT.numbers, shape=(64, 128)),
    )
    yield Case(
        "pixel shape",
        "narrow.mp4",
        _run("-i", pictures, "-c:v", "mpeg4", "-q:v", "2", "-vf", "setsar=1/2"),
        Holds(SIGHT.numbers, shape=(64, 48)),
    )


def _names(folder: Path) -> Iterator[Case]:
    def make(path: Path) -> None:
        ffmpeg(*_given(folder), "-c:v", "mpeg4", "-q:v", "2", "-c:a", "aac", "-f", "mp4", folder / "plain.mp4")
        os.replace(folder / "plain.mp4", path)

    for name in _NAMES.values():
        yield Case("name", os.fsdecode(name), make, BOTH)


def _faults(folder: Path) -> Iterator[Case]:
    def cut(suffix: str, share: float) -> Callable[[Path], object]:
        def make(path: Path) -> None:
            whole = folder / f"whole.{suffix}"
            _run(*_given(folder), "-c:v", "mpeg4", "-c:a", "aac")(whole)
            path.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])

        return make

    def broken_picture(path: Path) -> None:
        Image.fromarray(picture(9, 960, 640)).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def bomb(path: Path) -> None:
        head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)
        path.write_bytes(head + bytes(64))

    noise = np.random.default_rng(0)
    made: dict[str, Callable[[Path], object]] = {
        "empty.mp4": lambda path: path.touch(),
        "text.mp4": lambda path: path.write_text("no film\n" * 100),
        "noise.mkv": lambda path: path.write_bytes(noise.bytes(50_000)),
        "zeros.wav": lambda path: path.write_bytes(bytes(50_000)),
        "cut.mp4": cut("mp4", 0.5),
        "cut.mov": cut("mov", 0.5),
        "list.m3u8": lambda path: path.write_text(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nwhole.mp4\n#EXT-X-ENDLIST\n"
        ),
        "list.ffconcat": lambda path: path.write_text("ffconcat version 1.0\nfile whole.mp4\n"),
        "folder.mp4": lambda path: path.mkdir(),
        "gone.mp4": lambda path: None,
        "pipe.mp4": lambda path: os.mkfifo(path),
        "loop.mp4": lambda path: path.symlink_to(path.name),
        "cut.jpg": broken_picture,
        "cut.png": broken_picture,
        "cut.webp": broken_picture,
        "bomb.png": bomb,
        "fractions.tiff": lambda path: Image.fromarray(np.full((8, 8), 3.5, np.float32)).save(path),
    }
    for name, make in made.items():
        yield Case("fault", name, make, None)


def _run(*arguments: str) -> Callable[[Path], object]:
    return lambda path: ffmpeg(*arguments, path)


def _wide(folder: Path, channels: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        source = write_sound(folder / f"{channels}.nut", waveform(channels=channels))
        ffmpeg("-i", source, path)

    return make


def _joined(folder: Path, parts: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        part = folder / "part.ts"
        ffmpeg(*_given(folder), "-c:v", "mpeg2video", "-q:v", "2", "-bf", "0", "-s", "192x128", "-c:a", "mp2", part)
        path.write_bytes(parts * part.read_bytes())

    return make


def _joined_holds(parts: int) -> Holds:
    onsets = tuple(t + SECONDS * k for k in range(parts) for t in ONSETS)
    return Holds(SIGHT.numbers * parts, onsets=onsets)
