"""The starter data: nobody is on both sides, and what cannot be used ends in one sentence."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from mmadfer.config import DFEW_LABELS
from mmadfer.data.adapters.starter import FACES, RATE, VOICES, read_faces, read_voices
from tests.support.made_media import tone, write_media


def faces(root, labels=(0, 1, 2, 3), split=(0, 0, 1, 2), same=(), size=12):
    images = np.random.default_rng(0).integers(0, 255, (len(labels), size, size), dtype=np.uint8)
    for first, second in same:
        images[second] = images[first]
    np.savez(root / FACES, images=images, labels=labels, split=split, classes=np.array(DFEW_LABELS))
    return root


def voices(root):
    (root / VOICES).mkdir()
    for k, actor in enumerate((1, 2, 17, 19)):
        write_media(root / VOICES / f"03-01-05-01-01-01-{actor:02d}.flac", (), tone(RATE, 0.5) * (k + 1) / 9, RATE)
    return root


def test_parts_hold_actors_of_their_own(tmp_path):
    voices(tmp_path)
    found = {part: {voice.actor for voice in read_voices(tmp_path, part)} for part in ("train", "validation", "test")}
    assert found == {"train": {1, 2}, "validation": {17}, "test": {19}}


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_photograph_in_two_parts_is_refused(tmp_path, part):
    read_faces(faces(tmp_path, same=[(0, 1)]), part)  # twice in one part
    faces(tmp_path, same=[(1, 3)])
    with pytest.raises(ValueError, match=r"faces\.npz has one photograph in two parts, train \(number 1\) and test"):
        read_faces(tmp_path, part)


def test_photographs_under_two_labels_are_counted(tmp_path, caplog):
    caplog.set_level("INFO")
    read_faces(faces(tmp_path, same=[(0, 1)]), "train")
    assert "1 photographs are there again under another label" in caplog.text


@pytest.mark.parametrize(
    "values", [{"labels": (0, 1, 2, 7)}, {"labels": (0, -1, 2, 3)}, {"split": (0, 1, 2, 3)}, {"split": (0,)}]
)
def test_faces_of_no_class_or_part_are_refused(tmp_path, values):
    with pytest.raises(ValueError, match=r"should name for each face a class from 0 to 6, and a part from 0 to 2"):
        read_faces(faces(tmp_path, **values), "train")


def test_a_voice_under_two_actors_names_is_told(tmp_path, caplog):
    folder = voices(tmp_path) / VOICES
    shutil.copy(folder / "03-01-05-01-01-01-01.flac", folder / "03-01-06-01-01-01-02.flac")  # in one part
    read_voices(tmp_path, "train")
    assert caplog.text == ""
    shutil.copy(folder / "03-01-05-01-01-01-01.flac", folder / "03-01-06-01-01-01-19.flac")
    read_voices(tmp_path, "train")
    assert "voices has one voice under the names of several actors: fold 1: test (03-01-06-01-01-01-19" in caplog.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"hello", "holds no video and no sound"),
        (None, "is not a file"),
        (np.zeros((1, 8000), np.float32), "has no voice in it: 8000 samples, the loudest 0"),
        (tone(RATE, 0.05), "has no voice in it: 800 samples"),
        (tone(48_000, 0.5), "has sound at 48000 Hz; the starter voices are at 16000 Hz"),
    ],
)
def test_a_voice_that_cannot_be_used_is_named(tmp_path, content, says):
    path = voices(tmp_path) / VOICES / "03-01-06-01-01-01-01.flac"
    if content is None:
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        write_media(path, (), content, 48_000 if content.shape[1] == 24_000 else RATE)
    with pytest.raises(ValueError, match=rf"{path} {says}") as error:
        read_voices(tmp_path, "train")
    assert "\n" not in str(error.value)


def test_missing_voices_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no voices of actors for train"):
        read_voices(tmp_path, "train")
