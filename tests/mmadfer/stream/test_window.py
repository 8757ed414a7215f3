from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest

from mmadfer.config import InputSpec
from mmadfer.faces.tracker import TrackedFace
from mmadfer.preprocess import frame_indices
from mmadfer.sound.audio_buffer import AudioBuffer
from mmadfer.stream.frame_buffer import CropFrame, FrameBuffer
from mmadfer.stream.window import AVWindow
from mmadfer.types import Box, State
from tests.support.made_media import tone

SPEC = InputSpec(image_size=16, window_seconds=3.0)
FPS = 30.0


class FaceEverywhere:
    """A tracker whose face is the frame's middle, except while it is told to see none."""

    restarts = 0
    in_view = ()

    def __init__(self):
        self.sees = True
        self.closed = False

    def update(self, rgb, time):
        return TrackedFace(Box(4, 4, 16, 16), 0.9) if self.sees else None

    def reset(self):
        self.sees = True

    def close(self):
        self.closed = True


def picture(k):
    return np.full((24, 24, 3), k % 256, np.uint8)


def filled(seconds=4.0, rate=48_000, channels=2, sound=True, frames=True, face=lambda time: True, offset=0.0):
    """Return a window that got ``seconds`` of frames and sound in turn, frame k as a picture of value k."""
    window = AVWindow(SPEC, FaceEverywhere(), voice_activity=False)
    wave = tone(rate, seconds, channels)
    step = round(rate / FPS)
    for k in range(round(seconds * FPS)):
        window._tracker.sees = face(k / FPS)
        if sound:
            window.push_audio(wave[:, k * step : (k + 1) * step], rate, offset + k / FPS, k * step)
        if frames:
            window.push_frame(offset + k / FPS, picture(k))
    return window, wave


def test_nothing_pushed_yet():
    view = AVWindow(SPEC).window()
    assert (view.crops, view.waveform, view.face) == ([], None, None)
    assert view.states == (State.WINDOW_FILLING, State.NO_FACE, State.NO_SOUND)


def test_a_window_holds_the_last_seconds_sampled_by_the_test_time_rule():
    window, wave = filled(4.0)
    view = window.window()
    newest = 119 / FPS
    assert (view.end, view.start) == (newest, newest - 3.0)
    inside = [k for k in range(120) if newest - 3.0 < k / FPS <= newest]
    picked = [inside[i] for i in frame_indices(len(inside))]
    assert [crop[0, 0, 0] for crop in view.crops] == picked
    assert view.frame_times == [k / FPS for k in picked]
    stop = round(newest * 48_000)
    np.testing.assert_array_equal(view.waveform, wave[:, stop - 144_000 : stop])
    assert view.states == () and view.face == Box(4, 4, 16, 16) and view.face_lost_s == 0
    assert (window.frames_in, window.audio_seconds, window.gaps) == (120, pytest.approx(4.0), 0)


def test_a_whole_window_has_the_same_length_wherever_it_ends():
    window, _ = filled(4.5, rate=44_100)
    window.spec = InputSpec(image_size=16, window_seconds=2.50001)  # no whole number of samples
    lengths = {window.window(end).waveform.shape[1] for end in np.linspace(3.1, 4.4, 400)}
    assert lengths == {round(2.50001 * 44_100)}


def test_a_window_is_open_at_its_start_and_closed_at_its_end():
    view = filled(4.0)[0].window(3.0)
    assert view.frame_times[-1] <= 3.0 and view.crops[-1][0, 0, 0] == frame_indices(90)[-1] + 1
    assert [f.time for f in filled(4.0)[0]._frames.until(3.0, 3.0)] == [k / FPS for k in range(1, 91)]


def test_the_window_fills():
    window, _ = filled(1.0)
    view = window.window()
    assert view.states == (State.WINDOW_FILLING,)
    assert view.waveform.shape[1] == round(29 / FPS * 48_000)
    assert len(view.crops) == 16


