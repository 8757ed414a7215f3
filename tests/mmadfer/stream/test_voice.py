"""Sound in which nobody speaks: told, shown to no model that bears its absence, and nothing to answer about alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.support.voiceless import voiceless_sounds
from mmadfer.config import InputSpec
from mmadfer.media.media_file import AudioChunk, VideoFrame, open_media
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.stream.answers import Answers
from mmadfer.stream.window import AVWindow, Window
from mmadfer.types import Prediction, State
from mmadfer.weights import starter
from mmadfer.weights.checkpoint import load_model
from tests.support.small_models import small_model, window

RATE = 44_100
SPEC = InputSpec(image_size=32)
CLIP = "derived_face_jfk_6s_44k.mp4"


@pytest.fixture(scope="module")
def recognizer() -> Iterator[EmotionRecognizer]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model gains nothing by two, and loses much where others need them
    model = load_model(starter.FILE)
    model.info = dataclasses.replace(model.info, familiar_voice=())  # here it matters that somebody speaks, not who
    made = EmotionRecognizer(model, "pytorch", "cpu", "fp32")
    yield made
    made.close()
    torch.set_num_threads(threads)


def speech(clips: Path) -> np.ndarray:
    return open_media(clips / "jfk.flac").read_audio()


def packets(clips: Path, sound: np.ndarray | None, faces: bool = True) -> list[VideoFrame | AudioChunk]:
    """Return the frames of the clip, or none, and ``sound`` in pieces of 0.1 s, by their times."""
    found: list[VideoFrame | AudioChunk] = []
    if faces:
        found += [VideoFrame(time, rgb) for time, rgb in open_media(clips / CLIP).frames()]
    step = RATE // 10
    for begin in range(0, 0 if sound is None else sound.shape[1], step):
        found.append(AudioChunk(begin / RATE, sound[:, begin : begin + step], RATE))
    return sorted(found, key=lambda packet: packet.time)


def heard_with(sound: np.ndarray, rate: int = RATE, voice_activity: bool = True) -> Window:
    rings = AVWindow(SPEC, voice_activity=voice_activity)
    rings.push_audio(sound, rate, 0.0)
    found = rings.window()
    rings.close()
    return found


def furthest(ours: Prediction, theirs: Prediction) -> float:
    return max(abs(ours.probabilities[name] - value) for name, value in theirs.probabilities.items())


def test_a_window_says_whether_somebody_speaks(clips):
    rate = open_media(clips / "jfk.flac").sample_rate
    found = heard_with(speech(clips), rate)
    assert State.NO_VOICE not in found.states and 0.3 < found.speech <= 1
    assert found.heard(SPEC) is found.waveform
    for name, sound in voiceless_sounds(4.0, RATE).items():
        found = heard_with(sound)
        assert State.NO_VOICE in found.states and found.speech < 0.09, name
        assert found.heard(SPEC) is None and found.waveform is not None, name
        assert found.heard(dataclasses.replace(SPEC, handles_missing=())) is found.waveform, name


def test_without_sound_or_with_too_little_there_is_no_talk_of_voices():
    silence = heard_with(np.zeros((1, RATE), np.float32))
    assert State.SILENCE in silence.states and State.NO_VOICE not in silence.states and silence.speech == 0
    nothing = AVWindow(SPEC).window()
    assert State.NO_SOUND in nothing.states and State.NO_VOICE not in nothing.states and nothing.speech is None
    low = heard_with(voiceless_sounds(2.0, 4_000)["white noise"], 4_000)
    assert State.NO_VOICE not in low.states and low.speech is None


def test_the_option_off_looks_for_nothing():
    found = heard_with(voiceless_sounds(4.0, RATE)["wind"], voice_activity=False)
    assert State.NO_VOICE not in found.states and found.speech is None
    assert found.heard(SPEC) is found.waveform


def test_the_voice_goes_as_the_window_slides(clips):
    file = open_media(clips / "jfk.flac")
    sound = np.concatenate((speech(clips)[:, : 3 * RATE], np.tile(voiceless_sounds(6.0, RATE)["fan"], (2, 1))), axis=1)
    assert file.sample_rate == RATE
    rings, found = AVWindow(SPEC), {}
    for packet in packets(clips, sound, faces=False):
        rings.push(packet)
        found[round(rings.window().end, 1)] = rings.window()
    rings.close()
    shares = [found[end].speech for end in (3.0, 4.0, 5.0, 7.0)]
    assert shares == sorted(shares, reverse=True) and shares[0] > 0.5 and shares[-1] == 0
    assert State.NO_VOICE not in found[4.0].states and State.NO_VOICE in found[7.0].states


@pytest.mark.parametrize("name", ["wind", "white noise", "chords", "typing"])
def test_sound_without_a_voice_is_answered_as_no_sound_at_all(recognizer, clips, name):
    sound = voiceless_sounds(6.0, RATE)[name]
    with_sound = list(recognizer.stream(iter(packets(clips, sound)), exact=True, hop=1.0))
    without = list(recognizer.stream(iter(packets(clips, None)), exact=True, hop=1.0))
    hears_all = list(recognizer.stream(iter(packets(clips, sound)), exact=True, hop=1.0, voice_activity=False))
    pairs = list(zip(with_sound, without, strict=False))
    assert len(pairs) >= 6
    for ours, theirs in pairs:
        assert furthest(ours, theirs) < 1e-6, f"at {ours.time:.1f} s: off by {furthest(ours, theirs):.1e}"
        assert State.NO_VOICE in ours.states and ours.has_audio and ours.trusted and ours.speech < 0.2
        assert State.NO_SOUND in theirs.states and theirs.speech is None
    assert max(furthest(a, b) for a, b in zip(hears_all, without, strict=False)) > 0.02, "the sound would not matter"
    assert all(State.NO_VOICE not in each.states for each in hears_all)


def test_sound_without_a_voice_and_without_a_face_is_nothing_to_answer_about(recognizer, clips):
    found = list(recognizer.stream(iter(packets(clips, voiceless_sounds(4.0, RATE)["wind"], faces=False)), hop=1.0))
    assert len(found) == 4 and not any(each.trusted for each in found)
    assert all(each.probabilities["fear"] < 0.4 for each in found), "wind is calm"
    voice = list(recognizer.stream(iter(packets(clips, speech(clips)[:, : 4 * RATE], faces=False)), hop=1.0))
    assert all(each.trusted for each in voice[1:])


def test_weights_that_cannot_do_without_sound_hear_it_all_the_same():
    given = window(states=(State.NO_VOICE,))
    models = [small_model(), small_model()]
    models[1].spec = dataclasses.replace(models[1].spec, handles_missing=())
    bears, needs = (EmotionRecognizer(model, "pytorch", "cpu", "fp32") for model in models)
    plain = dataclasses.replace(given, states=())
    absent = dataclasses.replace(given, waveform=None, states=(State.NO_SOUND,))
    assert furthest(needs.predict(given), needs.predict(plain)) == 0
    assert furthest(bears.predict(given), bears.predict(absent)) == 0
    assert furthest(bears.predict(given), bears.predict(plain)) > 0
    assert needs.predict(given).trusted and bears.predict(given).trusted


@pytest.mark.parametrize("hop", [0.1875, 0.375])
def test_steps_stay_near_the_exact_pass_where_the_voice_comes_and_goes(recognizer, clips, hop):
    noise = np.tile(voiceless_sounds(6.0, RATE, seed=2)["fan"], (2, 1))
    voice = speech(clips)
    sound = np.concatenate((noise[:, : 2 * RATE], voice[:, : 1 * RATE], noise), axis=1)[:, : 6 * RATE]
    rings, answers, changes, steps, end = AVWindow(recognizer.spec), Answers(recognizer, exact=False), 0, 0, hop
    before: bool | None = None
    for packet in packets(clips, sound):
        while packet.time > end:
            given, end = rings.window(end), end + hop
            heard = given.heard(recognizer.spec) is not None
            ours, exact = answers.answer(given), recognizer.predict(given)
            assert furthest(ours, exact) <= 0.02, f"at {given.end:.2f} s: off by {furthest(ours, exact):.4f}"
            if before is not None and heard != before:
                changes += 1
                assert answers.was_exact, f"the first answer with other sound, at {given.end:.2f} s, is a step"
            steps += not answers.was_exact
            before = heard
        rings.push(packet)
    rings.close()
    assert changes == 2 and steps >= 3, (changes, steps)
