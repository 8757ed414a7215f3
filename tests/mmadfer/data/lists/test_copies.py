"""One content under several names: told, and never on both sides of a fold that the project makes."""

from __future__ import annotations

import os
import shutil

import pytest

from mmadfer.data.adapters.sets import list_clips
from mmadfer.data.lists import copies
from mmadfer.data.manifest import Clip
from tests.support import made_trees as trees


def write(root, **contents):
    """Write files, __ in their names for a slash and _ for the dot of the suffix."""
    for name, content in contents.items():
        path = root / (name.replace("__", "/").replace("_", ".") if "__" in name else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def findings(listing, about="same content"):
    return [(f.kind, f.clip_id, f.detail) for f in listing.findings if f.kind.startswith(about)]


def copied(root, how, source, target):
    (root / target).parent.mkdir(parents=True, exist_ok=True)
    if how == "bytes":
        shutil.copy(root / source, root / target)
    elif how == "hard link":
        os.link(root / source, root / target)
    else:
        (root / target).symlink_to(root / source)


@pytest.mark.parametrize("how", ["bytes", "hard link", "link"])
def test_one_content_under_two_labels_is_told(tmp_path, how):
    write(tmp_path, fear__a_mp4=b"one", fear__b_mp4=b"two", anger__c_mp4=b"three")
    copied(tmp_path, how, "fear/a.mp4", "anger/d.mp4")
    listing = list_clips("folder", tmp_path)
    assert findings(listing) == [("same content under two labels", "fear/a.mp4", "fear; anger/d.mp4 is anger")]


@pytest.mark.parametrize("shape", ["{part}/{label}/{name}", "{label}/{part}/{name}"])
def test_one_content_in_training_and_test_is_told(tmp_path, shape):
    for k, (part, label) in enumerate([("train", "fear"), ("train", "anger"), ("test", "fear"), ("test", "anger")]):
        trees.text(tmp_path / shape.format(part=part, label=label, name="a.mp4"), str(k % 3))
    listing = list_clips("folder", tmp_path)
    kinds = [kind for kind, _, _ in findings(listing)]
    assert kinds == ["same content under two labels", "same content in two parts of one fold"]


def test_copies_share_a_side_of_every_fold(tmp_path):
    for label in ("anger", "fear"):
        for k in range(10):
            trees.text(tmp_path / label / f"{k}.mp4", f"{label} {k if k < 9 else 0}")
    listing = list_clips("folder", tmp_path)
    splits = {clip.clip_id: clip.splits for clip in listing.clips}
    assert splits["anger/9.mp4"] == splits["anger/0.mp4"] and len(splits["anger/0.mp4"]) == 5
    assert [kind for kind, _, _ in findings(listing)] == ["same content twice"] * 2


def test_copies_under_two_speakers_make_one_of_them(tmp_path):
    rows = [(f"{k}.mp4", ("anger", "fear")[k % 2], f"s{k % 4}") for k in range(12)]
    for name, *_ in rows:
        trees.text(tmp_path / name, name)
    shutil.copy(tmp_path / "0.mp4", tmp_path / "3.mp4")  # of s0, also under the name of s3
    trees.text(tmp_path / "labels.csv", "path,label,speaker\n" + "".join(",".join(row) + "\n" for row in rows))
    listing = list_clips("folder", tmp_path)
    splits = {clip.speaker: clip.splits for clip in listing.clips}
    assert splits["s0"] == splits["s3"] and len(splits["s0"]) == 3


def test_folders_of_the_same_pictures_are_copies(tmp_path):
    names = ["1.jpg", "2.jpg", "3.jpg"]
    for folder in ("anger/a", "fear/b"):
        trees.pictures(tmp_path / folder, names)
    trees.pictures(tmp_path / "fear/c", names)
    (tmp_path / "fear/c/2.jpg").write_bytes(trees.jpeg(77))
    listing = list_clips("folder", tmp_path)
    assert findings(listing) == [("same content under two labels", "fear/b", "fear; anger/a is anger")]


def test_spans_of_one_file_are_no_copies_but_one_recording(tmp_path):
    trees.text(tmp_path / "labels.csv", "path,label,start,end,split\na.mp4,fear,0,1,train\na.mp4,anger,1,2,test\n")
    listing = list_clips("folder", tmp_path)
    assert findings(listing) == [
        ("same content in two parts of one fold", "a.mp4@0-1", "fold 1: test (a.mp4@1-2), train (a.mp4@0-1)")
    ]


def test_missing_and_empty_files_are_no_copies(tmp_path):
    write(tmp_path, fear__a_mp4=b"", anger__b_mp4=b"")
    (tmp_path / "anger/c").mkdir()
    assert findings(list_clips("folder", tmp_path)) == []
    trees.text(tmp_path / "labels.csv", 'path,label\ngone.mp4,fear\nlost.mp4,anger\n"a\nb.mp4",anger\n')
    assert findings(list_clips("folder", tmp_path)) == []


def test_only_files_of_one_size_are_read(tmp_path, monkeypatch):
    for k in range(30):
        trees.text(tmp_path / f"{k}.mp4", "x" * (k + 1))
    trees.text(tmp_path / "a.mp4", "y" * 5)  # of the size of 4.mp4, with another start
    monkeypatch.setattr(copies, "_digest", None)  # the whole file is not read where starts differ
    read = []

    def opened(path, mode):
        read.append(path.name)
        return path.open(mode)

    monkeypatch.setattr(copies, "open", opened, raising=False)
    clips = [Clip(path.name, "fear", video=path.name) for path in sorted(tmp_path.iterdir())]
    assert copies.contents(tmp_path, clips) == [clip.video for clip in clips]
    assert sorted(read) == ["4.mp4", "a.mp4"]


@pytest.mark.parametrize("name", ["dfew", "mafw", "ferv39k", "crema_d", "ravdess"])
def test_copies_in_known_sets_are_told_and_kept(tmp_path, name):
    getattr(trees, name)(tmp_path)
    before = list_clips(name.replace("_", "-"), tmp_path)
    sources = [tmp_path / (clip.frames or clip.video) for clip in before.clips[:2]]
    if sources[0].is_dir():
        shutil.rmtree(sources[1])
        shutil.copytree(sources[0], sources[1])
    else:
        shutil.copy(*sources)
    listing = list_clips(name.replace("_", "-"), tmp_path)
    assert [clip.splits for clip in listing.clips] == [clip.splits for clip in before.clips]
    assert findings(before) == [] and findings(listing)


# --- one file named twice in a table


@pytest.mark.parametrize(
    "other", ["./a.mp4", "sub/../a.mp4", "{root}/a.mp4", "link.mp4", "linked/a.mp4", "A.MP4", "hard.mp4"]
)
def test_a_file_under_two_names_in_a_table_is_one(tmp_path, other):
    root = tmp_path / "own"
    trees.text(root / "a.mp4", "a")
    (root / "sub").mkdir()
    (root / "link.mp4").symlink_to("a.mp4")
    (root / "linked").symlink_to(".")
    os.link(root / "a.mp4", root / "hard.mp4")
    rows = f"a.mp4,anger,train\n{other.format(root=root)},{{}},{{}}\n"
    trees.text(root / "labels.csv", "path,label,split\n" + rows.format("anger", "train"))
    listing = list_clips("folder", root)
    assert [clip.clip_id for clip in listing.clips] == ["a.mp4"]
    (twice,) = (finding for finding in listing.findings if finding.kind == "listed twice")
    assert twice.clip_id == "a.mp4" and twice.detail.startswith("line 3")
    for label, part, says in (
        ("fear", "train", "is fear here and anger above"),
        ("anger", "test", "is in test here and in train above"),
    ):
        trees.text(root / "labels.csv", "path,label,split\n" + rows.format(label, part))
        with pytest.raises(ValueError, match=rf"labels\.csv, line 3: .*{says} \(line 2"):
            list_clips("folder", root)
