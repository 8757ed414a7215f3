"""The live protocol on real videos: what is scored is what the recogniser says of each window."""

import dataclasses
import json

import numpy as np
import pytest

import mmadfer
from mmadfer import EmotionRecognizer
from mmadfer.data.manifest import Clip
from mmadfer.data.prepared import PreparedClip, PreparedSet, PreparedSettings
from mmadfer.data.shards import PackedClip, start_set, whole_log_mel, write_index, write_shard
from mmadfer.types import Prediction, State
from tests.support.evaluate import LABELS, SPEC, model, run
from tests.support.made_datasets import SAMPLE_RATE, pattern_jpegs
from train.scoring.live_protocol import WindowMean
from train.scoring.predictions import load_predictions

LONG, SHORT, NO_FACE = "derived_face_jfk_6s_44k.mp4", "derived_asl_sorry_jfk_2s_48k.mp4", "pyfeat_no_face.mp4"
CLIP = PreparedClip("c", "a", {}, 0, 25.0, 0, 0)


def live_set(folder, videos):
    """Write a prepared set whose clips play ``videos`` [(file, start, end)]."""
    start_set(folder, PreparedSettings("played", LABELS, image_size=32, sample_rate=SAMPLE_RATE))
    rng = np.random.default_rng(0)
    packed = [
        PackedClip(
            Clip(f"clip-{k}", LABELS[k % 3], {"1": "test"}, video=video, start=start, end=end),
            pattern_jpegs(0, 3, 2, 32, rng),
            whole_log_mel(None, SAMPLE_RATE),
            sample_rate=0,
            fps=25.0,
            text_order=(),
        )
        for k, (video, start, end) in enumerate(videos)
    ]
    write_index(folder, write_shard(folder, 0, packed))
    return PreparedSet(folder)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return mmadfer.save_model(model(temperature=2.0), tmp_path_factory.mktemp("weights") / "small.safetensors")


def values(prediction):
    return [prediction.probabilities[name] for name in LABELS]


def test_a_clips_answer_is_the_mean_of_its_full_windows(weights, clips, tmp_path, capsys):
    prepared = live_set(tmp_path / "set", [(LONG, 0.0, None), (SHORT, 0.0, None), (LONG, 1.0, 5.0), (NO_FACE, 0, None)])
    options = ("--weights", weights, "--protocol", "live", "--root", clips, "--hop", 0.5)
    assert run(prepared, tmp_path / "out", *options) == 0
    found = load_predictions(tmp_path / "out" / "predictions-fold-1.npz")
    recognizer = EmotionRecognizer.from_pretrained(weights, "pytorch", "cpu", "fp32")

    def windows(name):
        return list(recognizer.stream(clips / name, hop=0.5))

    long, short, none = windows(LONG), windows(SHORT), windows(NO_FACE)
    full = [p for p in long if State.WINDOW_FILLING not in p.states]
    assert 1 < len(full) < len(long)
    assert all(p.trusted for p in full)
    inside = [p for p in full if 1.0 + SPEC.window_seconds <= p.time <= 5.0]
    assert 1 < len(inside) < len(full)
    assert all(State.WINDOW_FILLING in p.states for p in short)
    expected = [np.mean([values(p) for p in full], axis=0), values(short[-1]),
                np.mean([values(p) for p in inside], axis=0), values(none[-1])]  # fmt: skip
    furthest = np.abs(found.probabilities - expected).max()
    assert furthest < 1e-6, f"off by {furthest:.1e}"
    report = json.loads((tmp_path / "out" / "metrics.json").read_text())["folds"][0]
    assert report["windows"]["counted"] == len(full) + 1 + len(inside) + 1
    assert report["latency_ms"]["p50"] > 0
    assert report["streaming_step"] is True
    said = capsys.readouterr().out
    assert "would have shown no label for 1 of 4 clips" in said
    assert "clip-3" in said


def test_the_exact_pass_can_be_scored_too(weights, clips, tmp_path):
    prepared = live_set(tmp_path / "set", [(LONG, 0.0, None)])
    options = ("--weights", weights, "--protocol", "live", "--root", clips, "--hop", 1.0)
    for name, more in (("step", ()), ("exact", ("--exact",))):
        assert run(prepared, tmp_path / name, *options, *more) == 0
    step, exact = (load_predictions(tmp_path / n / "predictions-fold-1.npz").probabilities for n in ("step", "exact"))
    recognizer = EmotionRecognizer.from_pretrained(weights, "pytorch", "cpu", "fp32")
    full = [p for p in recognizer.stream(clips / LONG, hop=1.0, exact=True) if State.WINDOW_FILLING not in p.states]
    np.testing.assert_allclose(exact[0], np.mean([values(p) for p in full], axis=0), atol=1e-6)
    assert np.abs(step - exact).max() > 1e-5, "the streaming step left no trace"


