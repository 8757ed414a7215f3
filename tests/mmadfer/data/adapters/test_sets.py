from __future__ import annotations

import pytest

from mmadfer.config import DFEW_LABELS, MAFW_LABELS
from mmadfer.data.adapters.sets import SETS, list_clips
from tests.support import made_trees as trees


def by_id(listing):
    return {clip.clip_id: clip for clip in listing.clips}


def kinds(listing):
    return [(finding.kind, finding.clip_id, finding.left_out) for finding in listing.findings]


@pytest.mark.parametrize("first", [0, 1])
def test_dfew_pairs_unpadded_videos_with_padded_folders(tmp_path, first):
    listing = list_clips("dfew", trees.dfew(tmp_path, first))
    clips = by_id(listing)
    assert listing.labels == DFEW_LABELS and listing.level_eyes and not listing.unpadded_frames
    assert [(clip.clip_id, clip.label) for clip in listing.clips] == [
        ("00001", "happiness"), ("00002", "anger"), ("00013", "fear"), ("00014", "happiness"),
    ]  # fmt: skip
    assert clips["00013"].frames == "Clip/clip_224x224/00013"
    assert clips["00013"].video == clips["00013"].audio == "Clip/original/13.mp4"
    assert clips["00001"].splits == {"1": "train", "2": "test"} and clips["00013"].splits == {"1": "test", "2": "train"}
    # Four clips leave one list of each fold without the labels that tell where it starts.
    kept = ["fold without lists"] * 3 + ["first label guessed"] * (0 if first == 0 else 2)
    assert kinds(listing) == [(kind, "", False) for kind in kept]


def test_dfew_finds_the_first_label_of_each_list(tmp_path):
    trees.dfew(tmp_path)
    lists = tmp_path / "EmoLabel_DataSplit"
    # This copy mixes both: fold 2 counts from 0. Its test list does not tell (1 and 4 may be either).
    trees.text(lists / "train(single-labeled)/set_2.csv", "video_name,label\n13,6\n14,0\n")
    clips = by_id(list_clips("dfew", tmp_path))
    assert {name: clip.label for name, clip in clips.items()} == {
        "00001": "happiness", "00002": "anger", "00013": "fear", "00014": "happiness",
    }  # fmt: skip
    trees.text(lists / "test(single-labeled)/set_2.csv", "1,0\n2,7\n")
    with pytest.raises(ValueError, match="test list of fold 2 holds labels 0 and 7"):
        list_clips("dfew", tmp_path)


def test_dfew_leaves_out_labels_out_of_range_by_name(tmp_path):
    trees.dfew(tmp_path, folds="1")
    text = tmp_path / "EmoLabel_DataSplit/train(single-labeled)/set_1.csv"
    text.write_text("video_name,label\n00001,1\n2.mp4,8\n3,happy\nx,1\n15,7\n")
    listing = list_clips("dfew", tmp_path)
    assert sorted(by_id(listing)) == ["00001", "00013", "00014", "00015"]
    assert [entry for entry in kinds(listing) if entry[1]] == [
        ("unknown label", "00002", True),
        ("unknown label", "00003", True),
        ("name not understood", "x", True),
        ("no folder of face crops", "00015", False),
    ]
    assert not [finding for finding in listing.findings if finding.kind == "in no list"]


def test_clips_that_no_list_names_are_counted(tmp_path):
    trees.dfew(tmp_path, folds="1")
    text = tmp_path / "EmoLabel_DataSplit/train(single-labeled)/set_1.csv"
    text.write_text("video_name,label\n1,1\n")
    listing = list_clips("dfew", tmp_path)
    found = [finding for finding in listing.findings if finding.kind == "in no list"]
    assert [finding.detail for finding in found] == ["1 clips of Clip/clip_224x224, such as 00002"]


