"""Clips made of real photographs and real speech, as distributed and as prepared, for the data path's benchmark."""

from __future__ import annotations

import wave
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.support.clip import CLIPS, sound
from benchmarks.support.official_pipeline import OfficialClip
from mmadfer.config import DFEW_LABELS
from mmadfer.data.manifest import Clip
from mmadfer.data.prepared import PreparedSet, PreparedSettings
from mmadfer.data.shards import PackedClip, start_set, whole_log_mel, write_index, write_shard

PHOTOS = ("obama.jpg", "biden.jpg", "pyfeat_single_face.jpg")
FPS = 25
FRAMES = (42, 124)
"""Fewest and most frames of a clip: the 10th and 90th percentile of DFEW's."""
RATE = 44_100
"""Of the sound, stereo, Hz: that of DFEW's sources."""
SIDE = 224
"""Of the frames as distributed and as prepared, px."""
QUALITY = 95


def made_clips(folder: Path, count: int, seed: int = 0) -> tuple[list[OfficialClip], PreparedSet]:
    """Write ``count`` clips into ``folder`` both ways, with the same bytes of JPEG, and return both."""
    rng = np.random.default_rng(seed)
    photos = [_read(CLIPS / name) for name in PHOTOS]
    speech = sound("jfk.flac", RATE)
    official, packed = [], []
    for number in range(count):
        jpegs = _moving(photos[number % len(photos)], int(rng.integers(FRAMES[0], FRAMES[1] + 1)), rng)
        samples = len(jpegs) * RATE // FPS
        start = int(rng.integers(speech.shape[1] - samples))
        pcm = (np.repeat(speech[:1, start : start + samples], 2, axis=0) * 32767).astype("<i2")
        frames, wav = folder / f"{number:05d}", folder / f"{number:05d}.wav"
        frames.mkdir(parents=True)
        for position, data in enumerate(jpegs):
            (frames / f"{number:05d}_{position + 1:05d}.jpg").write_bytes(data)
        write_wav(wav, pcm, RATE)
        label = number % len(DFEW_LABELS)
        official.append(OfficialClip(frames, wav, label))
        clip = Clip(frames.name, DFEW_LABELS[label], {"1": "train"})
        packed.append(PackedClip(clip, jpegs, whole_log_mel(pcm.astype(np.float32) / 32768, RATE), RATE, FPS))
    start_set(folder / "prepared", PreparedSettings("made", DFEW_LABELS, image_size=SIDE))
    write_index(folder / "prepared", write_shard(folder / "prepared", 0, packed))
    return official, PreparedSet(folder / "prepared")


def _read(path: Path) -> npt.NDArray[np.uint8]:
    photo = cv2.imread(str(path))
    if photo is None:
        raise FileNotFoundError(f"{path} is missing; it comes with the repository")
    scale = 1.5 * SIDE / min(photo.shape[:2])
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _moving(photo: npt.NDArray[np.uint8], frames: int, rng: np.random.Generator) -> list[bytes]:
    """Return a walk over ``photo`` as JPEG bytes."""
    room = np.array(photo.shape[:2]) - SIDE
    corner = rng.uniform(0, room)
    jpegs = []
    for _ in range(frames):
        corner = np.clip(corner + rng.normal(0, 3, 2), 0, room)
        top, left = corner.astype(int)
        cut = photo[top : top + SIDE, left : left + SIDE]
        jpegs.append(cv2.imencode(".jpg", cut, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
    return jpegs


def write_wav(path: Path, pcm: npt.NDArray[np.int16], rate: int) -> None:
    """Write ``pcm`` `(channels, samples)` at ``rate`` (Hz) as a WAV file of 16 bit."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(pcm))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(pcm.T, dtype="<i2").tobytes())
