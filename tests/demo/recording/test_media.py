"""Recorded picture and sound stand where they were, whatever clock the sound card keeps and whatever is lost."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from demo.recording.media import RATE, MediaWriter
from demo.recording.track_clock import SoundClock
from tests.support.recordings import best_shift, decoded_sound

SOURCE = 16_000
IN_STEP = 0.02


@pytest.mark.parametrize("rate_error", [-2e-4, 0.0, 2e-4], ids=["slow card", "true card", "fast card"])
def test_ten_minutes_of_a_wrong_clock_stay_in_step(rate_error: float) -> None:
    clock, rng = SoundClock(RATE), np.random.default_rng(0)
    worst, block = 0.0, round(0.1 * RATE)
    marks = np.zeros((1, block), np.float32)
    for number in range(6000):
        true = number * 0.1 * (1 + rate_error)  # when the block was really heard
        begin = clock.position / RATE
        worst = max(worst, abs(begin - true))
        clock.place(max(0.0, true + rng.normal(0, 0.004)), marks)
    assert worst < IN_STEP, f"off by {1000 * worst:.1f} ms"
    assert clock.filled < IN_STEP * RATE, "a sound card that runs a little off has lost nothing"


def test_a_hole_becomes_silence_and_an_early_block_is_cut() -> None:
    clock = SoundClock(100)
    assert clock.place(0.5, np.ones((1, 10), np.float32)).tolist() == [[0.0] * 50 + [1.0] * 10]
    assert clock.place(1.0, np.ones((1, 10), np.float32)).tolist() == [[0.0] * 40 + [1.0] * 10]
    assert clock.place(0.9, np.ones((1, 30), np.float32)).tolist() == [[1.0] * 10]
    assert (clock.position, clock.filled) == (120, 90)


def write(path: Path, channels: int = 1, rates: tuple[int, int] = (SOURCE, SOURCE)) -> np.ndarray:
    """Write 4 s of flicker and noise, half a second of sound lost, the rate changed; return the sound at RATE."""
    writer = MediaWriter(path, (64, 48), channels)
    noise = np.random.default_rng(3).normal(0, 0.2, 4 * RATE).clip(-1, 1).astype(np.float32)
    noise = np.convolve(noise, np.ones(16) / 4, "same").astype(np.float32)  # nothing that 16 kHz cannot hold
    for k in range(40):
        writer.push_frame(0.1 * k, np.full((48, 64, 3), 40 + 5 * k, np.uint8))
        rate = rates[k >= 30]
        piece = noise[round(0.1 * k * RATE) : round(0.1 * (k + 1) * RATE) : RATE // rate]
        if not 15 <= k < 20:
            writer.push_sound(0.1 * k, np.repeat(piece[None], channels, axis=0), rate)
    writer.close()
    noise[round(1.5 * RATE) : 2 * RATE] = 0
    return noise


@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_holds_each_moment_at_its_time(channels: int, tmp_path: Path) -> None:
    noise = write(tmp_path / "video.webm", channels, (SOURCE, RATE))
    heard = decoded_sound(tmp_path / "video.webm", RATE)
    for begin, end in ((0.0, 1.5), (2.0, 3.0), (3.0, 4.0)):
        piece = slice(round(begin * RATE), round(end * RATE))
        shift = best_shift(heard[piece], noise[piece], RATE)
        assert abs(shift) < 0.002, f"{begin} s to {end} s is off by {1000 * shift:+.1f} ms"
    assert np.abs(heard[round(1.55 * RATE) : round(1.95 * RATE)]).max() < 0.02, "what was lost is no silence"
    with av.open(str(tmp_path / "video.webm")) as file:
        assert file.duration == pytest.approx(4e6, abs=1e5)
        frames = [(float(frame.time), float(frame.to_ndarray(format="gray").mean())) for frame in file.decode(video=0)]
    times, shades = np.array(frames).T
    assert times == pytest.approx(0.1 * np.arange(40), abs=0.001)
    assert shades == pytest.approx(40 + 5 * np.arange(40), abs=3)


def test_a_picture_of_another_size_is_brought_to_the_first_ones_and_an_old_one_left_out(tmp_path: Path) -> None:
    writer = MediaWriter(tmp_path / "video.webm", (64, 48), None)
    assert writer.push_frame(0.0, np.full((48, 64, 3), 90, np.uint8))
    assert writer.push_frame(0.1, np.full((96, 128, 3), 90, np.uint8))
    assert not writer.push_frame(0.05, np.full((48, 64, 3), 90, np.uint8))
    writer.push_sound(0.0, np.zeros((1, 100), np.float32), SOURCE)  # without a track for it
    writer.close()
    with av.open(str(tmp_path / "video.webm")) as file:
        assert [(frame.width, frame.height) for frame in file.decode(video=0)] == [(64, 48)] * 2
