"""Still and animated pictures, read by Pillow: upright RGB of 8 bits whatever they were stored as."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from mmadfer.files.names import shown
from mmadfer.media.orientation import UPRIGHT, upright

_log = logging.getLogger(__name__)

FORMATS = ("AVIF", "BMP", "DIB", "GIF", "HEIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
"""What is read, by Pillow's names; its other readers include one that takes MPEG videos for pictures."""
_ANIMATED = ("AVIF", "GIF", "PNG", "WEBP")
"""In other formats further pictures are pages, thumbnails or the other eye's view, and not a film."""
_STILL_SECONDS = 0.04
_DEFAULT_DELAY, _SHORTEST_DELAY = 0.1, 0.011
"""Browsers show pictures of an animation with a delay below the second, s, for the first."""
_ORIENTATION, _BITS_PER_SAMPLE, _PHOTOMETRIC = 274, 258, 262
"""Tags of TIFF and EXIF."""
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
"""What Pillow raises on damaged files; it calls a broken PNG a SyntaxError."""

with contextlib.suppress(ImportError):  # without it, photos of phones (HEIC) are refused in words
    import pi_heif

    pi_heif.register_heif_opener()


@dataclass(frozen=True)
class Picture:
    """A picture file, opened and understood, but not decoded."""

    source: str | os.PathLike[str]
    format: str
    """Pillow's name of it."""
    frames: int
    """1 for a still; of an animation the number of its pictures."""
    first: int = 0
    """Number of the first that is shown; PNG may hold one for programs that do not know animations."""

    def read(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (time in s, `(height, width, 3)` uint8), upright. Raises ValueError in one sentence where damaged."""
        time = 0.0
        with _refusing(self.source), _opened(self.source) as image:
            for index in range(self.first, self.first + self.frames):
                if index:
                    image.seek(index)
                yield time, to_rgb(image)
                time += _delay(image)

    @property
    def seconds(self) -> float:
        """Length, s; of a still one frame of a video."""
        if self.frames == 1:
            return _STILL_SECONDS
        total = 0.0
        with _refusing(self.source), _opened(self.source) as image:
            for index in range(self.first, self.first + self.frames):
                image.seek(index)
                image.load()  # some formats know the delay only then
                total += _delay(image)
        return total


def open_picture(path: str | os.PathLike[str]) -> Picture | None:
    """Return the picture in ``path``; None where the file is none that Pillow knows, by its content and not its name.

    Raises OSError where it cannot be read, ValueError in one sentence where it is too large or damaged.
    """
    with open(path, "rb") as file:
        head = file.read(32)
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftyphevc") and "HEIF" not in _formats():
        raise ValueError(f"{shown(path)} is a HEIC picture: pip install pi-heif, or save it as JPEG")
    try:
        with _opened(path) as image:
            count = getattr(image, "n_frames", 1)
            if image.format == "TIFF" and count > 1:
                _log.warning("%s: the first of its %d pages is read", shown(path), count)
            if image.format not in _ANIMATED:
                return Picture(path, image.format or "", 1)
            hidden = int(count > 1 and getattr(image, "default_image", False))
            return Picture(path, image.format, count - hidden, hidden)
    except UnidentifiedImageError:
        return None
    except UNREADABLE as error:
        raise _sentence(path, error) from error


def read_picture(source: str | os.PathLike[str] | BinaryIO) -> np.ndarray:
    """Return the (first) picture in ``source`` as `(height, width, 3)` uint8, upright.

    Raises ValueError in one sentence where it is damaged, too large, or no picture.
    """
    with _refusing(source), _opened(source) as image:
        return to_rgb(image)


def to_rgb(image: Image.Image) -> np.ndarray:
    """Return an opened picture as `(height, width, 3)` uint8, upright, of any mode; see-through parts become white.

    Raises ValueError where its numbers have no known black and white.
    """
    image.load()
    orientation = orientation_of(image)
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        raise ValueError("its numbers have no known black and white; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        rgb = np.repeat(_from_wide(image)[..., None], 3, axis=2)
    else:
        rgb = np.asarray(_over_white(image) if image.has_transparency_data else image.convert("RGB"))
    return np.ascontiguousarray(upright(rgb, orientation))


def orientation_of(image: Image.Image) -> int:
    """Return EXIF's orientation of an opened picture, 1 to 8; 1 where it says none or nonsense."""
    try:
        value = image.getexif().get(_ORIENTATION, UPRIGHT)
    except UNREADABLE:  # damaged EXIF is no reason to refuse a picture that can be seen
        return UPRIGHT
    return value if value in range(1, 9) else UPRIGHT


def _from_wide(image: Image.Image) -> np.ndarray:
    """Return grey of 16 bits, which Pillow keeps in several types, as 8 bits."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise ValueError("its numbers go beyond 16 bits; save it with 8 or 16 bits")
    if image.format == "TIFF":
        values = _as_tiff_means(image, values)
    grey = (values >> 8).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return grey


def _as_tiff_means(image: Image.Image, values: np.ndarray) -> np.ndarray:
    """Return grey of up to 16 bits as of 16, with white as the greatest number; Pillow passes both by."""
    tags = getattr(image, "tag_v2", {})
    bits = max(tags.get(_BITS_PER_SAMPLE, (16,)))
    values = values << (16 - bits) if bits < 16 else values
    return 0xFFFF - values if tags.get(_PHOTOMETRIC) == 0 else values


def _over_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _delay(image: Image.Image) -> float:
    """Return how long the picture in hand is shown, s."""
    seconds = float(image.info.get("duration", 0)) / 1000
    return seconds if seconds >= _SHORTEST_DELAY else _DEFAULT_DELAY


def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextlib.contextmanager
def _opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large pictures, and of odd but harmless metadata
        with Image.open(source, formats=_formats()) as image:
            yield image


@contextlib.contextmanager
def _refusing(source: str | os.PathLike[str] | BinaryIO) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise _sentence(source, error) from error


def _sentence(source: str | os.PathLike[str] | BinaryIO, error: Exception) -> ValueError:
    name = shown(source) if isinstance(source, str | os.PathLike) else "the picture"
    return ValueError(f"{name} cannot be read as a picture ({error}); is it damaged or cut short?")
