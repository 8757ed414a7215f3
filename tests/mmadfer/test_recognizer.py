"""Window to answer, and whole files, with a small model on the real clips."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from mmadfer.media.media_file import VideoFrame, open_media
from mmadfer.preprocess import model_inputs
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.stream.hops import file_windows
from mmadfer.types import Box, State
from tests.support.small_models import SPEC, small_model, window


def test_a_window_gets_the_models_own_answer_at_its_temperature():
    recognizer = EmotionRecognizer(small_model(), "pytorch", "cpu")
    recognizer.warmup()
    given = window()
    prediction = recognizer.predict(given)
    with torch.no_grad():
        inputs = model_inputs(given.crops, given.waveform, given.sample_rate, SPEC)
        expected = (small_model()(*inputs)[0] / 2.0).softmax(-1)
    ours = torch.tensor([prediction.probabilities[label] for label in SPEC.labels])
    difference = (ours - expected).abs().max().item()
    assert difference < 0.005, f"off by {difference:.1e}"
    assert prediction.label == SPEC.labels[int(ours.argmax())]
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert (prediction.time, prediction.face, prediction.has_audio) == (3.0, Box(1, 2, 30, 30), True)
    assert prediction.trusted
    assert prediction.latency_ms > 0
    recognizer.close()


def test_the_weights_bias_decides_with_their_logits():
    plain = EmotionRecognizer(small_model(), "pytorch", "cpu").predict(window())
    model = small_model()
    model.info = dataclasses.replace(model.info, logit_bias=(*[0.0] * 6, 50.0))
    biased = EmotionRecognizer(model, "pytorch", "cpu").predict(window())
    assert biased.label == SPEC.labels[-1]
    ratio = biased.probabilities["anger"] / biased.probabilities["neutral"]
    assert ratio == pytest.approx(plain.probabilities["anger"] / plain.probabilities["neutral"], rel=1e-6)
    assert biased.probabilities["fear"] == pytest.approx(1, abs=1e-6)


def test_a_file_by_steps_gets_nearly_the_exact_answers(weights, clips):
    recognizer = EmotionRecognizer.from_pretrained(weights, "pytorch", "cpu", "fp32")
    clip = clips / "derived_asl_sorry_jfk_2s_48k.mp4"
    steps, real = [], recognizer.streaming_step
    recognizer.streaming_step = lambda: steps.append(real()) or steps[-1]
    stepped = list(recognizer.stream(clip))
    assert [step.new_frames > 0 for step in steps] == [True]  # it was used
    exact = recognizer.predict_file(clip)
    assert [p.time for p in stepped] == [p.time for p in exact]
    pairs = [(p.probabilities[k], q.probabilities[k]) for p, q in zip(stepped, exact, strict=True) for k in SPEC.labels]
    furthest = max(abs(a - b) for a, b in pairs)
    assert furthest < 0.01, f"off by {furthest:.4f}"


@pytest.mark.parametrize(
    ("changes", "trained", "trusted", "has_audio"),
    [
        ({"waveform": None, "sample_rate": 0, "states": (State.NO_SOUND,)}, True, True, False),
        ({"crops": [], "frame_times": [], "face": None, "states": (State.NO_FACE,)}, True, False, True),
        ({"states": (State.FACE_LOST,), "face_lost_s": 0.4}, True, True, True),
        ({}, False, False, True),
    ],
)
def test_what_is_missing_is_said_and_decides_trust(changes, trained, trusted, has_audio):
    prediction = EmotionRecognizer(small_model(trained), "pytorch", "cpu").predict(window(**changes))
    assert prediction.trusted is trusted
    assert prediction.has_audio is has_audio
    assert set(changes.get("states", ())) <= set(prediction.states)
    assert (State.UNTRAINED in prediction.states) is not trained
    assert prediction.face_lost_s == changes.get("face_lost_s", 0.0)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)


def test_describe_names_weights_engine_and_device():
    assert (
        EmotionRecognizer(small_model(False), "pytorch", "cpu").describe().startswith("small weights, 32 px, PyTorch ")
    )
    recognizer = EmotionRecognizer(small_model(), "pytorch", "cpu")
    assert recognizer.describe().startswith("small, 32 px, PyTorch ")
    assert recognizer.device == "cpu"


def test_a_file_gets_one_answer_per_hop(weights, clips):
    recognizer = EmotionRecognizer.from_pretrained(weights, "pytorch", "cpu")
    steps = []
    clip = clips / "derived_face_jfk_6s_44k.mp4"
    predictions = recognizer.predict_file(clip, progress=lambda done, total: steps.append((done, total)))
    duration, hop = open_media(clip).duration, SPEC.window_seconds / 16
    assert len(predictions) == math.ceil(duration / hop)
    assert [p.time for p in predictions[:-1]] == pytest.approx([hop * (k + 1) for k in range(len(predictions) - 1)])
    assert predictions[-1].time == pytest.approx(duration, abs=hop)
    assert all(p.face and p.has_audio and p.trusted for p in predictions)
    assert State.WINDOW_FILLING in predictions[0].states
    assert predictions[-1].states == ()
    assert steps[-1][0] == predictions[-1].time
    assert len({p.label for p in predictions}) >= 1
    assert len({tuple(p.probabilities.values()) for p in predictions}) > 1


@pytest.mark.parametrize(
    ("clip", "face", "sound"),
    [("intel_asl_thanks.mkv", True, False), ("jfk.flac", False, True), ("pyfeat_single_face.jpg", True, False)],
)
def test_files_without_face_or_sound(weights, clips, clip, face, sound):
    predictions = EmotionRecognizer.from_pretrained(weights, "pytorch", "cpu").predict_file(clips / clip, hop=2.0)
    last = predictions[-1]
    assert (last.face is not None) is face
    assert (State.NO_FACE in last.states) is not face
    assert last.has_audio is sound
    assert (State.NO_SOUND in last.states) is not sound
    assert last.trusted is face


def test_a_long_files_windows_are_those_of_its_last_seconds(clips):
    file = open_media(clips / "derived_face_jfk_6s_44k.mp4")
    last = list(file_windows(file, SPEC, 1.0))[-2]
    assert (last.start, last.end) == (3.0, 6.0)
    assert min(last.frame_times) > last.start
    assert last.waveform.shape[1] == pytest.approx(SPEC.window_seconds * 44100, abs=2)


@pytest.mark.parametrize("header", [0.0, 1.9, 2.0, 60.0])
@pytest.mark.parametrize(("hop", "ends"), [(0.5, [0.5, 1.0, 1.5, 1.9]), (0.95, [0.95, 1.9]), (5.0, [1.9])])
def test_a_file_ends_with_its_last_frame_whatever_its_header_says(clips, header, hop, ends):
    class Made(type(open_media(clips / "jfk.flac"))):
        def packets(self):
            return iter(VideoFrame(k / 10, np.zeros((8, 8, 3), np.uint8)) for k in range(20))

    file = dataclasses.replace(open_media(clips / "intel_asl_thanks.mkv"), duration=header, fps=10.0)
    file = Made(**{field.name: getattr(file, field.name) for field in dataclasses.fields(file)})
    expected = (
        [*ends[:-1], 1.9] if header != 2.0 else {0.5: [0.5, 1.0, 1.5, 2.0], 0.95: [0.95, 1.9, 2.0], 5.0: [2.0]}[hop]
    )
    assert [window.end for window in file_windows(file, SPEC, hop)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("hop", "message"),
    [
        (0.0, "hop must be above 0 seconds, got 0"),
        (-1.0, "hop must be above"),
        (math.nan, "got nan; give a finite"),
        (math.inf, "got inf; give a finite"),
    ],
)
def test_a_wrong_hop_is_refused(weights, clips, hop, message):
    with pytest.raises(ValueError, match=message):
        EmotionRecognizer.from_pretrained(weights, "pytorch", "cpu").predict_file(clips / "jfk.flac", hop=hop)


def test_unknown_weights_are_refused(tmp_path):
    with pytest.raises((ValueError, OSError), match="nowhere"):
        EmotionRecognizer.from_pretrained(tmp_path / "nowhere.pth")


def test_warming_up_tells_how_long_an_answer_takes(monkeypatch):
    monkeypatch.setattr("mmadfer.recognizer._QUICK_WARMUP", 60.0)
    recognizer = EmotionRecognizer(small_model(), "pytorch", "cpu", "fp32")
    assert recognizer.exact_seconds == float("inf")
    recognizer.warmup()
    assert 0 < recognizer.exact_seconds < 30
    monkeypatch.setattr("mmadfer.recognizer._QUICK_WARMUP", 0.0)
    slow = EmotionRecognizer(small_model(), "pytorch", "cpu", "fp32")
    slow.warmup()
    assert slow.exact_seconds == float("inf"), "nobody waits for a slow model to be timed"
