"""Made clips of two people who walk about, from the tests' stills: each moves as a picture cut out along its head."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FPS = 15
SIZE = (360, 640)
"""Height and width of the frames, px."""


class Scene:
    """Two heads before a plain wall; the first is the larger one."""

    def __init__(self, clips: Path) -> None:
        """Args: clips: folder of the stills."""
        self.heads = [
            _head(clips / "obama.jpg", (300, 30, 680, 530), 300),
            _head(clips / "biden.jpg", (330, 120, 850, 750), 240),
        ]

    @classmethod
    def of_twins(cls, other: Scene) -> Scene:
        """Return a scene with two copies of the first head of ``other``."""
        made = cls.__new__(cls)
        made.heads = [other.heads[0]] * 2
        return made

    def frames(
        self,
        first: Sequence[float],
        second: Sequence[float],
        front: int = 0,
        gone: Mapping[int, Iterable[int]] | None = None,
    ) -> list[np.ndarray]:
        """Return RGB frames. Args: first, second: x of each head's centre in each frame, px. front: who hides whom.

        gone: for each head (0 and 1) the frames in which it is not there.
        """
        away = {who: set(frames) for who, frames in (gone or {}).items()}
        made = []
        for k, places in enumerate(zip(first, second, strict=True)):
            frame = Image.new("RGB", SIZE[::-1], (96, 104, 112))
            for who in (1 - front, front):
                if k not in away.get(who, ()):
                    head = self.heads[who]
                    frame.paste(head, (round(places[who] - head.width / 2), (SIZE[0] - head.height) // 2), head)
            made.append(np.asarray(frame))
        return made


def write_clip(frames: Sequence[np.ndarray], path: Path) -> Path:
    """Write ``frames`` as Motion JPEG, 15 a second: a file that Chromium takes for a camera, over and over."""
    with av.open(str(path), "w", format="mjpeg") as target:
        stream = target.add_stream("mjpeg", rate=FPS, options={"qscale": "4"})
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuvj420p"
        stream.codec_context.color_range = 2  # full range, which MJPEG's encoder insists on
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format="yuvj420p", dst_color_range="JPEG")
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    return path


def walk(start: float, end: float, frames: int = 60) -> list[float]:
    """Return places from ``start`` to ``end``, px, one a frame, with a rest at both ends."""
    return [*[start] * 8, *np.linspace(start, end, frames - 16), *[end] * 8] if frames > 16 else [start] * frames


def look(seed: int) -> np.ndarray:
    """Return how nobody in particular looks, as of `identities.look_of`."""
    rng = np.random.default_rng(seed)
    colors, shades = rng.random(100) ** 4, rng.normal(size=64)
    return np.concatenate([colors / np.linalg.norm(colors), shades / np.linalg.norm(shades)]).astype(np.float32)


def _head(path: Path, box: tuple[int, int, int, int], height: int) -> Image.Image:
    picture = Image.open(path).convert("RGB").crop(box)
    picture = picture.resize((round(picture.width * height / picture.height), height))
    shape = Image.new("L", picture.size, 0)
    ImageDraw.Draw(shape).ellipse((4, 2, picture.width - 4, picture.height - 2), fill=255)
    picture.putalpha(shape.filter(ImageFilter.GaussianBlur(2)))
    return picture
