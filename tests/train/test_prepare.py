from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmadfer.config import InputSpec
from mmadfer.data.manifest import read_manifest
from mmadfer.data.prepared import PreparedSet
from mmadfer.data.shards import whole_log_mel
from mmadfer.faces.crop import crop
from mmadfer.faces.tracker import FaceTracker
from mmadfer.media.media_file import open_media
from mmadfer.preprocess import resample
from tests.support import made_trees as trees
from tests.support.made_trees import crops_folder
from tests.support.prepare import left_out, prepare, report
from train.prepare import main


def findings(out: Path) -> dict[str, list[str]]:
    return {found["kind"]: [item["clip"] for item in found["clips"]] for found in report(out)["findings"]}


# --- what ends up in the set


def test_distributed_crops_keep_their_bytes_and_their_order(tmp_path):
    trees.dfew(tmp_path / "dfew")
    assert prepare("dfew", tmp_path / "dfew", tmp_path / "out") == 0
    prepared = PreparedSet(tmp_path / "out")
    assert (prepared.name, prepared.image_size, prepared.sample_rate) == ("dfew", 224, 0)
    assert [clip.clip_id for clip in prepared.clips] == ["00001", "00002", "00013", "00014"]
    for i, clip in enumerate(prepared.clips):
        folder = tmp_path / "dfew/Clip/clip_224x224" / clip.clip_id
        assert prepared.jpegs(i, range(clip.num_frames)) == [path.read_bytes() for path in sorted(folder.iterdir())]
        assert prepared.text_order(i) == list(range(clip.num_frames))
    sound = open_media(trees.FACE).read_audio()
    expected = whole_log_mel(sound, 44_100).astype(np.float16)
    assert all(np.array_equal(prepared.log_mel(i), expected) for i in range(4))
    assert {clip.sample_rate for clip in prepared.clips} == {44_100}
    assert prepared.clips[0].fps == pytest.approx(20 / open_media(trees.FACE).duration)
    assert prepared.indices("1", "train") == [0, 1] and prepared.indices("2", "train") == [2, 3]


