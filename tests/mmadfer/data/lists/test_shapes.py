"""The shapes in which people keep clips in folders, and those that could be read in two ways."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from mmadfer.data.adapters.sets import list_clips
from mmadfer.data.lists.part_names import may_be_part, part_of
from tests.support import made_trees as trees
from train.prepare import main as prepare

LABELS = ("happiness", "anger")


def made(root, names):
    """Write a video, or a folder of pictures where a name has no suffix, for each name; all differ."""
    for k, name in enumerate(names):
        if "." in name.rpartition("/")[2]:
            trees.text(root / name, name)
        else:
            trees.pictures(root / name, ["1.jpg", "2.jpg"])
            (root / name / "3.jpg").write_bytes(trees.jpeg(k))
    return root


def grid(*levels):
    """Return all paths through ``levels`` of names, with a video of a name of its own at the end of each."""
    paths = [""]
    for names in levels:
        paths = [f"{path}{name}/" for path in paths for name in names]
    return [f"{path}{k}.mp4" for k, path in enumerate(paths)]


def found(listing):
    return {clip.clip_id: (clip.label, clip.splits.get("1", ""), clip.speaker) for clip in listing.clips}


def said(listing, kind):
    return [(finding.clip_id, finding.detail) for finding in listing.findings if finding.kind == kind]


EMOTIONS, CUSTOM = ("Happy", "anger"), ("bored", "awake")
PARTS = ("train", "test")


@pytest.mark.parametrize("wrapped", ["", "my clips/", "a/b/"])
@pytest.mark.parametrize("classes", [EMOTIONS, CUSTOM])
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("{label}/{k}.mp4", "class/clip"),
        ("{part}/{label}/{k}.mp4", "part/class/clip"),
        ("{label}/{part}/{k}.mp4", "class/part/clip"),
        ("{label}/{speaker}/{k}.mp4", "class/speaker/clip"),
        ("{part}/{label}/{speaker}/{k}.mp4", "part/class/speaker/clip"),
        ("{label}/{part}/{speaker}/{k}.mp4", "class/part/speaker/clip"),
        ("{label}/clip{k}", "class/clip"),
        ("{part}/{label}/clip{k}", "part/class/clip"),
        ("{label}/{part}/clip{k}", "class/part/clip"),
        ("{label}/{speaker}/clip{k}", "class/speaker/clip"),
    ],
)
def test_usual_shapes_are_read(tmp_path, shape, words, classes, wrapped):
    cases = [(part, label, speaker) for part in PARTS for label in classes for speaker in ("Ann", "Ben", "Cem")]
    names = {
        wrapped + shape.format(part=part, label=label, speaker=speaker, k=k): (part, label, speaker)
        for k, (part, label, speaker) in enumerate(cases)
    }
    listing = list_clips("folder", made(tmp_path, names))
    expected = {
        name: (
            label.lower().replace("happy", "happiness"),
            part if "{part}" in shape else listing.clips[0].splits and found(listing)[name][1],
            speaker if "{speaker}" in shape else "",
        )
        for name, (part, label, speaker) in names.items()
    }
    assert found(listing) == expected
    if wrapped or words != "class/clip":
        ((_, detail),) = said(listing, "shape of the folders")
        assert detail == f"read as {'.../' * wrapped.count('/')}{words}"
    assert [where for _, where in said(listing, "wrapping folder")] == (
        [f"{wrapped} holds everything and is no class"] if wrapped else []
    )
    together = {}  # speakers that folders name are kept apart as those of a table
    for clip in listing.clips if words == "class/speaker/clip" else ():
        assert together.setdefault(clip.speaker, clip.splits) == clip.splits and clip.splits


@pytest.mark.parametrize("shape", [("Ann", "Ben", "Cem"), ("actor_01", "actor_02"), ("speaker 1", "speaker 2")])
@pytest.mark.parametrize("classes", [EMOTIONS, CUSTOM])
def test_classes_inside_of_speakers_are_classes(tmp_path, shape, classes):
    if shape[0] == "Ann" and classes == CUSTOM:
        return  # nothing tells them apart: the outer folders are the classes, and the report says so
    listing = list_clips("folder", made(tmp_path, grid(shape, classes)))
    assert {clip.speaker for clip in listing.clips} == set(shape) and len(listing.labels) == 2
    assert said(listing, "shape of the folders") == [("", "read as speaker/class/clip")]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *(
            (name, "train")
            for name in ("train", "Train", "TRAINING", "train_set", "01_train", "trainset", "Train Data")
        ),
        *((name, "validation") for name in ("val", "Valid", "validation", "DEV", "dev-set", "validation videos")),
        *((name, "test") for name in ("test", "Testing", "TEST", "testset", "02 test", "test_clips")),
    ],
)
def test_parts_are_known_by_many_names(tmp_path, name, part):
    other = "test" if part == "train" else "train"
    listing = list_clips("folder", made(tmp_path, grid((name, other), EMOTIONS)))
    assert listing.labels == LABELS
    assert {clip.splits["1"] for clip in listing.clips if clip.clip_id.startswith(f"{name}/")} == {part}


@pytest.mark.parametrize("name", ["trained", "attest", "valley", "device", "tester", "happiness", "training day"])
def test_words_that_are_like_parts_are_none(name):
    assert part_of(name) is None and not may_be_part(name)


@pytest.mark.parametrize(
    "names", [("train", "eval"), ("Evaluation",), ("fold1", "fold2"), ("split_1", "split_2"), ("trainval", "test")]
)
def test_names_that_may_be_parts_are_refused(tmp_path, names):
    with pytest.raises(ValueError, match="which may be a part of a split; call parts train, validation, test, or list"):
        list_clips("folder", made(tmp_path, grid(names, EMOTIONS)))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["train/happy/a.mp4", "sad/b.mp4"], "do not name their part .* at one level"),
        (["train/happy/a.mp4", "sad/test/b.mp4"], "do not name their part"),
        (["train/test/happy/a.mp4", "train/test/sad/b.mp4"], "a part in one of a part"),
        (["happy/a.mp4", "Ann/sad/b.mp4"], "do not name their class at one level"),
        (["x/happy/a.mp4", "y/funny/b.mp4"], "do not name their class at one level"),
        (["Actor_01/a.mp4", "Actor_02/b.mp4"], "has folders for speakers .* and none for classes"),
    ],
)
def test_mixed_shapes_are_refused_in_one_sentence(tmp_path, names, says):
    with pytest.raises(ValueError, match=rf"{tmp_path} .*{says}.*labels\.csv") as error:
        list_clips("folder", made(tmp_path, names))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "names", [["train/a.mp4", "test/b.mp4"], ["a.mp4", "b.mp4"], ["happy", "sad"], ["train/happy", "test/sad"]]
)
def test_clips_in_no_class_are_no_classes(tmp_path, names):
    """Neither parts nor folders full of single pictures become classes without a word."""
    with pytest.raises(ValueError, match=r"holds no labelled videos.*; (in no class's folder|pictures of no clip): "):
        list_clips("folder", made(tmp_path, names))


def test_whatever_lies_beside_the_clips_is_named(tmp_path):
    made(tmp_path, ["happy/a.mp4", "happy/clip1", "anger/Ann/c.mp4", "lost.mp4"])
    for name in ("happy/cover.jpg", "anger/Ann/thumb.png", "read.me", "anger/c.wav", "happy/.hidden.mp4"):
        trees.text(tmp_path / name, "")
    (tmp_path / "fear").mkdir()
    (tmp_path / "sad.mp4").symlink_to("nowhere")
    listing = list_clips("folder", tmp_path)
    assert sorted(found(listing)) == ["anger/Ann/c.mp4", "happy/a.mp4", "happy/clip1"]
    assert said(listing, "in no class's folder") == [("lost.mp4", "left alone")]
    assert said(listing, "no video") == [("anger/c.wav", "left alone"), ("read.me", "left alone")]
    assert [name for name, _ in said(listing, "pictures of no clip")] == ["anger/Ann", "happy"]
    assert said(listing, "empty class") == [("", "fear/ holds no video")]
    assert said(listing, "hidden") == [("happy/.hidden.mp4", "left alone")]
    assert said(listing, "not walked") == [("sad.mp4", "a link to nothing")]


def test_folders_that_may_be_no_speakers_are_named(tmp_path):
    """Each has a class of its own, or some clips lie beside them."""
    listing = list_clips("folder", made(tmp_path / "a", grid(("happy",), ("x", "y")) + grid(("anger",), ("z",))))
    assert said(listing, "folders not understood")[0][1].startswith("x, y, z: they are not taken for speakers")
    assert {clip.speaker for clip in listing.clips} == {""}
    names = [*grid(EMOTIONS, ("Ann", "Ben")), "happy/alone.mp4"]
    listing = list_clips("folder", made(tmp_path / "b", names))
    assert said(listing, "folders not understood") and {clip.speaker for clip in listing.clips} == {""}


@contextlib.contextmanager
def bound_by_permissions():
    """Be a user whom permissions bind; to root they would mean nothing."""
    was = os.geteuid()
    try:
        if was == 0:
            os.seteuid(65_534)
        yield
    finally:
        os.seteuid(was)


def test_folders_and_files_that_may_not_be_read_are_named():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are root's alone
        root = Path(folder)
        root.chmod(0o755)
        made(root, ["happy/a.mp4", "sad/b.mp4", "sad/locked/c.mp4", "fear/d.mp4", "happy/e.mp4"])
        for name in ("sad/locked", "fear", "happy/e.mp4"):
            (root / name).chmod(0)
        try:
            with bound_by_permissions():
                listing = list_clips("folder", root)
        finally:
            for name in ("sad/locked", "fear"):
                (root / name).chmod(0o755)
    assert sorted(found(listing)) == ["happy/a.mp4", "happy/e.mp4", "sad/b.mp4"]  # e.mp4 is named where it is opened
    assert said(listing, "not walked") == [
        ("fear", "cannot be opened (Permission denied)"),
        ("sad/locked", "cannot be opened (Permission denied)"),
    ]


def test_a_set_prepared_inside_of_the_folder_is_no_part_of_it(tmp_path):
    made(tmp_path, ["happy/a", "sad/b"])
    before = list_clips("folder", tmp_path)
    arguments = ["folder", str(tmp_path), "--out", str(tmp_path / "prepared"), "--workers", "1"]
    assert prepare([*arguments]) == 0 and prepare([*arguments]) == 0
    assert list_clips("folder", tmp_path) == before


def test_one_class_alone_is_told(tmp_path):
    listing = list_clips("folder", made(tmp_path, ["bored/a.mp4", "bored/b.mp4"]))
    assert said(listing, "only one class") == [("", "bored: there is nothing to tell it from")]


def test_links_to_folders_are_followed_once(tmp_path):
    made(tmp_path / "far", ["a.mp4", "b.mp4"])
    made(tmp_path / "own", ["happy/c.mp4", "anger/d.mp4"])
    (tmp_path / "own/happy/far").symlink_to(tmp_path / "far")
    (tmp_path / "own/happy/loop").symlink_to(tmp_path / "own")
    (tmp_path / "own/sad").symlink_to("anger")
    listing = list_clips("folder", tmp_path / "own")
    assert sorted(found(listing)) == ["anger/d.mp4", "happy/c.mp4", "happy/far/a.mp4", "happy/far/b.mp4"]
    assert {name: reason.partition(" ")[0] for name, reason in said(listing, "not walked")} == {
        "happy/loop": "the", "sad": "the",
    }  # fmt: skip


def test_forms_of_unicode_do_not_make_two_classes(tmp_path):
    listing = list_clips("folder", made(tmp_path, ["fröhlich/a.mp4", "fro\u0308hlich/b.mp4", "ernst/c.mp4"]))
    assert listing.labels == ("ernst", "fröhlich")
