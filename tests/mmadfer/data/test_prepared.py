from __future__ import annotations

import io
import multiprocessing
import pickle

import numpy as np
import pytest
from PIL import Image

from mmadfer.config import MelSpec
from mmadfer.data.manifest import Clip
from mmadfer.data.prepared import PreparedSet, PreparedSettings
from mmadfer.data.shards import PackedClip, start_set, text_order, whole_log_mel, write_index, write_shard
from mmadfer.preprocess import spectrogram
from tests.support.made_datasets import SAMPLE_RATE, prepared_set
from tests.support.made_media import tone

NOTHING = np.zeros((0, 128), dtype=np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> PreparedSet:
    return prepared_set(tmp_path_factory.mktemp("made"), 6, frames=(20, 7), silent_every=5, unpadded=True)


def written(folder, packed, **settings) -> PreparedSet:
    start_set(folder, PreparedSettings("made", ("anger", "fear"), image_size=8, **settings))
    write_index(folder, write_shard(folder, 0, packed))
    return PreparedSet(folder)


def test_jpeg_bytes_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    clips = [[rng.bytes(n) for n in rng.integers(1, 400, size)] for size in (3, 0, 11)]
    prepared = written(tmp_path, [PackedClip(Clip(str(k), "anger"), jpegs, NOTHING) for k, jpegs in enumerate(clips)])
    for i, jpegs in enumerate(clips):
        assert prepared.clips[i].num_frames == len(jpegs)
        assert prepared.jpegs(i, range(len(jpegs))) == jpegs
    assert prepared.jpegs(2, [10, 0, 0, 5]) == [clips[2][k] for k in (10, 0, 0, 5)]


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("seconds", [0.02, 0.5, 6.0])
def test_log_mel_is_that_of_the_input_definition(tmp_path, rate, seconds):
    rng = np.random.default_rng(1)
    sound = 0.6 * tone(rate, seconds, 2) + rng.normal(0.1, 0.05, (2, round(rate * seconds))).astype(np.float32)
    packed = PackedClip(Clip("a", "anger"), [], whole_log_mel(sound, rate), rate)
    found = written(tmp_path, [packed]).log_mel(0)
    expected = spectrogram(sound, rate).numpy()
    kept = min(len(found), len(expected))
    columns = max(0, 1 + (sound.shape[1] - int(rate * 0.025)) // int(rate * 0.010))
    assert found.shape == (columns, 128) and found.dtype == np.float16
    assert np.abs(expected[kept:] - MelSpec().padding).max(initial=0.0) < 1e-6
    difference = np.abs(found[:kept].astype(np.float32) - expected[:kept]).max(initial=0.0)
    assert difference < 1e-3, f"largest difference {difference}"
    assert np.array_equal(whole_log_mel(sound, rate)[:kept], expected[:kept]), "equal to the bit before float16"


def test_clips_without_sound_have_no_columns(made):
    silent = [i for i, clip in enumerate(made.clips) if not clip.has_sound]
    assert len(silent) == len(made.clips) // 5
    assert {made.log_mel(i).shape for i in silent} == {(0, 128)}
    assert {made.clips[i].sample_rate for i in silent} == {0}
    assert {clip.sample_rate for clip in made.clips if clip.has_sound} == {SAMPLE_RATE}


def test_text_order_is_that_of_sorted_file_names(made):
    for i, clip in enumerate(made.clips):
        names = [f"{k}.jpg" for k in range(clip.num_frames)]
        assert [names[k] for k in made.text_order(i)] == sorted(names)
    assert text_order([f"{k:03d}.jpg" for k in range(200)]) == ()
    assert text_order(["00001_00001.jpg", "00001_00002.jpg", "00001_00010.jpg"]) == ()


def test_names_without_zeros_are_the_only_ones_stored(tmp_path):
    order = text_order([f"{k}.jpg" for k in range(11)])
    packed = [PackedClip(Clip(str(k), "anger"), [b"x"] * 11, NOTHING, text_order=o) for k, o in enumerate((order, ()))]
    prepared = written(tmp_path, packed)
    assert prepared.text_order(0) == [0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9]
    assert prepared.text_order(1) == list(range(11))


def test_folds_and_class_indices(made):
    assert made.labels == ("happiness", "sadness", "neutral") and made.folds == ("1",)
    train, test = made.indices("1", "train"), made.indices("1", "test")
    assert sorted(train + test) == list(range(18)) and made.indices("1", "validation") == []
    assert [made.label_index(i) for i in range(6)] == [0, 1, 2, 0, 1, 2]
    with pytest.raises(ValueError, match="no fold '7'; it has 1"):
        made.indices("7", "train")


def test_folds_sort_by_number(tmp_path):
    clips = [Clip("a", "anger", {"10": "train", "9": "train", "x": "test"})]
    assert written(tmp_path, [PackedClip(c, [], NOTHING) for c in clips]).folds == ("9", "10", "x")


def _first_of(prepared: PreparedSet) -> tuple[bytes, np.ndarray]:
    return prepared.jpegs(0, [3])[0], prepared.log_mel(0)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_read_it(made, method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        jpeg, columns = pool.apply(_first_of, (made,))
    assert jpeg == made.jpegs(0, [3])[0] and np.array_equal(columns, made.log_mel(0))
    assert len(pickle.dumps(made)) < 100_000


def test_the_made_task_can_be_told_apart(made):
    means = [np.asarray(Image.open(io.BytesIO(made.jpegs(i, [0])[0]))).mean((0, 1)) for i in range(3)]
    assert min(np.abs(means[a] - means[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))) > 20
    loudest = [int(made.log_mel(i).astype(np.float32).mean(0).argmax()) for i in range(3)]
    assert len(set(loudest)) == 3


def test_a_folder_that_is_no_finished_set_is_refused(tmp_path, made):
    with pytest.raises(FileNotFoundError, match="no prepared set"):
        PreparedSet(tmp_path)
    start_set(tmp_path, made.settings)
    with pytest.raises(FileNotFoundError, match="not finished"):
        PreparedSet(tmp_path)
    text = (tmp_path / "settings.json").read_text()
    (tmp_path / "index.jsonl").write_text("")
    for wrong, says in (
        (text.replace("prepared-1", "prepared-0"), "expected mmadfer-prepared-1"),
        ("{", "cannot be read"),
    ):
        (tmp_path / "settings.json").write_text(wrong)
        with pytest.raises(ValueError, match=says):
            PreparedSet(tmp_path)


def test_a_shard_that_is_cut_short_is_seen(tmp_path):
    prepared = written(tmp_path, [PackedClip(Clip("a", "anger"), [b"12345"], np.ones((4, 128)), 16_000)])
    for kind in ("shards", "mels"):
        path = tmp_path / kind / "00000.bin"
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"shards/00000\.bin is cut short"):
        prepared.jpegs(0, [0])
    with pytest.raises(ValueError, match=r"mels/00000\.bin is cut short"):
        prepared.log_mel(0)


def test_other_settings_are_refused_but_not_other_labels(tmp_path):
    settings = PreparedSettings("made", ("anger",), image_size=224)
    start_set(tmp_path, settings)
    with pytest.raises(ValueError, match="prepared with image_size 224, not 160; name another folder"):
        start_set(tmp_path, PreparedSettings("made", ("anger",), image_size=160))
    start_set(tmp_path, PreparedSettings("made", ("anger", "fear"), image_size=224))
    assert '"fear"' in (tmp_path / "settings.json").read_text()


@pytest.mark.parametrize(
    "values",
    [{"labels": ()}, {"labels": ("a", "a")}, {"image_size": 0}, {"quality": 101}, {"sample_rate": 100}],
)
def test_settings_are_checked(values):
    with pytest.raises(ValueError):
        PreparedSettings(**{"name": "made", "labels": ("anger",), **values})