def test_time_stamps_of_any_origin():
    view = filled(4.0, offset=1.7e9)[0].window()
    assert view.states == ()
    assert abs(view.waveform.shape[1] - 144_000) <= 1


def test_states_of_the_face():
    assert State.NO_FACE in filled(4.0, face=lambda t: False)[0].window().states
    lost = filled(4.0, face=lambda t: t < 3.0)[0].window()
    assert lost.states == (State.FACE_LOST,) and lost.face is None
    assert lost.face_lost_s == pytest.approx(119 / FPS - 89 / FPS)
    assert max(lost.frame_times) < 3.0
    gone = filled(5.0, face=lambda t: t < 1.0)[0].window()
    assert gone.states == (State.NO_FACE,) and gone.crops == []
    assert gone.face_lost_s == pytest.approx(149 / FPS - 29 / FPS)
    back = filled(4.0, face=lambda t: t < 2.0 or t > 3.0)[0].window()
    assert back.states == () and back.face_lost_s == 0
    never = filled(4.0, face=lambda t: False)[0].window()
    assert never.face_lost_s == pytest.approx(119 / FPS)


def test_a_face_counts_from_three_frames_in_a_row_on_and_then_from_its_first():
    def flicker(frames):  # a pattern on the wall, taken for a face in so many frames after 2 s
        return filled(3.0, face=lambda t: 2.0 <= t < 2.0 + (frames - 0.5) / FPS)[0].window()

    for frames in (1, 2):
        view = flicker(frames)
        assert view.crops == [] and State.NO_FACE in view.states, f"{frames} frames"
        assert view.face_lost_s == pytest.approx(89 / FPS)
    view = flicker(3)
    assert sorted(set(view.frame_times)) == [60 / FPS, 61 / FPS, 62 / FPS]
    assert State.FACE_LOST in view.states


def test_held_boxes_make_no_false_face_last():
    window = AVWindow(SPEC, FaceEverywhere(), voice_activity=False)
    window.push_frame(0.0, picture(0))
    window._tracker.update = lambda rgb, time: None
    window.push_frame(0.1, picture(1))
    window._tracker.update = lambda rgb, time: TrackedFace(Box(4, 4, 16, 16), 0.9, held=time > 0.25)
    for k in range(2, 12):
        window.push_frame(k / 10, picture(k))
    assert window.window().crops == []


def test_a_photograph_and_a_short_clip_need_no_three_frames():
    for frames in (1, 2):
        window = AVWindow(SPEC, FaceEverywhere(), voice_activity=False)
        for k in range(frames):
            window.push_frame(k / FPS, picture(k))
        assert len(window.window().crops) == 16 and window.window().face_lost_s == 0
    window._tracker.sees = False
    window.push_frame(0.5, picture(3))
    view = window.window()
    assert view.crops == [] and State.NO_FACE in view.states and view.face_lost_s == pytest.approx(0.5)


def test_video_only_and_sound_only():
    assert filled(4.0, sound=False)[0].window().states == (State.NO_SOUND,)
    heard = filled(4.0, frames=False)[0].window()
    assert heard.states == (State.NO_FACE,) and heard.end == pytest.approx(4.0)
    assert heard.waveform.shape == (2, 144_000)


def test_silence_and_gaps():
    window = AVWindow(SPEC)
    window.push_audio(np.zeros((1, 64_000), np.float32), 16_000, 0.0)
    assert State.SILENCE in window.window().states
    window.push_audio(tone(16_000, 0.1), 16_000, sample_index=65_600)
    view = window.window()
    assert State.SOUND_GAP in view.states and State.SILENCE not in view.states
    assert window.gaps == 1
    window.push_audio(tone(16_000, 4.0), 16_000)
    assert State.SOUND_GAP not in window.window().states, "the gap has left the window"


