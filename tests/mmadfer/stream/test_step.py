"""The streaming step against the exact pass."""

import numpy as np
import pytest
import torch

from mmadfer.media.media_file import open_media
from mmadfer.stream.hops import file_windows
from mmadfer.stream.step import StreamingStep, match
from mmadfer.stream.window import Window
from mmadfer.types import State
from tests.support.small_models import SPEC
from tests.support.steps import HOP, backend, difference, exact, window_after


def test_the_first_answer_is_the_exact_pass():
    engine = backend()
    step = StreamingStep(engine)
    off = difference(step.logits(window_after(16)), exact(engine, window_after(16)))
    assert step.new_frames == 16
    assert off < 1e-6, f"off by {off:.1e}"


def test_the_step_is_exact_where_the_sound_stays():
    engine = backend()
    step = StreamingStep(engine)
    for hop in range(16, 24):
        logits = step.logits(window_after(hop, sound=1))
        assert step.new_frames == (16 if hop == 16 else 1)
        off = difference(logits, exact(engine, window_after(hop, sound=1)))
        # What is left is the sum over frames, in another order, and later frames' share in the sound's own branch.
        assert off < 1e-3, f"off by {off:.1e} after {hop - 16} steps"


def test_the_step_without_fusion_is_exact_whatever_the_sound():
    engine = backend(gate=0.0)
    engine.keeps_sound = False  # it takes three hops at once below, and would answer with old sound
    step = StreamingStep(engine)
    for hop in range(16, 40, 3):
        off = difference(step.logits(window_after(hop)), exact(engine, window_after(hop)))
        assert step.new_frames == (16 if hop == 16 else 3)
        assert off < 1e-6, f"off by {off:.1e} at hop {hop}"


def test_the_step_does_leave_something_out():
    engine = backend(gate=1.0)
    step = StreamingStep(engine)
    step.logits(window_after(16))
    assert difference(step.logits(window_after(17)), exact(engine, window_after(17))) > 0


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (window_after(60), "a seek or a pause: no frame is left"),
        (window_after(8), "a step back"),
        (window_after(17, states=(State.FACE_LOST,)), "a lost face"),
        (window_after(17, states=(State.WINDOW_FILLING,)), "a new stream"),
        (window_after(17, missing=3), "a window with repeated frames"),
    ],
)
def test_where_the_stream_breaks_the_pass_is_exact(given, why):
    engine = backend()
    step = StreamingStep(engine)
    step.logits(window_after(16))
    off = difference(step.logits(given), exact(engine, given))
    if why != "a step back":
        assert step.new_frames == 16, why
    assert off < (1e-6 if step.new_frames == 16 else 0.01), f"{why}: off by {off:.1e}"


def test_no_face_gives_the_exact_pass_on_black_frames():
    engine = backend()
    step = StreamingStep(engine)
    given = window_after(16)
    empty = Window(given.end, given.start, [], [], given.waveform, 44100, None, (State.NO_FACE,), 1.0, 1)
    off = difference(step.logits(empty), exact(engine, empty))
    assert off < 1e-6, f"off by {off:.1e}"


def test_the_same_window_again_encodes_one_frame():
    engine = backend()
    step = StreamingStep(engine)
    step.logits(window_after(16))
    step.logits(window_after(16))
    assert step.new_frames == 1
    step.reset()
    step.logits(window_after(16))
    assert step.new_frames == 16


def test_on_a_real_clip_steps_stay_close_to_the_exact_pass(clips):
    engine = backend(0.1)
    step = StreamingStep(engine)
    counts, worst = [], 0.0
    for given in file_windows(open_media(clips / "derived_face_jfk_6s_44k.mp4"), SPEC, HOP):
        worst = max(worst, difference(step.logits(given), exact(engine, given)))
        counts.append(step.new_frames)
    assert counts[0] == 16
    assert np.median(counts[-15:]) == 1, counts
    assert worst < 0.01, f"off by {worst:.1e}"


def moving(end):
    """Return the window that ends ``end`` hops into a stream whose picture grows brighter, by 2 grey levels a hop."""
    picture = np.random.RandomState(0).randint(0, 128, (32, 32, 3))
    hops = [end - 15 + k for k in range(16)]
    crops = [(picture + round(2 * hop)).astype(np.uint8) for hop in hops]
    times = {"end": HOP * end, "start": HOP * (end - 16), "frame_times": [HOP * hop for hop in hops]}
    return Window(**{**vars(window_after(16, sound=1)), **times, "crops": crops, "version": round(2 * end)})


