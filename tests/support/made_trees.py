"""Tiny trees in the layouts in which the data sets are distributed, made from the clips of `tests/data`."""

from __future__ import annotations

import hashlib
import io
import os
import wave
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.places import CLIPS

FACE = CLIPS / "pyfeat_single_face.mp4"
"""72 frames with a face, sound at 44.1 kHz."""
SIGN = CLIPS / "derived_asl_sorry_jfk_2s_48k.mp4"
"""73 frames with a small face, sound at 48 kHz."""
MUTE = CLIPS / "intel_asl_yes.mkv"
"""65 frames with a small face, no sound."""
NO_FACE = CLIPS / "pyfeat_no_face.mp4"


def put(source: Path, target: Path) -> Path:
    """Copy a file, its folders made; a box or element that readers skip makes its bytes differ from other copies'."""
    target.parent.mkdir(parents=True, exist_ok=True)
    own = hashlib.sha256(os.fsencode(target)).digest()
    tails = {".mp4": b"\0\0\0\x28free" + own, ".mkv": b"\xec\xa0" + own}
    target.write_bytes(source.read_bytes() + tails.get(source.suffix, b""))
    return target


def jpeg(value: int, size: tuple[int, int] = (224, 224), form: str = "JPEG") -> bytes:
    """Return a picture of one grey as a file's bytes, told apart by its value."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), value, dtype=np.uint8)).save(buffer, form)
    return buffer.getvalue()


def pictures(folder: Path, names: list[str], size: tuple[int, int] = (224, 224)) -> Path:
    """Write one picture a name into ``folder``: the k-th of the grey 10 k."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        form = "PNG" if name.endswith(".png") else "JPEG"
        (folder / name).write_bytes(jpeg(10 * (k % 25), size, form))
    return folder


def text(path: Path, content: str) -> Path:
    """Write a text file, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def wave_file(path: Path, samples: np.ndarray) -> Path:
    """Write ``samples`` in [-1, 1] as a mono file of 16 kHz, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    return path


def dfew(root: Path, first: int = 1, folds: str = "12") -> Path:
    """Make DFEW with four clips in unpadded videos and padded folders; labels count from ``first``."""
    for number, frames in ((1, 20), (2, 12), (13, 16), (14, 18)):
        pictures(
            root / "Clip/clip_224x224" / f"{number:05d}", [f"{number:05d}_{k:05d}.jpg" for k in range(1, frames + 1)]
        )
        put(FACE, root / "Clip/original" / f"{number}.mp4")
    for fold in folds:
        train, test = ([(1, 0), (2, 3)], [(13, 6), (14, 0)]) if fold == "1" else ([(13, 6), (14, 0)], [(1, 0), (2, 3)])
        for part, rows in (("train", train), ("test", test)):
            lines = "".join(f"{number},{label + first}\n" for number, label in rows)
            text(root / f"EmoLabel_DataSplit/{part}(single-labeled)/set_{fold}.csv", "video_name,label\n" + lines)
    return root


def mafw(root: Path, faces: bool = True, counts: bool = False) -> Path:
    """Make MAFW with three clips; with face crops named 0.jpg ... where ``faces``, counts in the lists if asked for."""
    for number, label_frames in ((25, 12), (26, 11), (300, 5)):
        put(FACE if number != 26 else MUTE, root / "data/clips" / f"{number:05d}.mp4")
        if faces:
            pictures(root / "data/faces" / f"{number:05d}", [f"{k}.jpg" for k in range(label_frames)])
    count = (lambda n: f" {n}") if counts else (lambda n: "")
    lists = root / "Train & Test Set/single/no_caption/set_1"
    text(lists / "train.txt", f"00025.mp4{count(11)} anger\n00026.mp4{count(10)} helplessness\n")
    text(lists / "test.txt", f"00300.mp4{count(9)} disappointment\n")
    return root


def ferv39k(root: Path) -> Path:
    """Make FERV39k with three clips, two to train and one to test."""
    for name, frames in (("Action/Angry/0001", 20), ("Action/Happy/0002", 8), ("Daily/Sad/0001", 16)):
        pictures(root / "2_ClipsforFaceCrop" / name, [f"{k:04d}.jpg" for k in range(frames)], (112, 112))
    text(root / "4_setups/All_scenes/train_All.csv", "Action/Angry/0001 Angry\nAction/Happy/0002 Happy\n")
    text(root / "4_setups/All_scenes/test_All.csv", "Daily/Sad/0001 Sad\n")
    return root


def crema_d(root: Path) -> Path:
    """Make CREMA-D with two speakers; one clip has no wave file, one wave file has no clip."""
    for speaker, emotion in ((1001, "ANG"), (1002, "HAP"), (1002, "NEU")):
        put(FACE, root / "VideoFlash" / f"{speaker}_DFA_{emotion}_XX.flv")
    for speaker, emotion in ((1001, "ANG"), (1002, "HAP"), (1002, "SAD")):
        wave_file(root / "AudioWAV" / f"{speaker}_DFA_{emotion}_XX.wav", np.sin(np.arange(16_000) / 5))
    return root


def ravdess(root: Path) -> Path:
    """Make RAVDESS with two actors: a clip with its sound, the same without, and one whose sound is apart."""
    put(FACE, root / "Actor_01/01-01-03-01-01-01-01.mp4")
    put(FACE, root / "Actor_01/02-01-03-01-01-01-01.mp4")
    put(MUTE, root / "Actor_02/02-01-02-01-01-01-02.mp4")
    put(CLIPS / "jfk.flac", root / "Actor_02/03-01-02-01-01-01-02.flac")
    return root


def own_folder(root: Path) -> Path:
    """Make a user's folder of four clips in two classes, with a folder for each class."""
    put(FACE, root / "Happy/a.mp4")
    put(SIGN, root / "Happy/b.mp4")
    put(FACE, root / "anger/c.mp4")
    put(MUTE, root / "anger/d.mkv")
    return root


def crops_folder(root: Path, clips: int, frames: int = 4, size: int = 64) -> Path:
    """Make a user's folder of face crops, quick to pack: two classes in turn."""
    for k in range(clips):
        label = ("anger", "fear")[k % 2]
        pictures(root / label / f"{k:03d}", [f"{i}.jpg" for i in range(frames)], (size, size))
    return root