def test_sound_that_arrives_late_is_waited_for_within_bounds():
    window, _ = filled(4.0)
    for k in range(120, 126):  # 0.2 s of frames before their sound
        window.push_frame(k / FPS, picture(k))
    assert window.window().end == pytest.approx(4.0), "the newest frame whose sound is there"
    for k in range(126, 132):
        window.push_frame(k / FPS, picture(k))
    late = window.window()
    assert late.end == 131 / FPS and State.SOUND_GAP in late.states
    assert late.waveform.shape[1] < 144_000
    for k in range(132, 240):
        window.push_frame(k / FPS, picture(k))
    assert window.window().states == (State.NO_SOUND,)


@pytest.mark.parametrize("lead", [0, 3, 6])
def test_what_a_window_holds_does_not_depend_on_which_came_first(lead):
    expected = filled(4.0)[0].window(3.5)
    window = AVWindow(SPEC, FaceEverywhere())
    wave, step = tone(48_000, 4.0, 2), 1600
    for k in range(120 + lead):
        if k < 120:
            window.push_frame(k / FPS, picture(k))
        if k >= lead:
            j = k - lead
            window.push_audio(wave[:, j * step : (j + 1) * step], 48_000, j / FPS, j * step)
        if k == 113:
            assert window.window().end == pytest.approx((113 - lead) / FPS, abs=1 / FPS + 1e-9)
    view = window.window(3.5)
    np.testing.assert_array_equal(view.waveform, expected.waveform)
    np.testing.assert_array_equal(view.crops, expected.crops)


def test_a_stalled_camera_does_not_stop_the_sound():
    window, _ = filled(2.0)
    window.push_audio(tone(48_000, 2.0, 2), 48_000, 2.0, 96_000)
    view = window.window()
    assert view.end == pytest.approx(4.0) and State.FACE_LOST in view.states
    assert view.face_lost_s == pytest.approx(4.0 - 59 / FPS)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 8])
def test_microphones_of_any_kind(rate, channels):
    view = filled(3.5, rate=rate, channels=channels)[0].window()
    assert view.states == () and view.sample_rate == rate
    assert view.waveform.shape == (channels, 3 * rate)


def test_values_that_are_no_numbers_become_a_gap_of_zeros():
    wave = tone(16_000, 4.0)
    wave[0, 40_000:40_010] = [np.nan, np.inf, -np.inf, 1e30, np.nan, 0, 0, 0, 0, 0]
    window = AVWindow(SPEC)
    window.push_audio(wave, 16_000, 0.0)
    view = window.window()
    assert np.isfinite(view.waveform).all() and np.abs(view.waveform).max() < 1
    assert State.SOUND_GAP in view.states and window.gaps == 1


def test_clipped_sound_is_kept_as_it_is():
    wave = np.clip(8 * tone(16_000, 3.0), -1, 1)
    window = AVWindow(SPEC)
    window.push_audio(wave, 16_000, 0.0)
    np.testing.assert_array_equal(window.window().waveform, wave)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((1, 4), np.int16), 16_000), "divide int16 by 32768"),
        ((np.zeros((1, 4, 2), np.float32), 16_000), "1 to 64 channels"),
        ((np.zeros((65, 4), np.float32), 16_000), "1 to 64 channels"),
        ((np.zeros((1, 4), np.float32), 0), "between 1 and 768000 Hz, got 0"),
        ((np.zeros((1, 4), np.float32), 10**9), "between 1 and 768000 Hz"),
        ((np.zeros((1, 4), np.float32), 16_000, float("nan")), "finite number of seconds"),
        ((np.zeros((1, 4), np.float32), 16_000, 0.0, -1), "sample index must be 0 or more"),
    ],
)
def test_malformed_sound_is_refused_and_changes_nothing(arguments, message):
    window, _ = filled(1.0)
    before = window.window()
    with pytest.raises(ValueError, match=message):
        window.push_audio(*arguments)
    after = window.window()
    np.testing.assert_array_equal(after.waveform, before.waveform)
    assert after.version == before.version


def test_malformed_frames_are_refused():
    window, _ = filled(1.0)
    with pytest.raises(ValueError, match="uint8 array of shape"):
        window.push_frame(2.0, np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match="finite number of seconds, got inf"):
        window.push_frame(float("inf"), picture(0))