def test_mafw_reads_lists_with_and_without_counts(tmp_path):
    for counts in (False, True):
        listing = list_clips("mafw", trees.mafw(tmp_path / str(counts), counts=counts))
        assert listing.labels == MAFW_LABELS and listing.unpadded_frames and not listing.level_eyes
        assert listing.uncounted_frames == 1
        assert [(clip.clip_id, clip.label) for clip in listing.clips] == [
            ("00025", "anger"), ("00026", "helplessness"), ("00300", "disappointment"),
        ]  # fmt: skip
        assert by_id(listing)["00300"].frames == "data/faces/00300"
        assert by_id(listing)["00025"].video == "data/clips/00025.mp4"
        # The lists count one picture less than there are files.
        assert listing.frame_counts == ({"00025": 12, "00026": 11, "00300": 10} if counts else {})


def test_mafw_without_crops_is_cut_from_its_videos(tmp_path):
    listing = list_clips("mafw", trees.mafw(tmp_path, faces=False))
    assert {clip.frames for clip in listing.clips} == {""}
    trees.pictures(tmp_path / "moved/25", ["0.jpg"])
    listing = list_clips("mafw", tmp_path, faces="moved")
    assert by_id(listing)["00025"].frames == "moved/25"
    assert [entry for entry in kinds(listing) if entry[1]] == [
        ("no folder of face crops", "00026", False),
        ("no folder of face crops", "00300", False),
    ]


def test_mafw_leaves_out_numbers_and_unknown_names(tmp_path):
    trees.mafw(tmp_path)
    # Numbers are not taken: projects count MAFW's classes in different orders.
    (tmp_path / "Train & Test Set/single/no_caption/set_1/train.txt").write_text("00025.mp4 3\n00026.mp4 joy\nwhat\n")
    listing = list_clips("mafw", tmp_path)
    assert sorted(by_id(listing)) == ["00300"]
    assert [entry for entry in kinds(listing) if entry[1]] == [
        ("unknown label", "00025", True), ("unknown label", "00026", True), ("line not understood", "what", True),
    ]  # fmt: skip


@pytest.mark.parametrize("comma", [False, True])
def test_ferv39k_is_video_only_with_one_split(tmp_path, comma):
    trees.ferv39k(tmp_path)
    if comma:
        for path in (tmp_path / "4_setups/All_scenes").iterdir():
            path.write_text("path,label\n" + path.read_text().replace(" ", ","))
    listing = list_clips("ferv39k", tmp_path)
    assert [(c.clip_id, c.label, c.splits, c.video, c.audio) for c in listing.clips] == [
        ("Action/Angry/0001", "anger", {"1": "train"}, "", ""),
        ("Action/Happy/0002", "happiness", {"1": "train"}, "", ""),
        ("Daily/Sad/0001", "sadness", {"1": "test"}, "", ""),
    ]
    assert listing.clips[0].frames == "2_ClipsforFaceCrop/Action/Angry/0001" and listing.findings == ()


def test_crema_d_reads_names_and_splits_by_speaker(tmp_path):
    trees.crema_d(tmp_path)
    trees.put(trees.FACE, tmp_path / "VideoFlash/1003_DFA_JOY_XX.flv")
    trees.put(trees.FACE, tmp_path / "VideoFlash/notes.flv")
    listing = list_clips("crema-d", tmp_path)
    assert listing.labels == ("happiness", "sadness", "neutral", "anger", "disgust", "fear")
    assert [(c.clip_id, c.label, c.speaker, c.audio, c.splits) for c in listing.clips] == [
        ("1001_DFA_ANG_XX", "anger", "1001", "AudioWAV/1001_DFA_ANG_XX.wav", {"1": "test", "2": "train"}),
        ("1002_DFA_HAP_XX", "happiness", "1002", "AudioWAV/1002_DFA_HAP_XX.wav", {"1": "train", "2": "test"}),
        ("1002_DFA_NEU_XX", "neutral", "1002", "VideoFlash/1002_DFA_NEU_XX.flv", {"1": "train", "2": "test"}),
    ]
    assert kinds(listing) == [
        ("no wave file", "1002_DFA_NEU_XX", False),
        ("sound without pictures", "1002_DFA_SAD_XX", True),
        ("unknown label", "1003_DFA_JOY_XX", True),
        ("name not understood", "notes", True),
    ]