def test_an_answer_that_took_half_a_hop_too_long_finds_its_frames_all_the_same():
    step = StreamingStep(backend())
    for end in (16, 16.5, 17):  # how little it matters that a frame lies half a hop beside its place is seen here
        step.logits(moving(end))
    step.logits(moving(22.5))
    assert step.new_frames in (5, 6)


def test_what_neighbours_of_frames_would_do_is_seen_before_they_are_used():
    step = StreamingStep(backend())
    counts = []
    for end in (16, 16.5, 17.5, 18, 18.5):
        step.logits(moving(end))
        counts.append(step.new_frames)
    # At 16.5 all frames are new, and are compared with those half a hop away; at 17.5 fifteen are the same. 18 needs
    # none but the last, its neighbours being known by then.
    assert counts[:3] == [16, 16, 1]
    assert counts[3] == 1


def test_a_picture_that_jumps_is_encoded_anew_however_near_in_time_an_old_one_lies():
    engine, step = backend(), StreamingStep(backend())
    for end in (16, 16.5, 17, 18):
        step.logits(moving(end))
    jumped = moving(18.5)
    for slot in range(4, 16):  # the camera was turned: another picture, at times where the old one lies near
        jumped.crops[slot] = 255 - jumped.crops[slot]
    off = difference(step.logits(jumped), exact(engine, jumped))
    assert step.new_frames >= 12
    assert off < 0.02, f"off by {off:.4f}"


@pytest.mark.parametrize(
    ("times", "kept", "expected"),
    [
        ([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0, 1, 2]),
        ([1.0, 2.0, 3.0], [0.0, 1.05, 1.95], [1, 2, None]),
        ([1.0, 2.0], [], [None, None]),
        ([1.0, 1.05], [1.02], [0, None]),
        ([5.0], [0.0, 1.0], [None]),
    ],
)
def test_frames_are_matched_to_the_nearest_kept_one_once(times, kept, expected):
    assert match(times, kept, 0.1) == expected


def test_logits_are_one_clips():
    assert StreamingStep(backend()).logits(window_after(16)).shape == torch.Size([1, len(SPEC.labels)])


def spied(engine):
    """Return what ``engine`` is asked to encode, as it comes: (name, new frames)."""
    calls = []

    def spy(name, inner):
        def call(frames, *rest):
            calls.append((name, len(frames)))
            return inner(frames, *rest)

        setattr(engine, name, call)

    spy("encode", engine.encode)
    spy("encode_faces", engine.encode_faces)
    return calls


def test_a_machine_that_is_behind_spares_itself_the_sound_but_not_for_long():
    engine = backend()
    calls = spied(engine)
    step = StreamingStep(engine)
    for hop in (12, 13, 14, 15, 16, 17, 19, 21, 23, 25, 27, 28, 30):
        step.logits(window_after(hop))
    faces, both = "encode_faces", "encode"
    # By 16 it is known how little sound of 4 hops ago changes. Behind from 17 on: its sound lasts until 25. At 28 the
    # machine has caught up.
    known = [(both, 16), *[(both, 1)] * 5]
    late = [(faces, 2)] * 4
    expected = [*known, *late, (both, 2), (both, 1), (faces, 2)]
    assert calls == expected
    assert not step.new_sound


def test_frames_with_kept_sound_are_exact_where_the_sound_stays():
    engine = backend()
    step = StreamingStep(engine)
    for hop in (12, 13, 14, 15, 16, 18, 20):
        off = difference(step.logits(window_after(hop, sound=1)), exact(engine, window_after(hop, sound=1)))
        assert off < 1e-3, f"off by {off:.1e} at hop {hop}"
    assert not step.new_sound


@pytest.mark.parametrize(
    "why",
    ["sound has come", "the face was lost", "the engine has no way to", "it is another sound", "nothing is known"],
)
def test_sound_is_encoded_where_kept_sound_would_not_do(why):
    engine = backend()
    step = StreamingStep(engine)
    for hop in (12, 13, 14, 15) if why != "nothing is known" else ():
        step.logits(window_after(hop))
    first, then = window_after(16), window_after(18, states=(State.FACE_LOST,) if "lost" in why else ())
    if "come" in why:
        first = Window(**{**vars(first), "waveform": None})
    if "engine" in why:
        engine.keeps_sound = False
    if "another" in why:
        then = Window(**{**vars(then), "waveform": np.zeros_like(then.waveform)})
    step.logits(first)
    step.logits(then)
    assert step.new_sound, why
