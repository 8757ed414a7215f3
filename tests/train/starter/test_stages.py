"""The starter weights' way: data read by part, clips that move and miss things, three stages, one file."""

import csv
import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmadfer.config import MelSpec
from mmadfer.data.adapters.starter import (
    BERLIN_VOICES,
    CALM,
    CALM_VOICES,
    FACES,
    RATE,
    VOICES,
    Faces,
    read_berlin,
    read_calm,
    read_faces,
    read_voices,
)
from mmadfer.preprocess import spectrogram
from mmadfer.sound.logmel import log_mel
from mmadfer.weights import checkpoint
from tests.support.made_media import tone, write_media
from tests.support.tiny_starter import SPEC, TINY
from train.starter.__main__ import WEIGHTS, main
from train.starter.clips import NEUTRAL, NOTHING_MISSING, Shares, StarterClips, balanced
from train.starter.finish import bias_for
from train.starter.motion import MILD, STILL, Motion, moving
from train.starter.scores import clips_of, score
from train.starter.settings import RECIPE, load
from train.starter.sound import FLOOR, UNCHANGED, Columns, Variation, silent_inputs, varied_inputs


def test_parts_hold_their_own_faces_and_actors(starter_data):
    faces = {part: read_faces(starter_data, part) for part in ("train", "validation", "test")}
    assert [len(part.images) for part in faces.values()] == [42, 14, 14]
    assert all(np.bincount(part.labels, minlength=7).min() > 0 for part in faces.values())
    voices = {part: read_voices(starter_data, part) for part in faces}
    assert {part: {voice.actor for voice in found} for part, found in voices.items()} == {
        "train": {1, 2},
        "validation": {17},
        "test": {20},
    }
    assert [voice.sex for voice in voices["train"]].count("female") == 8
    assert sum(voice.label == NEUTRAL for voice in voices["test"]) == 2, "calm counts as neutral"