def test_frames_out_of_order_or_too_dense_are_left_out():
    window, _ = filled(1.0, sound=False)
    assert window.push_frame(0.5, picture(0)) is None
    assert window.push_frame(29 / FPS + 0.001, picture(0)) is None
    view = window.window()
    assert view.end == 29 / FPS and window.frames_in == 32


def test_a_restarted_clock_starts_the_video_anew():
    window, _ = filled(4.0, offset=1e9, sound=False)
    window.push_frame(0.0, picture(7))
    view = window.window()
    assert view.end == 0.0 and view.crops[0][0, 0, 0] == 7


def test_overlapping_sound_is_taken_once():
    wave = tone(16_000, 1.0)
    buffer = AudioBuffer(2.0)
    buffer.push(wave[:, :9_000], 16_000, 0.0, 0)
    buffer.push(wave[:, 8_000:16_000], 16_000, 0.5, 8_000)
    buffer.push(wave[:, 2_000:3_000], 16_000, None, 2_000)
    sound, gap = buffer.span(1.0, 1.0)
    np.testing.assert_array_equal(sound, wave)
    assert not gap and buffer.received == pytest.approx(1.0)


def test_a_hole_in_the_time_stamps_is_a_gap_and_jitter_is_none():
    buffer = AudioBuffer(5.0)
    for k, jitter in enumerate([0.0, 0.02, -0.02, 0.04]):
        buffer.push(tone(16_000, 0.1), 16_000, k * 0.1 + jitter)
    assert buffer.gaps == 0 and buffer.end_time == pytest.approx(0.4)
    buffer.push(tone(16_000, 0.1), 16_000, 0.9)
    assert buffer.gaps == 1 and buffer.end_time == pytest.approx(1.0)
    sound, gap = buffer.span(1.0, 1.0)
    assert gap and not sound[:, 6_400:14_400].any()


def test_clocks_that_drift_apart_lose_nothing():
    buffer = AudioBuffer(4.0)
    for k in range(1000):  # the sound card is 0.1 % slow
        buffer.push(tone(8_000, 0.1), 8_000, k * 0.1001, k * 800)
    assert buffer.gaps == 0
    assert abs(buffer.end_time - 100.1) < 0.06


def test_a_microphone_plugged_in_again_counts_from_0_and_goes_on_at_its_time():
    buffer = AudioBuffer(6.0)
    old, new = tone(16_000, 2.0), -tone(16_000, 1.0)
    buffer.push(old, 16_000, 10.0, 5_000)
    for k in range(10):
        buffer.push(new[:, k * 1600 : (k + 1) * 1600], 16_000, 13.5 + k / 10, k * 1600)
    assert buffer.end_time == pytest.approx(14.5) and buffer.gaps == 1
    sound, gap = buffer.span(14.5, 4.5)
    np.testing.assert_array_equal(sound, np.concatenate([old, np.zeros((1, 24_000), np.float32), new], axis=1))
    assert gap and not buffer.span(14.5, 1.0)[1]
    assert buffer.received == pytest.approx(3.0)
    for moment in (14.5, 15.0):  # again, first without a pause
        buffer.push(new[:, :8_000], 16_000, moment, 0)
    assert buffer.gaps == 3 and buffer.end_time == pytest.approx(15.5)


def test_time_that_jumps_ahead_while_the_index_goes_on_is_a_gap():
    buffer = AudioBuffer(6.0)
    wave = tone(16_000, 2.0)
    buffer.push(wave[:, :16_000], 16_000, 0.0, 0)
    buffer.push(wave[:, 16_000:24_000], 16_000, 3.0, 16_000)
    buffer.push(wave[:, 24_000:], 16_000, 3.5, 24_000)
    assert buffer.gaps == 1 and buffer.end_time == pytest.approx(4.0)
    sound, gap = buffer.span(4.0, 4.0)
    assert gap and not sound[:, 16_000:48_000].any()
    np.testing.assert_array_equal(sound[:, :16_000], wave[:, :16_000])
    np.testing.assert_array_equal(sound[:, 48_000:], wave[:, 16_000:])