def test_mafw_frames_are_natural_and_their_text_order_is_known(tmp_path):
    trees.mafw(tmp_path / "mafw", counts=True)
    assert prepare("mafw", tmp_path / "mafw", tmp_path / "out") == 0
    prepared = PreparedSet(tmp_path / "out")
    assert prepared.jpegs(0, range(12)) == [trees.jpeg(10 * k) for k in range(12)]
    assert prepared.text_order(0) == [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    assert prepared.uncounted_frames == 1
    found = findings(tmp_path / "out")
    assert found["unpadded frame names"] == ["00025", "00026"]  # with five pictures, 00300 sorts alike
    assert found["no audio track"] == ["00026"]
    assert found["frame count differs from the list"] == ["00300"]


def test_crops_of_another_size_are_resized_and_sound_resampled(tmp_path):
    trees.dfew(tmp_path / "dfew", folds="1")
    assert prepare("dfew", tmp_path / "dfew", tmp_path / "out", "--size", "112", "--sample-rate", "16000") == 0
    prepared = PreparedSet(tmp_path / "out")
    picture = Image.open(io.BytesIO(prepared.jpegs(0, [5])[0]))
    assert picture.size == (112, 112) and abs(np.asarray(picture).astype(int) - 50).max() <= 1
    sound = resample(open_media(trees.FACE).read_audio(), 44_100, 16_000)
    assert np.array_equal(prepared.log_mel(0), whole_log_mel(sound, 16_000).astype(np.float16))
    assert prepared.sample_rate == 16_000 and prepared.clips[0].sample_rate == 44_100


def test_faces_are_cut_as_the_live_app_cuts_them(tmp_path):
    """Of a user's whole video, and of spans of it: each with a tracker that knows nothing of the clip before."""
    trees.put(trees.FACE, tmp_path / "own/a.mp4")
    spans = {"a.mp4": (0.0, 9.0), "a.mp4@0-0.4": (0.0, 0.4), "a.mp4@0.5-1.5": (0.5, 1.5)}
    rows = "a.mp4,anger,,\na.mp4,fear,0,0.4\na.mp4,fear,0.5,1.5\n"
    trees.text(tmp_path / "own/labels.csv", f"path,label,start,end\n{rows}")
    assert prepare("folder", tmp_path / "own", tmp_path / "out", "--size", "96", "--quality", "100") == 0
    prepared, media = PreparedSet(tmp_path / "out"), open_media(trees.FACE)
    sound = media.read_audio()
    for i, clip in enumerate(prepared.clips):
        start, end = spans.pop(clip.clip_id)
        with contextlib.closing(FaceTracker(InputSpec())) as tracker:
            expected = [crop(rgb, tracker.update(rgb, t).box, 96) for t, rgb in media.frames() if start <= t < end]
        assert clip.num_frames == len(expected) > 0 and clip.fps == pytest.approx(30)
        for k, jpeg in enumerate(prepared.jpegs(i, range(len(expected)))):
            difference = np.abs(np.asarray(Image.open(io.BytesIO(jpeg))).astype(int) - expected[k]).mean()
            assert difference < 1, f"{clip.clip_id}, picture {k}: mean difference {difference}"
        heard = whole_log_mel(sound[:, round(start * 44_100) : round(end * 44_100)], 44_100).astype(np.float16)
        assert np.array_equal(prepared.log_mel(i), heard), clip.clip_id
    assert not spans


@pytest.mark.parametrize("name", ["ferv39k", "crema_d", "ravdess"])
def test_each_layout_is_prepared(tmp_path, name):
    root = getattr(trees, name)(tmp_path / "set")
    assert prepare(name.replace("_", "-"), root, tmp_path / "out", "--size", "112") == 0
    prepared = PreparedSet(tmp_path / "out")
    found = [(clip.label, clip.num_frames, clip.sample_rate, clip.speaker) for clip in prepared.clips]
    assert found == {
        "ferv39k": [("anger", 20, 0, ""), ("happiness", 8, 0, ""), ("sadness", 16, 0, "")],
        "crema_d": [
            ("anger", 72, 16_000, "1001"), ("happiness", 72, 16_000, "1002"), ("neutral", 72, 44_100, "1002"),
        ],
        "ravdess": [("calm", 65, 44_100, "02"), ("happiness", 72, 44_100, "01")],
    }[name]  # fmt: skip


def test_mafw_without_crops_is_cut_and_named_as_its_frames(tmp_path):
    trees.mafw(tmp_path / "mafw", faces=False)
    for path in (tmp_path / "mafw/data/clips").iterdir():
        if path.name != "00025.mp4":
            path.unlink()
    assert prepare("mafw", tmp_path / "mafw", tmp_path / "out") == 0
    prepared = PreparedSet(tmp_path / "out")
    assert [clip.clip_id for clip in prepared.clips] == ["00025"]
    assert prepared.text_order(0)[:4] == [0, 1, 10, 11] and not prepared.settings.level_eyes
    assert findings(tmp_path / "out")["missing file"] == ["00026", "00300"]


# --- what is odd


def odd_folder(root: Path) -> Path:
    """Make a user's folder with one clip of every kind of damage."""
    whole = trees.put(trees.FACE, root / "anger/good.mp4").read_bytes()
    trees.put(trees.NO_FACE, root / "anger/no_face.mp4")
    trees.put(trees.CLIPS / "jfk.flac", root / "anger/sound.mp4")
    (root / "anger/empty.mp4").write_bytes(b"")
    (root / "anger/cut.mp4").write_bytes(whole[: len(whole) // 2])
    (root / "anger/text.mp4").write_text("this is no video")
    trees.pictures(root / "fear/png", ["1.png", "2.png"], (50, 70))
    trees.pictures(root / "fear/some_broken", ["1.jpg", "2.jpg", "3.jpg"])
    (root / "fear/some_broken/2.jpg").write_bytes(trees.jpeg(9)[:-40])
    (root / "fear/some_broken/3.jpg").write_bytes(b"")
    trees.pictures(root / "fear/all_broken", ["1.jpg"])
    (root / "fear/all_broken/1.jpg").write_bytes(b"\xff\xd8\xff")
    trees.put(trees.MUTE, root / "fear/mute.mkv")
    trees.text(root / "fear/readme.txt", "")
    names = ["anger/good.mp4", "anger/no_face.mp4", "anger/sound.mp4", "anger/empty.mp4", "anger/cut.mp4",
             "anger/text.mp4", "fear/png", "fear/some_broken", "fear/all_broken", "fear/mute.mkv", "fear/gone.mp4",
             "fear/no_folder.mp4"]  # fmt: skip
    rows = "".join(f"{name},{name.split('/')[0]}\n" for name in names)
    return trees.text(root / "labels.csv", f"path,label\n{rows}").parent


def test_no_clip_is_dropped_without_its_name_and_reason(tmp_path):
    root = odd_folder(tmp_path / "odd")
    assert prepare("folder", root, tmp_path / "out") == 0
    listed = {clip.clip_id for clip in read_manifest(tmp_path / "out/manifest.jsonl")}
    kept = {clip.clip_id for clip in PreparedSet(tmp_path / "out").clips}
    assert kept == {"anger/good.mp4", "fear/png", "fear/some_broken", "fear/mute.mkv"}
    assert kept | left_out(tmp_path / "out") == listed and not kept & left_out(tmp_path / "out")
    counts = report(tmp_path / "out")["clips"]
    assert counts == {"listed": 12, "prepared": 4, "left out": 8, "without sound": 3}
    found = findings(tmp_path / "out")
    assert found["no face found"] == ["anger/no_face.mp4"]
    assert found["sound without pictures"] == ["anger/sound.mp4"]
    assert found["broken file"] == ["anger/cut.mp4", "anger/empty.mp4", "anger/text.mp4", "fear/all_broken"]
    assert found["missing file"] == ["fear/gone.mp4", "fear/no_folder.mp4"]
    assert found["broken picture"] == ["fear/all_broken", "fear/some_broken", "fear/some_broken"]
    assert found["no audio track"] == ["fear/mute.mkv"]
    assert str(tmp_path) not in (tmp_path / "out/report.json").read_text(), "paths are relative to the root"


def test_the_report_counts_what_is_there(tmp_path, capsys):
    trees.put(trees.SIGN, trees.dfew(tmp_path / "dfew") / "Clip/original/2.mp4")
    (tmp_path / "dfew/Clip/original/13.mp4").unlink()
    for path in (tmp_path / "dfew/Clip/clip_224x224/00014").iterdir():
        path.unlink()
    assert prepare("dfew", tmp_path / "dfew", tmp_path / "out") == 0
    found = report(tmp_path / "out")
    assert found["sample rates (Hz)"] == {"44100": 1, "48000": 1}
    assert found["folds"] == {"1": {"test": 1, "train": 2}, "2": {"test": 2, "train": 1}}
    assert found["classes"]["happiness"] == 1 and found["classes"]["disgust"] == 0
    assert found["frames per clip"] == {"least": 12, "median": 16, "most": 20}
    assert findings(tmp_path / "out")["empty folder"] == ["00014"]
    text = capsys.readouterr().out
    for line in (
        "dfew: 3 of 4 clips prepared, 1 left out",
        "sound: 1 at 44100 Hz, 1 at 48000 Hz; 1 clips without",
        "LEFT OUT, empty folder: 1 (00014; Clip/clip_224x224/00014)",
        "noted, no sound file: 1 (00013; Clip/original/13.mp4)",
        "noted, class without clips: 4 (fold 1, train: sadness,",
    ):
        assert line in text, text


def test_silence_and_too_little_sound_are_noted(tmp_path):
    crops_folder(tmp_path / "own", 3)
    for name, samples in (("silent", np.zeros(16_000)), ("short", np.ones(100)), ("fine", np.sin(np.arange(16_000)))):
        trees.wave_file(tmp_path / f"own/{name}.wav", samples)
    (tmp_path / "own/broken.wav").write_bytes(b"RIFF")
    rows = [("anger/000", "silent"), ("fear/001", "short"), ("anger/002", "fine")]
    table = "".join(f"{clip},{clip.split('/')[0]},{sound}.wav\n" for clip, sound in rows)
    trees.text(tmp_path / "own/labels.csv", f"path,label,audio\n{table}")
    assert prepare("folder", tmp_path / "own", tmp_path / "out") == 0
    found = findings(tmp_path / "out")
    assert found["silent sound"] == ["anger/000"] and found["sound too short"] == ["fear/001"]
    assert [clip.has_sound for clip in PreparedSet(tmp_path / "out").clips] == [True, True, False]


# --- mistakes


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--workers", "0"], "--workers must be 1 or more"),
        (["--sample-rate", "fast"], "--sample-rate must be native or a number of Hz, got 'fast'"),
        (["--sample-rate", "100"], "the sample rate must be 8000 Hz or more"),
        (["--size", "0"], "the size must be 1 px or more"),
        (["--faces", "x"], "faces of folder are cut"),
        (["--labels", "joy,"], "no clip of .* can be used: anger/000: unknown label"),
    ],
)
def test_wrong_arguments_end_in_one_sentence(tmp_path, capsys, options, says):
    root = crops_folder(tmp_path / "own", 2)
    assert main(["folder", str(root), "--out", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    with pytest.raises(ValueError, match=says):
        raise ValueError(error)


def test_a_set_without_any_usable_clip_is_refused(tmp_path, capsys):
    trees.text(tmp_path / "own/labels.csv", "path,label\na.mp4,anger\nb.mp4,fear\n")
    assert prepare("folder", tmp_path / "own", tmp_path / "out") == 2
    assert "none of the 2 clips can be used: a.mp4: missing file (a.mp4); b.mp4" in capsys.readouterr().err


def test_another_size_into_the_same_folder_is_refused(tmp_path, capsys):
    root = crops_folder(tmp_path / "own", 2)
    assert prepare("folder", root, tmp_path / "out") == 0
    assert prepare("folder", root, tmp_path / "out", "--size", "112") == 2
    assert "was prepared with image_size 224, not 112; name another folder" in capsys.readouterr().err


def test_two_runs_in_one_folder_are_refused(tmp_path, capsys):
    import fcntl

    root = crops_folder(tmp_path / "own", 2)
    (tmp_path / "out").mkdir()
    with open(tmp_path / "out/.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert prepare("folder", root, tmp_path / "out") == 2
    assert "another train.prepare is at work" in capsys.readouterr().err
    assert prepare("folder", root, tmp_path / "out") == 0
