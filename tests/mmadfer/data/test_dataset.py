"""What the training loads of a clip: the tensors of the published pipeline, whoever loads it and in whatever order."""

import dataclasses
import io

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from benchmarks.support.made_clips import write_wav
from benchmarks.support.official_pipeline import OfficialClip, OfficialPipeline
from mmadfer.config import InputSpec, MelSpec
from mmadfer.data.dataset import ClipDataset
from mmadfer.data.manifest import Clip
from mmadfer.data.prepared import PreparedSet, PreparedSettings
from mmadfer.data.sampling import Sampling
from mmadfer.data.shards import PackedClip, start_set, text_order, whole_log_mel, write_index, write_shard
from mmadfer.preprocess import frame_indices
from tests.support.made_datasets import SAMPLE_RATE, pattern_jpegs, pitch, prepared_set
from train.augmentation import Augmentation
from train.input import augment

SPEC = InputSpec(image_size=48, labels=("happiness", "sadness", "neutral"), sample_rate=SAMPLE_RATE)
PAPER, TEST = Sampling(train=True), Sampling(train=False)
FIXED = Sampling(train=True, order="natural", tail=True, span=True)
HALF_PRECISION = 2**-11
"""Of the cached log-mel, relative."""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> PreparedSet:
    return prepared_set(tmp_path_factory.mktemp("made"), 4, frames=(40, 7, 16), silent_every=5, unpadded=True)


def everything(prepared, sampling=PAPER, spec=SPEC, **options) -> ClipDataset:
    return ClipDataset(prepared, range(len(prepared.clips)), spec, sampling, **options)


