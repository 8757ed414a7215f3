"""Pictures made for checks: turned and mirrored in all eight ways, of 16 bits, and moving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from benchmarks.support.made_files import FPS, Rgb, picture
from mmadfer.media.orientation import upright

MATRICES = ((1, 0, 0, 1), (-1, 0, 0, 1), (-1, 0, 0, -1), (1, 0, 0, -1),
             (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0), (0, -1, 1, 0))  # fmt: skip
"""a, b, c, d of the eight display matrices, in the order of EXIF's numbers."""
_INVERSE = (1, 2, 3, 4, 5, 8, 7, 6)


def stored(number: int, orientation: int) -> Rgb:
    """Return picture ``number`` as a camera stores it that notes this ``orientation``, as EXIF numbers it."""
    return np.ascontiguousarray(upright(picture(number), _INVERSE[orientation - 1]))


def turned(matrix: tuple[int, int, int, int], orientation: int) -> Callable[[Path], object]:
    """Return what writes pictures 5 to 7 as a video, turned and mirrored, with the ``matrix`` that undoes it."""
    a, b, c, d = (value * 65536 for value in matrix)

    def make(path: Path) -> None:
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("mpeg4", rate=FPS)
            first = stored(5, orientation)
            stream.height, stream.width = first.shape[:2]
            stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
            for number in (5, 6, 7):
                frame = av.VideoFrame.from_ndarray(stored(number, orientation), format="rgb24")
                container.mux(stream.encode(frame.reformat(format="yuv420p")))
            container.mux(stream.encode())

    return make


def exif(orientation: int) -> Callable[[Path], object]:
    """Return what writes picture 9, turned and mirrored, with the EXIF number that undoes it."""

    def make(path: Path) -> None:
        tags = Image.Exif()
        tags[0x0112] = orientation
        Image.fromarray(stored(9, orientation)).save(path, exif=tags, quality=95)

    return make


def grey16(path: Path) -> None:
    """Write picture 9 in grey of 16 bits."""
    grey = np.asarray(Image.fromarray(picture(9)).convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(path)


def animated(path: Path) -> None:
    """Write twelve pictures, each shown for 0.1 s."""
    frames = [Image.fromarray(picture(k)) for k in range(12)]
    options: dict[str, Any] = {"lossless": True} if path.suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, **options)
