"""A clock that jumps, in files, cameras and sound: no line for hours of nothing, and no old window as a new one."""

from __future__ import annotations

import logging
import time

import numpy as np
import pytest

from demo.session.session import Session
from mmadfer import EmotionRecognizer
from mmadfer.config import InputSpec
from mmadfer.media.media_file import VideoFrame, open_media
from mmadfer.sources.clip import ClipSource
from mmadfer.stream.hops import file_windows
from mmadfer.stream.window import AVWindow
from mmadfer.types import State
from tests.support.made_media import gradient, tone, write_media

SPEC = InputSpec(image_size=32)


def test_an_hour_of_nothing_costs_no_lines_and_is_named(cases, caplog):
    with caplog.at_level(logging.WARNING):
        windows = list(file_windows(open_media(cases / "jump_1h.mkv"), SPEC, SPEC.hop_seconds))
    assert len(windows) <= 200
    before, after = ([w for w in windows if begin < w.end <= end] for begin, end in ((0, 2.0), (3602.0, 3605.0)))
    assert len(before) == 10 and len(after) == 12, (len(before), len(after))
    assert any("jumps from 2.0" in message and "3602.0" in message for message in caplog.messages)
    for window in after:
        assert all(moment > 3600 for moment in window.frame_times), "a picture from before the hole is shown as new"
        assert State.WINDOW_FILLING in window.states


def test_both_halves_are_answered(cases):
    recognizer = EmotionRecognizer.from_pretrained(backend="pytorch", device="cpu", precision="fp32")
    found = recognizer.predict_file(cases / "jump_1h.mkv", hop=1.0)
    recognizer.close()
    assert any(p.time <= 2 and p.trusted for p in found) and any(p.time > 3602 and p.trusted for p in found)


def test_a_short_hole_keeps_its_lines(tmp_path):
    times = [k / 25 for k in (*range(50), *range(100, 150))]  # 2 s without a frame
    path = write_media(tmp_path / "hole.mp4", [(t, gradient(64, 48)) for t in times])
    ends = [window.end for window in file_windows(open_media(path), SPEC, 0.5)]
    assert ends == pytest.approx([0.5 * k for k in range(1, 13)])


@pytest.mark.parametrize("hole", [3.5, 15.0, 3600.0])
def test_a_camera_that_halted_fills_its_window_anew(hole):
    window = AVWindow(SPEC)
    for k in range(60):
        window.push_frame(k / 15, gradient(64, 48))
    assert State.WINDOW_FILLING not in window.window().states
    for k in range(30):
        window.push_frame(60 / 15 + hole + k / 15, gradient(64, 48))
        assert State.WINDOW_FILLING in window.window().states, f"{k} frames after a hole of {hole} s"
    window.close()


def test_sound_that_halted_fills_its_window_anew():
    window, rate = AVWindow(SPEC), 16_000
    window.push_audio(tone(rate, 4.0), rate, 0.0, 0)
    assert State.WINDOW_FILLING not in window.window().states
    window.push_audio(tone(rate, 1.0), rate, 14.0, 14 * rate)
    view = window.window()
    window.close()
    assert State.WINDOW_FILLING in view.states and State.SOUND_GAP not in view.states
    assert view.waveform.shape[1] == rate, "zeros from the hole stand before the sound"


def test_a_watched_clip_passes_over_its_hole(cases):
    session, shown = Session(SPEC), []
    session.intake.offer_frame = shown.append
    session.intake.offer_sound = lambda sound: None
    source = ClipSource(cases / "jump_1h.mkv")
    source.start(session)
    end = time.monotonic() + 60
    while len(shown) < 200 and time.monotonic() < end:  # 120 frames are one round
        time.sleep(0.05)
    source.close()
    session.stop()
    assert len(shown) >= 200, f"{len(shown)} frames in a minute"


def test_a_clip_whose_sound_changes_is_played_on(cases):
    session, heard = Session(SPEC), []
    session.intake.offer_sound = heard.append
    source = ClipSource(cases / "switch.aac")
    source.start(session)
    end = time.monotonic() + 60
    while sum(s.samples.shape[1] for s in heard) < 6 * 48_000 and time.monotonic() < end:
        time.sleep(0.05)
    source.close()
    session.stop()
    assert {(s.sample_rate, len(s.samples)) for s in heard} == {(48_000, 2)}
    starts = [s.index for s in heard]
    assert starts == [0, *np.cumsum([s.samples.shape[1] for s in heard])[:-1]], "sound is missing or there twice"


def test_sound_of_two_formats_is_scored_to_its_end(cases):
    windows = list(file_windows(open_media(cases / "switch.aac"), SPEC, 0.5))
    assert windows[-1].end == pytest.approx(4.1, abs=0.1)
    assert all(State.SILENCE not in w.states and State.SOUND_GAP not in w.states for w in windows)


def test_joined_recordings_are_one(cases):
    file = open_media(cases / "restart.ts")
    frames = [packet for packet in file.packets() if isinstance(packet, VideoFrame)]
    steps = np.diff([frame.time for frame in frames])
    assert len(frames) == 120 and steps.min() > 0.02 and steps.max() < 0.1, (len(frames), steps.min(), steps.max())
    ends = [window.end for window in file_windows(file, SPEC, 0.5)]
    assert ends[-1] == pytest.approx(4.1, abs=0.1)