def test_a_video_that_cannot_be_played_is_named_and_the_others_are_scored(weights, clips, tmp_path, capsys):
    root = tmp_path / "root"
    root.mkdir()
    (root / "broken.mp4").write_bytes(b"no video at all")
    (root / SHORT).write_bytes((clips / SHORT).read_bytes())
    prepared = live_set(tmp_path / "set", [("broken.mp4", 0.0, None), (SHORT, 0.0, None)])
    options = ("--weights", weights, "--protocol", "live", "--root", root)
    assert run(prepared, tmp_path / "out", *options) == 0
    assert load_predictions(tmp_path / "out" / "predictions-fold-1.npz").clip_ids == ("clip-1",)
    assert "clip-0 is left out" in capsys.readouterr().out
    only = live_set(tmp_path / "only", [("broken.mp4", 0.0, None)])
    assert run(only, tmp_path / "out", *options) == 2
    assert "none of the 1 videos can be played" in capsys.readouterr().err


def test_missing_videos_are_named_before_anything_is_computed(weights, clips, tmp_path, capsys):
    videos = [(LONG, 0.0, None)] + [(f"gone-{k}.mp4", 0.0, None) for k in range(7)]
    options = ("--weights", weights, "--protocol", "live", "--root", clips)
    assert run(live_set(tmp_path / "set", videos), tmp_path / "out", *options) == 2
    said = capsys.readouterr().err
    assert "gone-0.mp4, gone-1.mp4, gone-2.mp4, gone-3.mp4, gone-4.mp4, ... (7) of 8 videos are not in" in said
    assert run(live_set(tmp_path / "without", [("", 0.0, None)]), tmp_path / "out", *options) == 2
    assert "clip-0 (1) of 1 clips have no video" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def window(time, first, *states):
    return Prediction(time, "", {"a": first, "b": 1 - first}, None, True, 1.0, states)


@pytest.mark.parametrize(
    ("windows", "span", "expected", "never"),
    [
        ([(1.0, 0.1, State.WINDOW_FILLING), (3.0, 0.4), (4.0, 0.8)], (0, None), [0.4, 0.8], False),
        ([(3.0, 0.4), (4.0, 0.8, State.NO_FACE)], (0, None), [0.4], False),  # not shown
        ([(3.0, 0.4), (4.0, 0.8, State.FACE_LOST)], (0, None), [0.4, 0.8], False),  # shown
        ([(3.0, 0.4), (4.0, 0.8, State.UNTRAINED)], (0, None), [0.4, 0.8], False),
        ([(1.0, 0.1, State.WINDOW_FILLING), (2.0, 0.2, State.WINDOW_FILLING)], (0, None), [0.2], False),
        ([(1.0, 0.1, State.WINDOW_FILLING), (2.0, 0.2, State.NO_FACE)], (0, None), [0.1], False),
        ([(1.0, 0.1, State.NO_FACE), (2.0, 0.2, State.NO_FACE)], (0, None), [0.2], True),
        ([(3.0, 0.1), (4.0, 0.2), (5.0, 0.3), (6.0, 0.4)], (2, None), [0.3, 0.4], False),
        ([(3.0, 0.1), (4.0, 0.2)], (2, None), [0.2], False),  # a span shorter than the window
        ([(1.0, 0.1), (3.0, 0.2, State.NO_FACE)], (2, None), [0.2], True),  # what is before the span does not count
    ],
)
def test_which_windows_count(windows, span, expected, never):
    mean = WindowMean(dataclasses.replace(CLIP, start=span[0], end=span[1]), SPEC)
    for time, first, *states in windows:
        mean.push(window(time, first, *states))
    assert [p["a"] for p in mean.counted()] == expected
    assert mean.never_shown is never


def test_a_clip_without_any_window_is_an_error():
    with pytest.raises(ValueError, match="neither a picture nor sound"):
        WindowMean(CLIP, SPEC).counted()
