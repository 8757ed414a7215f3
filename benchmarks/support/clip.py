"""The real clips that the benchmarks play, as a browser would send them."""

from __future__ import annotations

import pathlib

import cv2
import numpy as np
import numpy.typing as npt

from mmadfer.media.media_file import open_media
from mmadfer.preprocess import resample

CLIPS = pathlib.Path(__file__).parents[2] / "tests" / "data" / "clips"
CLIP = CLIPS / "derived_face_jfk_6s_44k.mp4"
"""A face and a voice, 6 s."""
FPS = 15
"""Frames that a page sends, 1/s."""
QUALITY = 80
"""Of the JPEG files that a page sends."""


def jpegs(name: str, width: int = 640, height: int = 480) -> list[npt.NDArray[np.uint8]]:
    """Return a clip's frames as JPEG files of ``width`` x ``height`` px, scaled and cut to that size."""
    files = []
    for _, rgb in open_media(CLIPS / name).frames():
        scale = max(width / rgb.shape[1], height / rgb.shape[0])
        large = cv2.resize(rgb, (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)))
        left = (large.shape[1] - width) // 2
        bgr = cv2.cvtColor(large[:height, left : left + width], cv2.COLOR_RGB2BGR)
        files.append(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].astype(np.uint8, copy=False))
    return files


def sound(name: str, rate: int) -> npt.NDArray[np.float32]:
    """Return a clip's sound `(channels, samples)` at ``rate`` (Hz)."""
    file = open_media(CLIPS / name)
    return resample(np.concatenate([w for _, w in file.audio()], axis=1), file.sample_rate, rate).numpy()
