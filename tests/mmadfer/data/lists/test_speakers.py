"""Nobody is on both sides of a split that the project makes, and where a given split has it so, that is said."""

from __future__ import annotations

import unicodedata
from itertools import product

import numpy as np
import pytest

from mmadfer.data.adapters.sets import list_clips
from mmadfer.data.lists.speakers import speaker_key
from mmadfer.data.manifest import Clip
from mmadfer.data.prepared import PreparedSet, PreparedSettings
from mmadfer.data.shards import PackedClip, start_set, write_index, write_shard
from tests.support import made_trees as trees
from train.input.splits import fold_parts

NFC, NFD = "Zoë", unicodedata.normalize("NFD", "Zoë")


def table(root, rows, columns="path,label,speaker"):
    trees.text(root / "labels.csv", "\n".join([columns, *(",".join(row) for row in rows)]) + "\n")
    return list_clips("folder", root)


def found(listing, kind):
    return [finding for finding in listing.findings if finding.kind == kind]


def sides(clips, who):
    """Yield, for each fold, who is in its training part, and who in its other parts."""
    for fold in {fold for clip in clips for fold in clip.splits}:
        train = {who(clip) for clip in clips if clip.splits.get(fold) == "train"}
        yield train, {who(clip) for clip in clips if clip.splits.get(fold) in ("test", "validation")}


def twenty(empty=()):
    """Return 20 rows of five speakers, cells in ``empty`` replaced."""
    cells = [f"s{k % 5}" for k in range(20)]
    for k, cell in empty:
        cells[k] = cell
    return [(f"{k}.mp4", ("anger", "fear")[k // 5 % 2], cell) for k, cell in enumerate(cells)]


@pytest.mark.parametrize("cell", ["", " ", "nan", "NA", "n/a", "?", "-", "unknown", "None", "<NA>"])
@pytest.mark.parametrize("where", [0, 7, 19])
def test_a_clip_without_a_speaker_is_in_no_part_and_the_others_keep_theirs(tmp_path, cell, where):
    listing = table(tmp_path, twenty([(where, cell)]))
    true = {f"{k}.mp4": f"s{k % 5}" for k in range(20)}
    folds = list(sides(listing.clips, lambda clip: true[clip.clip_id]))
    assert len(folds) == 5 and not any(train & test for train, test in folds)
    assert [clip.clip_id for clip in listing.clips if not clip.splits] == [f"{where}.mp4"]
    assert [finding.clip_id for finding in found(listing, "speaker not known")] == [f"{where}.mp4"]
    assert listing.clips[where].speaker == ""


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (twenty([(k, "") for k in range(11)]), "names the speaker of 9 of 20 clips only, such as not of 0.mp4"),
        (
            [("a.mp4", "anger", "Ann"), ("b.mp4", "fear", "Ann"), ("c.mp4", "fear", "")],
            "names one speaker and leaves 1",
        ),
    ],
)
def test_too_few_named_speakers_are_refused(tmp_path, rows, says):
    with pytest.raises(ValueError, match=rf"labels\.csv {says}"):
        table(tmp_path, rows)


@pytest.mark.parametrize(
    "spellings",
    [
        ("Anna", "anna", "ANNA", " Anna ", "anna\u00a0", "An\u200bna"),
        (NFC, NFD, NFC.upper()),
        ("Anna Lee", "anna  lee", "Anna_Lee", "anna-lee"),
        ("01", "1", "1.0", "001", "１"),
        ("S01", "s1"),
    ],
)
def test_spellings_of_one_speaker_are_one(tmp_path, spellings):
    rows = [(f"{k}.mp4", label, name) for k, (name, label) in enumerate(product(spellings, ("anger", "fear")))]
    rows += [(f"o{k}.mp4", "fear", f"other {k}") for k in range(2)]
    listing = table(tmp_path, rows)
    assert len({clip.speaker for clip in listing.clips}) == 3
    folds = sides(listing.clips, lambda clip: clip.clip_id if clip.clip_id[0] == "o" else "the one")
    assert not any(train & test for train, test in folds)
    together = [clip.splits for clip in listing.clips if clip.clip_id[0] != "o"]
    assert all(splits == together[0] for splits in together)
    (said,) = found(listing, "speaker spelt in several ways")
    assert repr(spellings[0].strip()) in said.detail


@pytest.mark.parametrize(("one", "other"), [("Ann", "Anne"), ("1", "10"), ("1.1", "1.10"), ("s1", "t1"), ("1-1", "11")])
def test_speakers_who_differ_are_two(one, other):
    assert speaker_key(one) != speaker_key(other)


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "val"), ("Test", "dev")])
def test_a_given_split_with_a_speaker_on_both_sides_is_told(tmp_path, parts):
    rows = [("a.mp4", "anger", "Ann", parts[0]), ("b.mp4", "fear", " ANN", parts[1]), ("c.mp4", "fear", "Ben", "train")]
    listing = table(tmp_path, rows, "path,label,speaker,split")
    (said,) = found(listing, "speaker in two parts of one fold")
    assert "Ann is in" in said.detail and "Ben" not in said.detail and said.detail.startswith("fold 1: ")