def same(a, b) -> bool:
    return all(torch.equal(torch.as_tensor(x), torch.as_tensor(y)) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Three clips with unpadded frame names, as distributed and prepared; the last one has no sound."""
    folder, rng = tmp_path_factory.mktemp("both"), np.random.default_rng(4)
    distributed, packed = [], []
    for number, (count, seconds) in enumerate([(45, 1.5), (12, 7.0), (80, None)]):
        jpegs = pattern_jpegs(number, 3, count, 64, rng)
        frames = folder / f"frames{number}"
        frames.mkdir()
        for i, data in enumerate(jpegs):
            (frames / f"{i}.jpg").write_bytes(data)
        sound = None
        if seconds:
            stereo = np.concatenate([pitch(number, seconds, rng), pitch(2, seconds, rng) + 0.1])
            sound = np.round(stereo * 20_000).astype("<i2")
            write_wav(folder / f"{number}.wav", sound, SAMPLE_RATE)
        distributed.append(OfficialClip(frames, folder / f"{number}.wav", number))
        columns = whole_log_mel(None if sound is None else sound.astype(np.float32) / 32768, SAMPLE_RATE)
        order = text_order([f"{i}.jpg" for i in range(count)])
        packed.append(PackedClip(Clip(str(number), SPEC.labels[number]), jpegs, columns, text_order=order))
    start_set(folder, PreparedSettings("both", SPEC.labels, image_size=64))
    write_index(folder, write_shard(folder, 0, packed))
    return distributed, PreparedSet(folder)


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("train", [True, False])
def test_training_and_test_input_are_those_of_the_published_pipeline(both, train, epoch):
    distributed, prepared = both
    dataset = everything(prepared, Sampling(train=train), seed=9)
    dataset.set_epoch(epoch)
    items = [dataset[k] for k in range(3)]
    draws = [Augmentation().draw(9, epoch, k) if train else None for k in range(3)]
    positions = [
        drawn_positions(9, epoch, k, count) if train else frame_indices(count) for k, count in enumerate((45, 12, 80))
    ]
    official = OfficialPipeline(distributed, positions, draws, 48)
    for item, draw, (frames, spectrogram, label) in zip(items, draws, official, strict=True):
        found = augment.apply(item.frames[None], None if draw is None else [draw], 48)[0]
        difference = 255 * (found - frames).abs().max()
        assert difference <= 1.001, f"largest difference of frames {difference} of 255"
        difference = (item.spectrogram - spectrogram).abs() / spectrogram.abs().clamp_min(1)
        assert difference.max() <= HALF_PRECISION + 1e-5, f"largest difference of the log-mel {difference.max()}"
        assert item.label == label


def drawn_positions(seed, epoch, index, count):
    """Return the published rule's draw: which of the files sorted as text."""
    d = count // 16
    if d == 0:
        return frame_indices(count)
    numbers = np.random.default_rng((seed, epoch, index, 2)).integers(d * np.arange(16), d * np.arange(1, 17))
    return numbers.tolist()


def test_items_have_the_shapes_that_training_expects(made):
    item = everything(made)[0]
    assert (item.frames.shape, item.frames.dtype) == ((16, 64, 64, 3), torch.uint8)
    assert (item.spectrogram.shape, item.spectrogram.dtype) == ((1, 512, 128), torch.float32)
    assert (item.label, item.index) == (made.label_index(0), 0)


def test_decoded_frames_are_those_of_pil(made):
    dataset = everything(made, Sampling(train=False, order="natural"))
    for index in range(3):
        positions = frame_indices(made.clips[index].num_frames)
        expected = [np.asarray(Image.open(io.BytesIO(data))) for data in made.jpegs(index, positions)]
        assert np.array_equal(dataset[index].frames, expected)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_draws_are_the_same_in_workers_that_live_on(made, method):
    dataset = everything(made, FIXED, seed=3)
    alone = []
    for epoch in (0, 1, 2):
        dataset.set_epoch(epoch)
        alone.append([dataset[k] for k in range(len(dataset))])
    assert not same(alone[0][0], alone[1][0])
    order = np.random.default_rng(0).permutation(len(dataset)).tolist()
    loader = DataLoader(
        dataset, 1, sampler=order, num_workers=2, persistent_workers=True, multiprocessing_context=method
    )
    for epoch in (2, 0, 1):
        dataset.set_epoch(epoch)
        for k, batch in zip(order, loader, strict=True):
            assert same([part[0] for part in batch], alone[epoch][k]), f"epoch {epoch}, clip {k}"


def test_a_draw_belongs_to_the_clip_and_the_seed(made):
    chosen = ClipDataset(made, [6, 3], SPEC, PAPER)
    assert same(chosen[1], everything(made)[3]) and same(chosen[0], everything(made)[6])
    assert not same(chosen[1], everything(made, seed=2)[3])
    assert same(everything(made, TEST, seed=2)[3], everything(made, TEST)[3])


def test_without_sound_there_is_the_constant_of_padding(made):
    silent = [i for i, clip in enumerate(made.clips) if not clip.has_sound]
    assert silent
    for i in silent:
        assert torch.equal(everything(made)[i].spectrogram, torch.full((1, 512, 128), SPEC.mel.padding))
    heard = everything(made)[0].spectrogram[0]
    columns = made.clips[0].mel_frames
    assert torch.equal(heard[columns:], torch.full((512 - columns, 128), SPEC.mel.padding))
    assert (heard[:columns] != np.float32(SPEC.mel.padding)).any(dim=1).all()


@pytest.mark.parametrize("count", [1, 2, 17, 33, 80])
def test_frames_that_the_lists_do_not_count_are_left_out_as_published(tmp_path, count):
    """MAFW: of n + 1 files named 0.jpg, 1.jpg, ..., sorted as text, the rules see n."""
    jpegs = [cv2.imencode(".jpg", np.full((8, 8, 3), i, np.uint8))[1].tobytes() for i in range(count)]
    order = text_order([f"{i}.jpg" for i in range(count)])
    start_set(tmp_path, PreparedSettings("counted", SPEC.labels, image_size=8, uncounted_frames=1))
    packed = PackedClip(Clip("a", "neutral"), jpegs, np.zeros((0, 128)), text_order=order)
    write_index(tmp_path, write_shard(tmp_path, 0, [packed]))
    by_name = [int(name.removesuffix(".jpg")) for name in sorted(f"{i}.jpg" for i in range(count))]
    expected = {"text": [by_name[k] for k in frame_indices(max(1, count - 1))], "natural": frame_indices(count)}
    for name, positions in expected.items():
        item = everything(PreparedSet(tmp_path), Sampling(train=False, order=name))[0]
        assert item.frames.float().mean(dim=(1, 2, 3)).round().int().tolist() == positions, name
    drawn = everything(PreparedSet(tmp_path), PAPER)
    for epoch in range(50):
        drawn.set_epoch(epoch)
        assert count == 1 or not (drawn[0].frames.float().mean(dim=(1, 2, 3)).round() == by_name[-1]).any()


def test_frames_and_sound_are_of_the_same_span(tmp_path):
    """Of a clip whose frames and sound both say their own time, 10 s."""
    frames = [cv2.imencode(".jpg", np.full((8, 8, 3), i, np.uint8))[1].tobytes() for i in range(250)]
    columns = np.repeat(np.arange(998, dtype=np.float32)[:, None], 128, axis=1) / 100
    start_set(tmp_path, PreparedSettings("timed", SPEC.labels, image_size=8))
    write_index(
        tmp_path, write_shard(tmp_path, 0, [PackedClip(Clip("a", "neutral"), frames, columns, SAMPLE_RATE, 25.0)])
    )
    dataset, starts = everything(PreparedSet(tmp_path), FIXED), set()
    for epoch in range(60):
        dataset.set_epoch(epoch)
        item = dataset[0]
        shown = item.frames.float().mean(dim=(1, 2, 3)) / 25
        heard = item.spectrogram[0, :, 0]
        assert heard[0] - 0.05 <= shown[0] < heard[0] + 0.4
        assert heard[511] - 0.5 < shown[15] <= heard[511] + 0.05
        starts.add(round(heard[0].item(), 1))
    assert max(starts) > 4 and min(starts) < 1
    assert everything(PreparedSet(tmp_path), PAPER)[0].spectrogram[0, 0, 0] == 0  # as published: always the start


def test_a_clip_without_any_face_is_black(tmp_path):
    start_set(tmp_path, PreparedSettings("faceless", SPEC.labels, image_size=8))
    write_index(tmp_path, write_shard(tmp_path, 0, [PackedClip(Clip("a", "neutral"), [], np.ones((20, 128)))]))
    for sampling in (PAPER, TEST, FIXED):
        item = everything(PreparedSet(tmp_path), sampling)[0]
        assert item.frames.shape == (16, 8, 8, 3) and not item.frames.any()
        assert (item.spectrogram[0, :20] == 1).all()


def test_grey_weights_get_the_luma(made):
    grey = everything(made, TEST, dataclasses.replace(SPEC, color="grey"))[0].frames
    luma = [np.asarray(Image.fromarray(frame).convert("L")) for frame in everything(made, TEST)[0].frames.numpy()]
    assert np.array_equal(grey, np.stack(3 * [luma], axis=-1))


def test_labels_are_indices_of_the_weights_own_names(made):
    turned = dataclasses.replace(SPEC, labels=("neutral", "fear", "sadness", "happiness"))
    for i, clip in enumerate(made.clips[:3]):
        assert turned.labels[everything(made, TEST, turned)[i].label] == clip.label


@pytest.mark.parametrize(
    "spec, message",
    [
        ({"labels": ("happiness", "fear")}, "is labelled '(sadness|neutral)', which these weights do not know"),
        ({"sample_rate": 44_100}, "at 16000 Hz, and the weights expect 44100 Hz: prepare it again"),
        ({"mel": MelSpec(bins=64)}, "log-mel settings"),
    ],
)
def test_a_set_for_another_input_is_refused(made, spec, message):
    with pytest.raises(ValueError, match=message):
        everything(made, spec=dataclasses.replace(SPEC, **spec))


def test_a_shorter_log_mel_than_the_sets_own_is_allowed(made):
    spec = dataclasses.replace(SPEC, mel=MelSpec(frames=64))
    short, long = everything(made, TEST, spec)[0], everything(made, TEST)[0]
    assert torch.equal(short.spectrogram, long.spectrogram[:, :64])


def test_indices_and_seeds_out_of_range_are_refused(made):
    with pytest.raises(ValueError, match="has the clips 0 to 11, got 12"):
        ClipDataset(made, [3, 12], SPEC, PAPER)
    with pytest.raises(ValueError, match="seed must be 0 or more"):
        everything(made, seed=-1)


@pytest.mark.parametrize("data", [b"no JPEG", cv2.imencode(".jpg", np.zeros((4, 8, 3), np.uint8))[1].tobytes()])
def test_a_frame_that_cannot_be_used_is_named(tmp_path, data):
    start_set(tmp_path, PreparedSettings("broken", SPEC.labels, image_size=8))
    write_index(tmp_path, write_shard(tmp_path, 0, [PackedClip(Clip("a", "neutral"), [data], np.zeros((0, 128)))]))
    with pytest.raises(ValueError, match="frame 0 of clip a is no JPEG of 8 x 8 px; prepare broken again"):
        everything(PreparedSet(tmp_path))[0]