def test_another_rate_starts_the_sound_anew():
    window = AVWindow(SPEC)
    window.push_audio(tone(48_000, 1.0, 2), 48_000, 0.0)
    window.push_audio(tone(16_000, 1.0, 1), 16_000, 1.0)
    view = window.window()
    assert (view.sample_rate, view.waveform.shape, window.gaps) == (16_000, (1, 16_000), 1)


@pytest.mark.parametrize("jump", [10**6, 10**12, 2**62])
def test_a_huge_jump_costs_no_memory(jump):
    buffer = AudioBuffer(2.0)
    buffer.push(tone(16_000, 0.5), 16_000, 0.0, 0)
    tracemalloc.start()
    buffer.push(tone(16_000, 0.5), 16_000, None, jump)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert buffer.end_time == pytest.approx((jump + 8_000) / 16_000)
    sound, gap = buffer.span(buffer.end_time, 1.0)
    assert gap and sound[:, -8_000:].any() and not sound[:, : sound.shape[1] - 8_000].any()


def test_ten_minutes_take_no_more_memory_than_ten_seconds():
    window = AVWindow(SPEC, FaceEverywhere())
    block, still = tone(16_000, 0.1), picture(0)
    tracemalloc.start()
    sizes = []
    for k in range(6_000):
        window.push_audio(block, 16_000, k / 10, k * 1600)
        window.push_frame(k / 10, still)
        if k in (100, 5_999):
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[1] - sizes[0] < 100_000, f"grew by {sizes[1] - sizes[0]} bytes"
    assert window.audio_seconds == pytest.approx(600)


def test_frame_buffer_is_bounded_in_count():
    buffer = FrameBuffer(2.0)
    for k in range(100_000):
        buffer.push(CropFrame(k * 1e-4, None, None))
    assert len(buffer.until(10.0)) <= 2 * 120 + 1


def test_versions_grow_and_views_do_not_change():
    window, _ = filled(1.0)
    first = window.window()
    kept = first.waveform.copy()
    window.push_audio(tone(48_000, 0.2, 2), 48_000, 1.0, 48_000)
    assert window.window().version > first.version
    np.testing.assert_array_equal(first.waveform, kept)


def test_reset_and_close():
    window, _ = filled(4.0)
    window.reset()
    assert window.window().states == (State.WINDOW_FILLING, State.NO_FACE, State.NO_SOUND)
    assert (window.frames_in, window.audio_seconds, window.gaps) == (0, 0, 0)
    window.push_frame(0.0, picture(1))
    tracker = window._tracker
    window.close()
    window.close()
    assert tracker.closed
    assert window.push_frame(1.0, picture(1)) is None
    window.push_audio(tone(16_000, 0.1), 16_000)
    assert window.window().waveform is None


def test_intake_and_reading_from_several_threads():
    window, failures = AVWindow(SPEC, FaceEverywhere()), []
    wave, stop = tone(16_000, 6.0), threading.Event()

    def read():
        try:
            while not stop.is_set():
                view = window.window()
                if view.waveform is not None:
                    at = round((view.end - view.waveform.shape[1] / 16_000) * 16_000)
                    np.testing.assert_array_equal(view.waveform, wave[:, at : at + view.waveform.shape[1]])
        except AssertionError as error:
            failures.append(error)

    def speak():
        for i in range(0, wave.shape[1], 160):
            window.push_audio(wave[:, i : i + 160], 16_000, None, i)

    readers = [threading.Thread(target=read) for _ in range(2)]
    speaker = threading.Thread(target=speak)
    for thread in [*readers, speaker]:
        thread.start()
    speaker.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert not failures, failures[0]
    assert window.audio_seconds == pytest.approx(6.0)
