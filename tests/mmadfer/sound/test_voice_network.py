"""The network in NumPy, and the rate it hears at: equal to the published graph, and the same in any pieces."""

from __future__ import annotations

import numpy as np
import pytest

from mmadfer.preprocess import resample
from mmadfer.sound.resampling import Resampler
from mmadfer.sound.voice_network import CHUNK, RATE, VoiceNetwork
from tests.support.places import GOLDEN


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "voice.npz") as file:
        return dict(file)


def answers(network: VoiceNetwork, sound: np.ndarray) -> np.ndarray:
    return np.array([network.push(chunk) for chunk in sound.reshape(-1, CHUNK)])


def test_it_answers_as_the_published_graph(golden):
    sound = golden["sound"].astype(np.float32) / 32768
    network = VoiceNetwork()
    difference = np.abs(answers(network, sound) - golden["probabilities"]).max()
    assert difference < 1e-5, f"largest difference {difference:.1e}"
    assert golden["probabilities"].min() < 0.01 and golden["probabilities"].max() > 0.99
    state = np.stack((network._state, network._cell))
    difference = np.abs(state - golden["state"]).max()
    assert difference < 1e-4, f"largest difference of the state {difference:.1e}"


def test_what_it_has_heard_counts_until_it_is_reset(golden):
    sound = golden["sound"][: 20 * CHUNK].astype(np.float32) / 32768
    network = VoiceNetwork()
    first = answers(network, sound)
    assert not np.array_equal(answers(network, sound), first)
    network.reset()
    assert np.array_equal(answers(network, sound), first)


RATES = [8_000, 11_025, 16_000, 22_050, 32_000, 44_056, 44_100, 48_000, 96_000]


@pytest.mark.parametrize("rate", RATES)
def test_resampling_is_the_librarys_in_any_pieces(rate):
    rng = np.random.default_rng(rate)
    sound = (0.1 * rng.standard_normal((2, rate))).astype(np.float32)
    whole = Resampler(rate, RATE, 2).push(sound)
    wanted = resample(sound, rate, RATE).numpy()
    assert 0.95 * RATE < whole.shape[1] <= wanted.shape[1], "it holds more than a few ms back"
    difference = np.abs(whole - wanted[:, : whole.shape[1]]).max()
    assert difference < 2e-5, f"largest difference {difference:.1e}"
    for longest in (7, 500, 5000):
        resampler, begin, pieces = Resampler(rate, RATE, 2), 0, []
        while begin < rate:
            stop = begin + int(rng.integers(1, longest + 1))
            pieces.append(resampler.push(sound[:, begin:stop]))
            begin = stop
        assert np.array_equal(np.concatenate(pieces, axis=1), whole), f"pieces of up to {longest} samples"


def test_a_rate_that_is_none_is_refused():
    with pytest.raises(ValueError, match="must be positive, got 0 and 16000 Hz"):
        Resampler(0, RATE)