def test_a_given_split_with_an_unknown_speaker_is_told(tmp_path):
    rows = [("a.mp4", "anger", "Ann", "train"), ("b.mp4", "fear", "", "test")]
    listing = table(tmp_path, rows, "path,label,speaker,split")
    assert [finding.clip_id for finding in found(listing, "speaker not known")] == ["b.mp4"]
    assert [clip.splits for clip in listing.clips] == [{"1": "train"}, {"1": "test"}]


@pytest.mark.parametrize("speakers", [("", ""), ("Ann", "Ann")])
def test_folds_that_may_have_a_speaker_on_both_sides_say_so(tmp_path, speakers):
    rows = [(f"{k}.mp4", ("anger", "fear")[k % 2], speakers[k % 2]) for k in range(10)]
    listing = table(tmp_path, rows)
    (said,) = found(listing, "no splits given")
    assert "both sides" in said.detail and all(clip.splits for clip in listing.clips)


def test_pieces_of_one_recording_stay_together(tmp_path):
    """Spans of one file, or of copies of it, show one person: without speakers, too, they share a side."""
    pieces = [(f"v{k % 10}.mp4", ("anger", "fear")[k // 10 % 2], str(k), str(k + 1)) for k in range(40)]
    listing = table(tmp_path, pieces, "path,label,start,end")
    folds = list(sides(listing.clips, lambda clip: clip.video))
    assert len(folds) == 5 and all(train and test and not train & test for train, test in folds)


@pytest.mark.parametrize("name", ["crema_d", "ravdess"])
def test_sets_with_known_speakers_keep_them_apart(tmp_path, name):
    listing = list_clips(name.replace("_", "-"), getattr(trees, name)(tmp_path))
    assert all(clip.speaker for clip in listing.clips)
    folds = list(sides(listing.clips, lambda clip: clip.speaker))
    assert folds and not any(train & test for train, test in folds)


# --- what is held out of training


def prepared(folder, clips) -> PreparedSet:
    start_set(folder, PreparedSettings("made", ("anger", "fear"), image_size=8))
    packed = [PackedClip(clip, [b"x"], np.zeros((0, 128), dtype=np.float32)) for clip in clips]
    write_index(folder, write_shard(folder, 0, packed))
    return PreparedSet(folder)


def clip(k, speaker="", video="", part="train"):
    return Clip(str(k), ("anger", "fear")[k % 2], {"1": part}, video=video or f"{k}.mp4", speaker=speaker)


@pytest.mark.parametrize("seed", range(5))
def test_held_out_clips_are_of_other_speakers(tmp_path, seed):
    """Also where the speakers of some clips are not known: those are trained on, as they may be anybody's."""
    clips = [clip(k, "" if k % 7 == 0 else f"{' sS'[k % 2 + 1]}{k % 10}") for k in range(60)]
    made = prepared(tmp_path, [*clips, clip(60, "t", part="test"), clip(61, "t", part="test")])
    parts = fold_parts(made, "1", 0.3, seed)
    held_out, train = ({made.clips[k].speaker.lower() for k in part} for part in (parts.held_out, parts.train))
    assert parts.held_out and "" not in held_out and not held_out & train


@pytest.mark.parametrize("seed", range(5))
def test_held_out_pieces_are_of_other_recordings(tmp_path, seed):
    clips = [clip(k, video=f"{k // 6}.mp4") for k in range(60)]
    made = prepared(tmp_path, [*clips, clip(60, part="test"), clip(61, part="test")])
    parts = fold_parts(made, "1", 0.3, seed)
    held_out, train = ({made.clips[k].video for k in part} for part in (parts.held_out, parts.train))
    assert held_out and not held_out & train
