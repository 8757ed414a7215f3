"""The starter weights' way: data read by part, clips that move and miss things, three stages, one file."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from mmadfer.config import MelSpec
from mmadfer.data.adapters.starter import FACES, RATE, VOICES, Faces, read_faces, read_voices
from mmadfer.preprocess import spectrogram
from mmadfer.weights import checkpoint
from tests.support.tiny_starter import SPEC, TINY
from train.starter.__main__ import WEIGHTS, main
from train.starter.clips import NEUTRAL, NOTHING_MISSING, Shares, StarterClips, balanced
from train.starter.motion import MILD, STILL, Motion, clip_of
from train.starter.scores import clips_of, score
from train.starter.settings import RECIPE, load
from train.starter.sound import FLOOR, Variation, columns_of, silent_input, varied_input


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


def test_a_face_moves_a_little_within_a_clip_and_not_at_all_where_still():
    image = read_image()
    still = clip_of(image, 5, STILL, np.random.default_rng(1))
    assert all(np.array_equal(frame, image) for frame in still)
    moved = clip_of(image, 16, dataclasses.replace(Motion(), noise=0.0), np.random.default_rng(1)).astype(float)
    steps = np.abs(np.diff(moved, axis=0)).mean(axis=(1, 2))
    assert 0 < steps.max() < np.abs(moved - image).mean(), "frames differ less from each other than from the photograph"
    mild = clip_of(image, 16, MILD, np.random.default_rng(1)).astype(float)
    assert np.abs(mild - image).mean() < np.abs(moved - image).mean()


def read_image():
    y, x = np.mgrid[:48, :48]
    return (127 + 60 * np.sin(x / 5) + 60 * np.cos(y / 7)).astype(np.uint8)


def test_an_unchanged_voice_is_the_models_own_input(starter_data):
    voice = read_voices(starter_data, "train")[0]
    nothing = Variation(0.0, 0.0, 0.0, 0.0, (-60.0, -60.0), 0, 0, 0, 1.0, whole=1.0)
    made = varied_input(columns_of(voice, SPEC), SPEC, nothing, np.random.default_rng(0))
    own = spectrogram(voice.sound, RATE, SPEC.mel).numpy()
    assert np.abs(made - own).max() < 1e-4, f"off by {np.abs(made - own).max():.1e}"


def test_a_voice_comes_and_goes_anywhere_in_the_window(starter_data):
    voice = read_voices(starter_data, "train")[0]
    columns = np.pad(columns_of(voice, SPEC), ((0, 40), (0, 0)), mode="edge")
    live = Variation(0.0, 0.0, 0.0, 0.0, (-60.0, -60.0), 0, 0, 0, 1.0, whole=0.0)
    spec = dataclasses.replace(SPEC, window_seconds=0.5)  # 50 columns
    floor = (FLOOR - spec.mel.mean) / (2 * spec.mel.std)
    late = early = 0
    for seed in range(60):
        window = varied_input(columns, spec, live, np.random.default_rng(seed))[:50]
        empty = np.abs(window - floor).max(axis=1) < 1e-4
        assert empty.mean() <= 0.32
        late, early = late + bool(empty[0]), early + bool(empty[-1])
    assert late >= 5 and early >= 5, (late, early)


def test_silences_are_those_that_happen():
    rng = np.random.default_rng(0)
    kinds = [silent_input(SPEC, Variation(), rng) for _ in range(40)]
    assert any((kind == np.float32(SPEC.mel.padding)).all() for kind in kinds), "no microphone"
    digital = spectrogram(torch.zeros(1, RATE), RATE, SPEC.mel).numpy()
    assert any(np.abs(kind[:20] - digital[:20]).max() < 1e-4 for kind in kinds), "digital silence"
    assert any(kind[:20].std() > 0.01 for kind in kinds), "a quiet room"


def test_shares_of_clips_miss_what_they_should(starter_data):
    faces, voices = read_faces(starter_data, "train"), read_voices(starter_data, "train")
    shares = Shares(no_face=0.3, no_voice=0.3, neither=0.1, stray=0.0)
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
        (Shares(0, 0, 0, 0.5), 0.3, 0.6),
        (Shares(1, 0, 0, 0.5), 0, 0),
        (Shares(0, 0, 0, 0), 0, 0),
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
    assert model.spec.handles_missing == ("face", "audio")
    assert model.spec.mel.mean != MelSpec().mean, "the voices' own statistics"
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert "starter.safetensors" in capsys.readouterr().out
    for stage in ("faces", "voices", "joined"):
        with (out / stage / "metrics.csv").open() as file:
            assert len(list(csv.DictReader(file))) == 1
    before = {name: value.clone() for name, value in model.state_dict().items()}
    times = {stage: (out / stage / "last.ckpt").stat().st_mtime_ns for stage in ("faces", "voices", "joined")}
    assert main(arguments) == 0
    assert times == {stage: (out / stage / "last.ckpt").stat().st_mtime_ns for stage in times}, "nothing is done twice"
    again = checkpoint.load_model(out / WEIGHTS).state_dict()
    assert all(torch.equal(before[name], again[name]) for name in before)


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