def test_ravdess_takes_each_recording_once(tmp_path):
    trees.ravdess(tmp_path)
    trees.put(trees.CLIPS / "jfk.flac", tmp_path / "Actor_03/03-01-05-01-01-01-03.flac")
    trees.put(trees.MUTE, tmp_path / "Actor_03/02-01-08-01-01-01-03.mp4")
    trees.put(trees.MUTE, tmp_path / "Actor_03/02-01-09-01-01-01-03.mp4")
    trees.put(trees.MUTE, tmp_path / "Actor_03/test.mp4")
    listing = list_clips("ravdess", tmp_path)
    assert listing.labels[-1] == "calm" and len(listing.labels) == 8
    assert [(c.label, c.video, c.audio, c.speaker) for c in listing.clips] == [
        ("happiness", "Actor_01/01-01-03-01-01-01-01.mp4", "Actor_01/01-01-03-01-01-01-01.mp4", "01"),
        ("calm", "Actor_02/02-01-02-01-01-01-02.mp4", "Actor_02/03-01-02-01-01-01-02.flac", "02"),
        ("surprise", "Actor_03/02-01-08-01-01-01-03.mp4", "", "03"),
    ]
    assert sorted(kind for kind, _, out in kinds(listing) if out) == [
        "name not understood", "sound without pictures", "unknown label",
    ]  # fmt: skip
    assert ("no sound file", "01-08-01-01-01-03", False) in kinds(listing)
    assert listing.clips[0].splits == {"1": "test", "2": "train", "3": "train"}


def test_a_folder_for_each_class(tmp_path):
    trees.own_folder(tmp_path)
    trees.pictures(tmp_path / "anger/e", ["0.jpg", "1.jpg"])
    trees.text(tmp_path / "anger/notes.txt", "")
    (tmp_path / "fear").mkdir()
    listing = list_clips("folder", tmp_path)
    assert listing.labels == ("happiness", "anger")
    assert [(c.clip_id, c.label, c.frames, c.video, c.audio) for c in listing.clips] == [
        ("Happy/a.mp4", "happiness", "", "Happy/a.mp4", "Happy/a.mp4"),
        ("Happy/b.mp4", "happiness", "", "Happy/b.mp4", "Happy/b.mp4"),
        ("anger/c.mp4", "anger", "", "anger/c.mp4", "anger/c.mp4"),
        ("anger/d.mkv", "anger", "", "anger/d.mkv", "anger/d.mkv"),
        ("anger/e", "anger", "anger/e", "", ""),
    ]
    assert kinds(listing) == [
        ("no video", "anger/notes.txt", True), ("empty class", "", False), ("no splits given", "", False),
    ]  # fmt: skip
    assert all(len(clip.splits) == 3 for clip in listing.clips)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_labels_csv_with_all_columns(tmp_path, delimiter):
    table = (
        "Path,Label,Split,Speaker,Start,End,Audio\n"
        "a.mp4,Happy,train,Ann,,,\n"
        "a.mp4,sad,val,Ann,1.5,3,\n"
        "b.mp4,calm,TEST,Ben,,,b.wav\n"
        "pictures,calm,,Ben,,,\n"
        "a.mp4,happy,train,Ann,,,\n"
    )
    trees.text(tmp_path / "labels.csv", "\ufeff" + table.replace(",", delimiter))
    (tmp_path / "pictures").mkdir()
    listing = list_clips("folder", tmp_path)
    assert listing.labels == ("happiness", "sadness", "calm")
    assert [(c.clip_id, c.splits, c.audio, c.start, c.end, c.speaker) for c in listing.clips] == [
        ("a.mp4", {"1": "train"}, "a.mp4", 0.0, None, "Ann"),
        ("a.mp4@1.5-3", {"1": "validation"}, "a.mp4", 1.5, 3.0, "Ann"),
        ("b.mp4", {"1": "test"}, "b.wav", 0.0, None, "Ben"),
        ("pictures", {}, "", 0.0, None, "Ben"),
    ]
    assert listing.clips[3].frames == "pictures" and listing.clips[3].video == ""
    assert kinds(listing) == [
        ("listed twice", "a.mp4", False),
        ("no split", "pictures", False),
        ("speaker in two parts of one fold", "", False),
        ("same content in two parts of one fold", "a.mp4", False),
    ]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("which,label\na.mp4,anger\n", "must start with the line path,label .* 'which,label'"),
        ("path,label\na.mp4,\n", "line 2: a path and a label are needed, got 'a.mp4' and ''"),
        ("path,label,split\na.mp4,anger,tarin\n", "line 2: the split is 'tarin'; allowed are train, validation, test"),
        ("path,label,start\na.mp4,anger,now\n", "line 2: start and end must be seconds"),
        ("path,label,start,end\na.mp4,anger,3,2\n", "line 2: .* end after it"),
        ("path,label\na.mp4,anger\na.mp4,fear\n", "line 3: a.mp4 is fear here and anger above"),
        ("path,label\na.mp4,hapiness\n", r"'hapiness' \(1 clips\), which looks like 'happiness' misspelt; .* --labels"),
        ("path,label\n", "holds no labelled videos"),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence(tmp_path, table, says):
    trees.text(tmp_path / "labels.csv", table)
    with pytest.raises(ValueError, match=says) as error:
        list_clips("folder", tmp_path)
    assert "\n" not in str(error.value)


