"""Whether somebody speaks: found in speech, not in other sound, at its own time, and the same in any pieces."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.support.voiceless import voiceless_sounds
from mmadfer.media.media_file import open_media
from mmadfer.preprocess import resample
from mmadfer.sound.voice_activity import LEAST_SPEECH, VoiceActivity, is_voice

RATE = 16_000


@pytest.fixture(scope="module")
def speech(clips) -> np.ndarray:
    """Return eleven seconds in which somebody speaks `(1, n)`, at 16 kHz."""
    file = open_media(clips / "jfk.flac")
    sound = np.concatenate([waveform for _, waveform in file.audio()], axis=1)
    return resample(sound[:1], file.sample_rate, RATE).numpy()


def heard(sound: np.ndarray, rate: int = RATE, longest: int | None = None, number: int = 0) -> VoiceActivity:
    activity = VoiceActivity(60.0)
    activity.start(number, rate, len(sound))
    rng, begin = np.random.default_rng(longest), 0
    while begin < sound.shape[1]:
        stop = sound.shape[1] if longest is None else begin + int(rng.integers(1, longest + 1))
        activity.push(number + begin, sound[:, begin:stop])
        begin = stop
    return activity


def voiced(activity: VoiceActivity, begin: float, stop: float, rate: int = RATE) -> bool:
    share = activity.share(round(begin * rate), round(stop * rate))
    assert share is not None and 0 <= share <= 1
    return is_voice(share, stop - begin)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_speech_has_a_voice_in_every_window(speech, rate):
    sound = resample(speech, RATE, rate).numpy()
    activity = heard(sound, rate)
    assert all(voiced(activity, end - 3.0, end, rate) for end in np.arange(3.0, 10.5, 0.25))
    assert activity.share(0, sound.shape[1]) > 0.5


@pytest.mark.parametrize("name", voiceless_sounds(0.1, RATE))
def test_other_sound_has_none(name):
    for rate in (RATE, 44_100):
        activity = heard(voiceless_sounds(8.0, rate)[name], rate)
        assert not any(voiced(activity, max(0.0, end - 3.0), end, rate) for end in np.arange(0.25, 8.0, 0.25)), rate


@pytest.mark.parametrize("longest", [100, 1000, 20_000])
def test_pieces_of_any_size_give_the_same(speech, longest):
    for rate in (RATE, 44_100):
        sound = resample(speech[:, : 4 * RATE], RATE, rate).numpy()
        whole, pieces = heard(sound, rate), heard(sound, rate, longest)
        assert [*whole._marks] == [*pieces._marks] and len(whole._marks) > 100
        assert np.array_equal(whole._network._state, pieces._network._state), "not to the bit"


def test_a_voice_is_found_at_its_own_time_whatever_the_numbers(speech):
    quiet = np.zeros((1, 4 * RATE), np.float32)
    sound = np.concatenate((quiet, speech[:, : 2 * RATE], quiet), axis=1)
    for number in (0, 1_000_003):
        activity = heard(sound, number=number)
        assert activity.share(number, number + 4 * RATE) == 0
        assert activity.share(number + round(4.2 * RATE), number + round(5.8 * RATE)) > 0.5
        assert activity.share(number + round(6.3 * RATE), number + 10 * RATE) == 0


def test_a_click_of_speech_is_no_voice_and_a_word_is(speech):
    word = speech[:, round(0.35 * RATE) : round(0.85 * RATE)]
    quiet = np.zeros((1, 2 * RATE), np.float32)
    assert voiced(heard(np.concatenate((quiet, word, quiet), axis=1)), 1.5, 4.5)
    assert not is_voice(LEAST_SPEECH / 3 - 0.01, 3.0) and is_voice(LEAST_SPEECH / 3 + 0.01, 3.0)


@pytest.mark.parametrize(
    "channels", [["quiet", "voice"], ["voice", "quiet"], ["voice", "against"], ["quiet"] * 5 + ["voice"]]
)
def test_the_channel_that_the_model_hears_is_judged(speech, channels):
    made = {
        "voice": speech[0],
        "against": -speech[0],
        "quiet": 1e-4 * np.random.default_rng(0).standard_normal(len(speech[0])),
    }
    activity = heard(np.stack([made[name] for name in channels]).astype(np.float32))
    assert voiced(activity, 1.0, 4.0)


def test_a_hole_and_a_rate_that_tells_nothing(speech):
    activity = heard(speech[:, : 3 * RATE])
    activity.push(100 * RATE, speech[:, : 3 * RATE])
    assert activity.share(95 * RATE, 100 * RATE) == 0
    assert activity.share(100 * RATE, 103 * RATE) == heard(speech[:, : 3 * RATE]).share(0, 3 * RATE)
    assert heard(speech, 4_000).share(0, RATE) is None


def test_only_the_last_seconds_are_kept(speech):
    activity = VoiceActivity(2.0)
    activity.start(0, RATE, 1)
    activity.push(0, speech)
    assert activity.share(0, RATE) == 0 and activity.share(speech.shape[1] - RATE, speech.shape[1]) is not None
    assert len(activity._marks) <= 64