def test_what_is_no_starter_data_is_refused(starter_data, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no faces\.npz in"):
        read_faces(tmp_path, "train")
    with pytest.raises(FileNotFoundError, match="no voices of actors for train"):
        read_voices(tmp_path, "train")
    np.savez(tmp_path / FACES, images=np.zeros((2, 4, 4)), labels=[0, 1], split=[0, 0], classes=np.array(["a", "b"]))
    with pytest.raises(ValueError, match=r"it holds float64 of \(2, 4, 4\) and labels among a, b"):
        read_faces(tmp_path, "train")
    (tmp_path / FACES).write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(ValueError, match="damaged or no file of starter faces"):
        read_faces(tmp_path, "train")
    (tmp_path / VOICES).mkdir()
    (tmp_path / VOICES / "hello.flac").write_bytes(b"")
    with pytest.raises(ValueError, match="is not named as RAVDESS names a sentence"):
        read_voices(tmp_path, "train")


def test_voices_of_other_corpora_are_read_by_their_names(starter_data, tmp_path):
    assert read_berlin(tmp_path) == [] and read_calm(tmp_path) == []
    berlin, calm = tmp_path / BERLIN_VOICES, tmp_path / CALM_VOICES
    berlin.mkdir()
    calm.mkdir()
    for name in ("03a01Wa", "03a01Lb", "11b09Nd"):
        write_media(berlin / f"{name}.flac", (), tone(RATE, 0.5), RATE)
    for name in ("espeak_en_male1_0", "espeak_en_male1_1", "flite_en_slt_0"):
        write_media(calm / f"{name}.flac", (), tone(RATE, 0.5), RATE)
    assert [(v.name, v.label, v.actor) for v in read_berlin(tmp_path)] == [("03a01Wa", 3, 3), ("11b09Nd", 2, 11)]
    assert [(v.label, v.actor, v.corpus) for v in read_calm(tmp_path)] == [(2, 0, CALM), (2, 0, CALM), (2, 1, CALM)]
    (berlin / "hello.flac").write_bytes(b"")
    with pytest.raises(ValueError, match="is not named as the Berlin corpus names a sentence"):
        read_berlin(tmp_path)
    write_media(calm / "slow_0.flac", (), tone(8000, 0.5), 8000)
    with pytest.raises(ValueError, match="at 8000 Hz; the starter voices are at 16000 Hz"):
        read_calm(tmp_path)


def test_a_strangers_calm_speech_leaves_the_face_its_label_and_is_neutral_without_one(starter_data):
    faces, voices = read_faces(starter_data, "train"), read_voices(starter_data, "train")
    calm = dataclasses.replace(voices[0], sound=swept(0.5), label=NEUTRAL, corpus=CALM)
    heard = spectrogram(calm.sound, RATE, SPEC.mel).numpy()
    clips = StarterClips(SPEC, faces, [*voices, calm], shares=Shares(0.3, 0, 0, 0, 0.5))
    found = []
    for epoch in range(4):
        clips.set_epoch(epoch)
        for position in range(len(clips)):
            item = clips[position]
            is_calm = np.abs(item.spectrogram[0].numpy() - heard).max() < 1e-5
            found.append(is_calm)
            if is_calm:
                assert item.label == (faces.labels[position] if item.frames.any() else NEUTRAL)
    assert np.mean(found) == pytest.approx(0.5, abs=0.12)


def test_faces_of_a_class_that_no_voice_has_are_refused(starter_data):
    faces = read_faces(starter_data, "train")
    voices = [voice for voice in read_voices(starter_data, "train") if voice.label != 6]
    with pytest.raises(ValueError, match="faces but no voices of fear; each class needs both"):
        StarterClips(SPEC, faces, voices)


def clip_of(image, frames, motion, seed=1):
    return moving(torch.from_numpy(image[None]), frames, motion, [np.random.default_rng(seed)])[0].numpy()


def test_a_face_moves_a_little_within_a_clip_and_not_at_all_where_still():
    image = read_image()
    still = clip_of(image, 5, STILL)
    assert all(np.array_equal(frame, image) for frame in still)
    moved = clip_of(image, 16, dataclasses.replace(Motion(), noise=0.0)).astype(float)
    steps = np.abs(np.diff(moved, axis=0)).mean(axis=(1, 2))
    assert 0 < steps.max() < np.abs(moved - image).mean(), "frames differ less from each other than from the photograph"
    mild = clip_of(image, 16, MILD).astype(float)
    assert np.abs(mild - image).mean() < np.abs(moved - image).mean()


def pose(**changed):
    return dataclasses.replace(STILL, **changed)


def test_each_motion_does_what_it_says():
    image = read_image()
    assert np.array_equal(clip_of(image, 1, pose(flip=1.0))[0], image[:, ::-1])
    lower = clip_of(image, 1, pose(down=(0.125, 0.125)))[0]
    assert np.abs(lower[6:].astype(int) - image[:-6]).max() <= 1, "an eighth of 48 px lower"
    half = clip_of(image, 1, pose(scale=(0.5, 0.5)))[0]
    assert abs(int(half[24, 24]) - int(image[24, 24])) < 10
    matrix = cv2.getRotationMatrix2D((23.5, 23.5), 0, 0.5)
    expected = cv2.warpAffine(image, matrix, (48, 48), borderMode=cv2.BORDER_REFLECT_101)
    assert np.abs(half.astype(int) - expected).max() <= 2
    soft = clip_of(image, 1, pose(blur=1.0))[0]
    assert 0 < np.abs(np.diff(soft.astype(int), axis=1)).sum() < np.abs(np.diff(image.astype(int), axis=1)).sum()
    boxed = clip_of(image, 1, pose(hidden=1.0))[0]
    rows, columns = np.nonzero(boxed != image)
    assert 4 <= np.ptp(rows) + 1 <= 16 and 4 <= np.ptp(columns) + 1 <= 16
    noisy = clip_of(image, 2, pose(noise=4.0))
    assert not np.array_equal(noisy[0], noisy[1])
    brighter = clip_of(image, 1, pose(contrast=(0.5, 0.5)))[0].astype(float)
    assert brighter.std() == pytest.approx(image.std() / 2, rel=0.02)


def test_a_clip_is_the_same_in_any_batch():
    images = torch.from_numpy(np.stack([read_image(), read_image()[::-1], read_image().T]))
    together = moving(images, 3, Motion(), [np.random.default_rng(k) for k in range(3)])
    for k in range(3):
        alone = moving(images[k : k + 1], 3, Motion(), [np.random.default_rng(k)])
        assert (together[k].int() - alone[0].int()).abs().max() <= 1


def read_image():
    y, x = np.mgrid[:48, :48]
    return (127 + 60 * np.sin(x / 5) + 60 * np.cos(y / 7)).astype(np.uint8)


def changed(voice, variation, seeds, spec=SPEC):
    """Windows of one voice, one for each seed."""
    columns = Columns.of([voice], spec)[[0] * len(seeds)]
    return varied_inputs(columns, spec, variation, [np.random.default_rng(seed) for seed in seeds]).numpy()


def test_an_unchanged_voice_is_the_models_own_input(starter_data):
    voice = read_voices(starter_data, "train")[0]
    own = spectrogram(voice.sound, RATE, SPEC.mel).numpy()
    off = np.abs(changed(voice, UNCHANGED, [0])[0] - own).max()
    assert off < 1e-4, f"off by {off:.1e}"


@pytest.mark.parametrize("name", ["gain", "speed", "pitch", "stretch", "tilt", "filter", "contrast", "room", "band"])
def test_each_variation_of_a_voice_changes_it_and_differs_from_draw_to_draw(starter_data, name):
    voice = dataclasses.replace(read_voices(starter_data, "train")[0], sound=swept(0.6))
    variation = dataclasses.replace(UNCHANGED, **{name: 1.0 if name in ("room", "band") else 0.5})
    made, plain = changed(voice, variation, range(6)), changed(voice, UNCHANGED, [0])[0]
    assert np.isfinite(made).all()
    assert np.abs(made - plain).max(axis=(1, 2)).min() > 1e-3
    assert np.abs(made[0] - made[1]).max() > 1e-3


def test_a_room_sounds_on_after_a_voice_and_a_telephone_has_no_ends(starter_data):
    voice = read_voices(starter_data, "train")[0]
    sound = np.concatenate([voice.sound, np.zeros((1, RATE // 2), np.float32)], axis=1)[:, -int(0.6 * RATE) :]
    voice = dataclasses.replace(voice, sound=sound)
    plain = changed(voice, UNCHANGED, [0])[0]
    floor = plain[-20:].mean()
    roomy = changed(voice, dataclasses.replace(UNCHANGED, room=1.0, echo=(0.9, 0.9)), range(4))
    assert (roomy[:, 15:20].mean(axis=(1, 2)) > floor + 0.01).all(), "what follows a voice is not silent"
    hiss = np.random.default_rng(0).normal(0, 0.1, (1, RATE // 2)).astype(np.float32)
    cut = changed(dataclasses.replace(voice, sound=hiss), dataclasses.replace(UNCHANGED, band=1.0), range(20))
    whole = changed(dataclasses.replace(voice, sound=hiss), UNCHANGED, [0])
    lost = (whole - cut).mean(axis=1)  # (draws, bins)
    assert (lost[:, -1] > 0.2).mean() > 0.8 and np.abs(lost[:, 4:9]).max() < 1e-4


def swept(seconds):
    times = np.arange(int(seconds * RATE)) / RATE
    return (0.1 * np.sin(2 * np.pi * (300 * times + 2000 * times**2)) * (1 + np.sin(20 * times)))[None].astype(
        np.float32
    )


def test_a_voice_changes_alike_in_any_batch(starter_data):
    columns = Columns.of(read_voices(starter_data, "train")[:4], SPEC)
    rngs = lambda: [np.random.default_rng(k) for k in range(4)]  # noqa: E731
    together = varied_inputs(columns, SPEC, Variation(), rngs())
    for k in range(4):
        alone = varied_inputs(columns[[k]], SPEC, Variation(), rngs()[k : k + 1])
        assert (together[k] - alone[0]).abs().max() < 1e-5


def test_statistics_are_of_what_is_there(starter_data):
    voices = read_voices(starter_data, "train")[:3]
    voices[1] = dataclasses.replace(voices[1], sound=voices[1].sound[:, : RATE // 4])
    values = np.concatenate([log_mel(v.sound - v.sound.mean(), RATE, SPEC.mel).numpy().ravel() for v in voices])
    assert Columns.of(voices, SPEC).statistics() == pytest.approx((values.mean(), values.std()), rel=1e-4)


def test_a_voice_comes_and_goes_anywhere_in_the_window(starter_data):
    voice = read_voices(starter_data, "train")[0]
    voice = dataclasses.replace(voice, sound=np.tile(voice.sound, 2))
    spec = dataclasses.replace(SPEC, window_seconds=0.5)  # 50 columns
    live = dataclasses.replace(UNCHANGED, whole=0.0, least=1.0)
    floor = (FLOOR - spec.mel.mean) / (2 * spec.mel.std)
    empty = np.abs(changed(voice, live, range(60), spec)[:, :50] - floor).max(axis=2) < 1e-4
    assert empty.mean(axis=1).max() <= 0.32
    assert empty[:, 0].sum() >= 5 and empty[:, -1].sum() >= 5


def test_silences_are_those_that_happen():
    kinds = silent_inputs(SPEC, Variation(), [np.random.default_rng(k) for k in range(40)]).numpy()
    assert any((kind == np.float32(SPEC.mel.padding)).all() for kind in kinds), "no microphone"
    digital = spectrogram(torch.zeros(1, RATE), RATE, SPEC.mel).numpy()
    assert any(np.abs(kind[:20] - digital[:20]).max() < 1e-4 for kind in kinds), "digital silence"
    assert any(kind[:20].std() > 0.01 for kind in kinds), "a quiet room"


def test_shares_of_clips_miss_what_they_should(starter_data):
    faces, voices = read_faces(starter_data, "train"), read_voices(starter_data, "train")
    shares = Shares(no_face=0.3, no_voice=0.3, neither=0.1, stray=0.0, calm=0.0)
    clips = StarterClips(SPEC, faces, voices, motion=Motion(), variation=Variation(), shares=shares)
    black = neutral = count = 0
    for epoch in range(12):
        clips.set_epoch(epoch)
        for position in range(len(clips)):
            item = clips[position]
            gone = not item.frames.any()
            black += gone
            if gone and item.label != faces.labels[position]:
                neutral += item.label == NEUTRAL
                assert item.label == NEUTRAL
            count += 1
    assert black / count == pytest.approx(0.4, abs=0.07)
    assert neutral / count == pytest.approx(0.1 * 6 / 7, abs=0.05)


def test_clips_are_the_same_for_the_same_seed_and_epoch(starter_data):
    faces, voices = read_faces(starter_data, "train"), read_voices(starter_data, "train")

    def item(seed=1, epoch=0):
        clips = StarterClips(SPEC, faces, voices, motion=Motion(), variation=Variation(), seed=seed)
        clips.set_epoch(epoch)
        return clips[3]

    assert torch.equal(item().frames, item().frames) and torch.equal(item().spectrogram, item().spectrogram)
    assert not torch.equal(item().frames, item(epoch=1).frames)
    assert not torch.equal(item().spectrogram, item(seed=2).spectrogram)


def test_scored_clips_have_nothing_missing_and_never_change(starter_data):
    faces, voices = read_faces(starter_data, "test"), read_voices(starter_data, "test")
    for condition, length in (("faces", len(faces.labels)), ("voices", len(voices)), ("both", len(faces.labels))):
        clips = clips_of(condition, SPEC, faces, voices)
        assert len(clips) == length
        first = clips[1]
        assert bool(first.frames.any()) == (condition != "voices")
        assert bool((first.spectrogram == SPEC.mel.padding).all()) == (condition == "faces")
        assert torch.equal(first.frames, clips[1].frames) and torch.equal(first.spectrogram, clips[1].spectrogram)


def test_classes_are_balanced_as_asked():
    labels = np.repeat([0, 1, 2], [80, 16, 4])
    assert np.bincount(labels[balanced(labels, 1.0)]).tolist() == [80, 16, 4]
    assert np.bincount(labels[balanced(labels, 0.0)]).tolist() == [33, 33, 33]
    assert set(balanced(labels, 0.0)) == set(range(100)) - set(range(33, 80)), "members are repeated only when used up"


def test_some_voices_are_strays_and_never_where_the_voice_is_all_there_is(starter_data):
    faces, voices = read_faces(starter_data, "train"), read_voices(starter_data, "train")
    inputs = [spectrogram(voice.sound, RATE, SPEC.mel).numpy() for voice in voices]
    for shares, least, most in (
        (Shares(0, 0, 0, 0.5, 0), 0.3, 0.6),
        (Shares(1, 0, 0, 0.5, 0), 0, 0),
        (Shares(0, 0, 0, 0, 0), 0, 0),
    ):
        clips = StarterClips(SPEC, faces, voices, shares=shares)
        strays = []
        for epoch in range(4):
            clips.set_epoch(epoch)
            for item in (clips[position] for position in range(len(clips))):
                heard = min(range(len(inputs)), key=lambda k: np.abs(inputs[k] - item.spectrogram[0].numpy()).max())
                strays.append(voices[heard].label != item.label)
        assert least <= np.mean(strays) <= most, (shares, np.mean(strays))


def test_live_conditions_are_smaller_lower_and_of_the_windows_length(starter_data):
    faces, voices = read_faces(starter_data, "test"), read_voices(starter_data, "test")
    spec = dataclasses.replace(SPEC, window_seconds=0.6)
    plain, live = (clips_of(name, spec, faces, voices)[0] for name in ("both", "both, live"))
    assert not torch.equal(plain.frames, live.frames) and not torch.equal(plain.spectrogram, live.spectrogram)
    assert torch.equal(live.spectrogram, clips_of("both, live", spec, faces, voices)[0].spectrogram), "always the same"
    padding = spectrogram(None, RATE, spec.mel).numpy()[0]
    columns = [(np.abs(row - padding).max() > 1e-5) for row in live.spectrogram[0].numpy()]
    assert sum(columns) == 58, "0.6 s less the analysis window"


def test_a_score_is_of_every_clip_in_order():
    faces = Faces(np.zeros((40, 24, 24), np.uint8), np.arange(40) % 7)

    def answer(frames, spectrogram):
        assert frames.shape[1:] == (3, 3, 24, 24)
        return torch.eye(7)[torch.zeros(len(frames), dtype=torch.long)]

    scored = score(answer, StarterClips(SPEC, faces, shares=NOTHING_MISSING))
    assert scored.labels.tolist() == faces.labels.tolist()
    assert scored.war == pytest.approx(6 / 40) and scored.uar == pytest.approx(1 / 7)


def test_the_command_trains_all_stages_and_goes_on_where_it_stopped(starter_data, tmp_path, capsys):
    recipe, out = tmp_path / "tiny.toml", tmp_path / "run"
    recipe.write_text(TINY)
    machine = ("--accelerator", "cpu", "--workers", "0")
    arguments = [str(starter_data), "--out", str(out), "--recipe", str(recipe), *machine]
    assert main(arguments) == 0
    model = checkpoint.load_model(out / WEIGHTS)
    assert model.info.trained and model.info.name == "starter weights"
    assert set(model.info.temperatures) == set(model.info.unsure_below) == {"both", "face", "voice"}
    said = capsys.readouterr()
    assert "there are no voices in" in said.err, "of the Berlin corpus, and no calm ones"
    assert "starter.safetensors" in said.out
    assert model.spec.handles_missing == ("face", "audio")
    assert model.spec.mel.mean != MelSpec().mean, "the voices' own statistics"
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    for stage in ("faces", "voices", "joined"):
        with (out / stage / "metrics.csv").open() as file:
            assert len(list(csv.DictReader(file))) == 1
    before = {name: value.clone() for name, value in model.state_dict().items()}
    times = {stage: (out / stage / "last.ckpt").stat().st_mtime_ns for stage in ("faces", "voices", "joined")}
    assert main(arguments) == 0
    assert times == {stage: (out / stage / "last.ckpt").stat().st_mtime_ns for stage in times}, "nothing is done twice"
    again = checkpoint.load_model(out / WEIGHTS).state_dict()
    assert all(torch.equal(before[name], again[name]) for name in before)


def test_as_much_is_added_to_a_class_as_its_recall_wants():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(7), 50)
    logits = rng.normal(0, 1, (350, 7)) + 2 * np.eye(7)[labels]
    bias = np.zeros(7)
    for recall in (0.8, 0.95):
        bias[NEUTRAL] = bias_for(NEUTRAL, logits, labels, recall)
        own = (logits + bias)[labels == NEUTRAL].argmax(axis=1) == NEUTRAL
        assert recall <= own.mean() < recall + 0.05
        assert bias[NEUTRAL] > 0
    assert bias_for(NEUTRAL, logits, labels, 0.0) == bias_for(NEUTRAL, logits, labels, 0.3) == 0.0


def test_the_recipe_of_the_project_can_be_read_and_fits():
    recipe = load()
    assert recipe.spec.image_size % recipe.config.patch_size == 0
    assert recipe.spec.mel.frames % recipe.config.audio_patch_size == 0
    assert set(recipe.stages) == {"faces", "voices", "joined"}


def test_a_recipe_that_lacks_a_part_is_refused(tmp_path):
    text = RECIPE.read_text()
    (tmp_path / "r.toml").write_text(text.replace("[joined]", "[other]"))
    with pytest.raises(ValueError, match=r"r\.toml lacks joined"):
        load(Path(tmp_path / "r.toml"))
    (tmp_path / "r.toml").write_text(text.replace("width = 192", 'width = "wide"', 1))
    with pytest.raises(ValueError, match="width"):
        load(tmp_path / "r.toml")