def test_labels_that_are_named_are_the_only_ones(tmp_path):
    trees.text(tmp_path / "labels.csv", "path,label\na.mp4,hapiness\nb.mp4,Happy\nc.mp4,anger\n")
    listing = list_clips("folder", tmp_path, labels=("anger", "Happy", "fear"))
    assert listing.labels == ("anger", "happiness", "fear")
    assert [entry for entry in kinds(listing) if entry[2]] == [("unknown label", "a.mp4", True)]


@pytest.mark.parametrize("name", [name for name in SETS if name != "folder"])
def test_a_wrong_root_says_what_is_expected_and_what_is_there(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        list_clips(name, tmp_path / "nowhere")
    (tmp_path / "holiday").mkdir()
    with pytest.raises(FileNotFoundError, match="as distributed: expected") as error:
        list_clips(name, tmp_path)
    assert "\n" not in str(error.value)
    if name != "ravdess":
        assert "holiday" in str(error.value)


def test_a_root_one_level_off_is_pointed_at(tmp_path):
    trees.dfew(tmp_path / "DFEW")
    for near in (tmp_path, tmp_path / "DFEW/Clip"):
        with pytest.raises(FileNotFoundError, match=f"it is in {tmp_path / 'DFEW'}: give that folder"):
            list_clips("dfew", near)


def test_a_fold_with_half_its_lists_is_refused(tmp_path):
    trees.dfew(tmp_path / "dfew")
    (tmp_path / "dfew/EmoLabel_DataSplit/test(single-labeled)/set_2.csv").unlink()
    with pytest.raises(FileNotFoundError, match="fold 2 of DFEW has a train list only"):
        list_clips("dfew", tmp_path / "dfew")
    trees.mafw(tmp_path / "mafw")
    (tmp_path / "mafw/Train & Test Set/single/no_caption/set_1/train.txt").unlink()
    with pytest.raises(FileNotFoundError, match="fold 1 of MAFW has a test list only"):
        list_clips("mafw", tmp_path / "mafw")


def test_arguments_that_do_not_fit_the_set_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no adapter for the data set 'afew'; there are dfew, mafw"):
        list_clips("afew", tmp_path)
    with pytest.raises(ValueError, match="faces of ravdess are cut"):
        list_clips("ravdess", tmp_path, faces="x")
    with pytest.raises(ValueError, match="labels of dfew are known"):
        list_clips("dfew", tmp_path, labels=("anger",))
