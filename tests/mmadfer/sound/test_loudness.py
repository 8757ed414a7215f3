"""Which channel carries the sound, and whether there is any: what is then listened to, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmadfer import EmotionRecognizer
from mmadfer.config import InputSpec
from mmadfer.media.media_file import open_media
from mmadfer.preprocess import spectrogram
from mmadfer.sound.loudness import SILENCE, is_silent, levels, sounding_channel
from mmadfer.stream.hops import file_windows
from mmadfer.stream.window import AVWindow
from mmadfer.types import State

RATE = 48_000


def voice(seconds: float = 3.0) -> np.ndarray:
    """Return bursts of noise `(n,)` as loud as speech, with pauses between."""
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * RATE)) / RATE
    return (0.2 * rng.standard_normal(len(t)) * (np.sin(2 * np.pi * 2 * t) > 0)).astype(np.float32)


def noise(level: float, count: int, seed: int = 1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def clicks(count: int) -> np.ndarray:
    """Return two single samples at full scale in silence."""
    sound = np.zeros(count, np.float32)
    sound[[1000, count // 2]] = 1.0
    return sound


N = len(voice())
CHANNELS = {
    "voice left": ([voice(), np.zeros(N)], 0),
    "voice on both": ([voice(), voice()], 0),
    "left a little quieter": ([0.3 * voice(), voice()], 0),
    "voice right, silence left": ([np.zeros(N), voice()], 1),
    "voice right, hiss left": ([noise(1e-3, N), voice()], 1),
    "voice right, offset left": ([np.full(N, 0.5), voice()], 1),
    "voice right, crosstalk left": ([0.05 * voice(), voice()], 1),
    "voice right, two clicks left": ([clicks(N), voice()], 1),
    "voice in the centre of six": ([np.zeros(N)] * 2 + [voice()] + [np.zeros(N)] * 3, 2),
    "voice on the last of eight": ([noise(1e-4, N, k) for k in range(7)] + [voice()], 7),
    "a short word right": ([np.zeros(N), np.where(np.arange(N) < 0.1 * RATE, noise(0.2, N), 0)], 1),
    "nothing anywhere": ([np.zeros(N)] * 2, 0),
}


@pytest.mark.parametrize("case", CHANNELS)
def test_the_channel_that_carries_the_sound_is_listened_to(case):
    channels, expected = CHANNELS[case]
    waveform = np.stack(channels).astype(np.float32)
    assert sounding_channel(waveform, RATE) == expected
    heard, alone = spectrogram(waveform, RATE), spectrogram(waveform[expected], RATE)
    if expected:
        assert torch.equal(heard, alone), "the one channel that sounds is not heard as if it were the only one"


@pytest.mark.parametrize(
    ("sound", "silent"),
    [
        (np.zeros(N), True),
        (np.full(N, 0.3), True),
        (np.random.default_rng(0).integers(-1, 2, N) / 32768, True),  # dither
        (noise(SILENCE / 2, N), True),
        (noise(SILENCE / 2, N) + 0.4, True),
        (clicks(N), True),
        (noise(2 * SILENCE, N), False),
        (0.02 * voice(), False),
    ],
    ids=["zeros", "offset", "dither", "hiss", "hiss and offset", "clicks", "room", "whisper"],
)
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000, 192_000])
def test_silence_is_a_level(sound, silent, rate):
    assert is_silent(levels(np.stack([sound]).astype(np.float32), rate)) == silent


@pytest.mark.parametrize("rate", [8_000, 48_000, 192_000])
def test_one_syllable_in_three_seconds_is_no_silence(rate):
    t = np.arange(3 * rate) / rate
    assert not is_silent(levels(np.where(t < 0.1, 0.1 * np.sin(2 * np.pi * 440 * t), 0)[None].astype(np.float32), rate))


def states_of(waveform: np.ndarray) -> tuple[State, ...]:
    window = AVWindow(InputSpec(image_size=32))
    window.push_audio(waveform, RATE, 0.0)
    found = window.window().states
    window.close()
    return found


def test_the_window_says_which_channel_and_whether_it_is_silent():
    assert not {State.SILENCE, State.OTHER_CHANNEL} & set(states_of(np.stack([voice(), voice()])))
    right = states_of(np.stack([np.zeros_like(voice()), voice()]))
    assert State.OTHER_CHANNEL in right and State.SILENCE not in right
    quiet = states_of(np.stack([np.zeros(N, np.float32), noise(SILENCE / 3, N)]))
    assert State.SILENCE in quiet and State.OTHER_CHANNEL not in quiet


def test_a_voice_on_the_right_is_answered_like_the_voice(cases):
    with_voice, right = cases / "voice.flac", cases / "voice_right.flac"
    recognizer = EmotionRecognizer.from_pretrained(backend="pytorch", device="cpu", precision="fp32")
    expected, found = recognizer.predict_file(with_voice, hop=2.0), recognizer.predict_file(right, hop=2.0)
    recognizer.close()
    assert [p.label for p in found] == [p.label for p in expected]
    for ours, theirs in zip(found, expected, strict=True):
        difference = max(abs(ours.probabilities[k] - v) for k, v in theirs.probabilities.items())
        assert difference < 1e-6, f"at {ours.time:.2f} s: largest difference {difference}"
    assert expected[-1].label == "anger" and all(State.OTHER_CHANNEL in p.states for p in found)


def test_each_window_takes_the_channel_of_its_own_time(tmp_path):
    from tests.support.made_media import write_media

    left, right = voice(4.0), voice(4.0)
    left[2 * RATE :], right[: 2 * RATE] = 0, 0
    path = write_media(tmp_path / "interview.mkv", waveform=np.stack([left, right]), sample_rate=RATE)
    windows = list(file_windows(open_media(path), InputSpec(image_size=32, window_seconds=1.0), 1.0))
    assert [State.OTHER_CHANNEL in window.states for window in windows] == [False, False, True, True]
