from __future__ import annotations

import pytest

from mmadfer.data.lists.folds import by_class, by_speaker
from mmadfer.data.lists.labels import canonical, in_order, likely_misspelling
from mmadfer.data.lists.listing import ClipLists, natural
from mmadfer.data.manifest import Clip, read_manifest, write_manifest
from mmadfer.files.whole import WholeFile


def test_clips_come_back_from_a_manifest(tmp_path):
    clips = [
        Clip("00001", "anger", {"1": "train", "2": "test"}, frames="Clip/00001", video="1.mp4", audio="1.mp4"),
        Clip("ü #2", "fear", {}, video="a b.mp4", start=0.5, end=2.25, speaker="1001"),
    ]
    write_manifest(clips, tmp_path / "manifest.jsonl")
    assert read_manifest(tmp_path / "manifest.jsonl") == clips
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"clip_id": "", "label": "anger"}, "id"),
        ({"clip_id": "a", "label": ""}, "label"),
        ({"clip_id": "a", "label": "anger", "splits": {"1": "tarin"}}, "train, validation, test, got tarin"),
        ({"clip_id": "a", "label": "anger", "start": 2.0, "end": 1.0}, "end after it"),
    ],
)
def test_clips_are_checked(values, says):
    with pytest.raises(ValueError, match=says):
        Clip(**values)


def test_a_wrong_line_of_a_manifest_is_named(tmp_path):
    write_manifest([Clip("a", "anger")], tmp_path / "m.jsonl")
    with open(tmp_path / "m.jsonl", "a") as file:
        file.write('{"clip_id": "b"}\n')
    with pytest.raises(ValueError, match=r"m\.jsonl, line 2 is no clip"):
        read_manifest(tmp_path / "m.jsonl")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(RuntimeError), WholeFile(tmp_path / "a") as file:
        file.write(b"new")
        raise RuntimeError
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_names_sort_by_their_numbers():
    names = ["10.jpg", "9.jpg", "00001_00010.jpg", "00001_00009.jpg", "1.jpg", "a.jpg"]
    assert sorted(names, key=natural) == ["1.jpg", "00001_00009.jpg", "00001_00010.jpg", "9.jpg", "10.jpg", "a.jpg"]


def test_labels_have_one_name_and_one_order():
    assert [canonical(name) for name in ("Happy", " SAD ", "Surprised", "Calm", "no  idea")] == [
        "happiness", "sadness", "surprise", "calm", "no idea",
    ]  # fmt: skip
    assert in_order(["calm", "fear", "contempt", "anger", "happiness", "anger"]) == (
        "happiness", "anger", "fear", "contempt", "calm",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "pair"),
    [
        (["hapiness", "anger"], ("hapiness", "happiness")),
        (["boredom", "bordeom"], ("bordeom", "boredom")),
        (["class 1", "class 2", "happiness", "calm", "boredom"], None),
    ],
)
def test_likely_misspellings_are_seen(labels, pair):
    found = likely_misspelling(labels)
    assert found == pair or (found is not None and pair is not None and set(found) == set(pair))


def test_lists_that_contradict_each_other():
    lists = ClipLists()
    for line in (
        ("a", "anger", "1", "train"),
        ("a", "anger", "1", "train"),  # twice
        ("b", "anger", "1", "train"),
        ("b", "anger", "1", "test"),  # trained and tested on
        ("c", "anger", "1", "train"),
        ("c", "fear", "2", "train"),  # of two classes
        ("c", "fear", "2", "train"),
        ("d", "fear", "1", "train"),
        ("d", "fear", "2", "test"),
    ):
        lists.add(*line)
    clips = lists.clips(Clip)
    assert {clip.clip_id: clip.splits for clip in clips} == {
        "a": {"1": "train"},
        "b": {"1": "test"},
        "d": {"1": "train", "2": "test"},
    }
    assert [(f.kind, f.clip_id, f.left_out) for f in lists.findings] == [
        ("listed twice", "a", False),
        ("in two parts of one fold", "b", False),
        ("contradicting labels", "c", True),
    ]


@pytest.mark.parametrize(("speakers", "folds"), [(91, 5), (24, 5), (5, 5), (2, 2), (1, 0)])
def test_no_speaker_is_on_both_sides_of_a_fold(speakers, folds):
    clips = [Clip(f"{k}", "anger", speaker=str(1000 + k % speakers)) for k in range(3 * speakers)]
    split = by_speaker(clips)
    assert {fold for clip in split for fold in clip.splits} == {str(k + 1) for k in range(folds)}
    for fold in map(str, range(1, folds + 1)):
        sides = {part: {clip.speaker for clip in split if clip.splits[fold] == part} for part in ("train", "test")}
        assert not sides["train"] & sides["test"]
        assert abs(len(sides["test"]) - speakers / folds) < 1
    tests = [sum(part == "test" for part in clip.splits.values()) for clip in split]
    assert set(tests) == {1 if folds else 0}, "every clip is tested on once"


def test_folds_by_class_test_each_class_in_blocks():
    clips = [Clip(f"{label}{k}", label) for label in ("anger", "fear") for k in range(10)]
    split = by_class(clips)
    tested = [[clip.clip_id for clip in split if clip.splits[str(fold)] == "test"] for fold in range(1, 6)]
    assert tested[0] == ["anger0", "anger1", "fear0", "fear1"] and tested[4] == ["anger8", "anger9", "fear8", "fear9"]
