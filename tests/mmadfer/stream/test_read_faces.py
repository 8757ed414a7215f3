"""Several faces read at once: each has its window and its answers, in turn, and the voice goes to whose mouth moves."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

import mmadfer
from mmadfer.config import InputSpec
from mmadfer.faces.mouth import speaker
from mmadfer.sound.loudness import loudness_over_time
from mmadfer.stream.further import FurtherFaces, movements
from mmadfer.stream.in_turn import InTurn
from mmadfer.stream.results import FACES_KEPT, Results
from mmadfer.stream.window import AVWindow
from mmadfer.types import Basis, State
from tests.support.recordings import decoded_sound
from tests.support.two_faces import FPS, Scene, walk
from tests.support.waiting import until

SPEC = InputSpec(image_size=112, handles_missing=("face", "audio"))
COUNT = 5 * FPS
LEFT, RIGHT = 150, 480


@pytest.fixture(scope="module")
def scene(clips):
    return Scene(clips)


@pytest.fixture(scope="module")
def frames(scene):
    return scene.frames(walk(LEFT, LEFT, COUNT), walk(RIGHT, RIGHT, COUNT))


def filled(frames, faces, sound=None):
    window = AVWindow(SPEC, keeps_person=True, faces=faces)
    if sound is not None:
        window.push_audio(sound, 16_000, 0.0)
    for k, rgb in enumerate(frames):
        window.push_frame(k / FPS, rgb)
    return window


def test_each_face_has_its_own_window_and_the_chosen_ones_is_as_ever(frames):
    with contextlib.closing(filled(frames, 1)) as alone, contextlib.closing(filled(frames, 2)) as both:
        before, chosen = alone.window(), both.window()
        assert alone.further == () and alone.further_windows() == []
        assert both.further == (2,)
        (other,) = both.further_windows()
    assert chosen.frame_times == before.frame_times and chosen.states == before.states
    assert all(np.array_equal(a, b) for a, b in zip(chosen.crops, before.crops, strict=True))
    assert (chosen.face_number, other.face_number, other.face_count) == (1, 2, 2)
    assert len(other.crops) == 16 and other.frame_times == chosen.frame_times
    assert State.WINDOW_FILLING not in other.states and other.face.x > 320 > chosen.face.x
    own = np.mean([np.abs(crop.astype(int) - other.crops[-1]).mean() for crop in other.crops])
    apart = np.abs(chosen.crops[-1].astype(int) - other.crops[-1]).mean()
    assert own < 10 < 30 < apart


def test_a_face_that_goes_meanwhile_is_never_shown_by_anothers_pictures(frames, monkeypatch):
    with contextlib.closing(filled(frames, 2)) as window:
        (before,) = window.further_windows()
        newest = window._newest

        def gone():  # as if the intake's thread were there in between
            window._further.reset()
            return newest()

        monkeypatch.setattr(window, "_newest", gone)
        (after,) = window.further_windows()
        assert after.face_number == 2
        assert all(np.array_equal(a, b) for a, b in zip(after.crops, before.crops, strict=True))
        assert window.further_windows() == [] and window.window().face_number == 1


def test_the_voice_of_another_face_is_not_judged(frames):
    recognizer = mmadfer.EmotionRecognizer.from_pretrained("starter")
    try:
        with contextlib.closing(filled(frames, 1, np.zeros((1, 80_000), np.float32))) as window:
            view = replace(window.window(), states=(State.OTHERS_VOICE,))
        assert recognizer.info.familiar_voice and recognizer.predict(view).states == (State.OTHERS_VOICE,)
        assert recognizer.predict(view).rests_on is Basis.FACE
    finally:
        recognizer.close()


def test_of_people_who_pass_by_nothing_grows():
    results, turn = Results(), InTurn(Counting())
    for number in range(2, 200):
        results.put_further(SimpleNamespace(face_number=number))
        turn.compute([SimpleNamespace(face_number=number, version=number, end=float(number))], True, 0.2)
    assert list(results.further) == list(range(200 - FACES_KEPT, 200))
    assert set(turn._answers) == set(turn._answered) == {199}


def test_a_choice_swaps_the_two_and_whoever_leaves_makes_room(scene):
    count = 8 * FPS
    away = scene.frames(walk(LEFT, LEFT, count), walk(RIGHT, RIGHT, count), gone={0: range(3 * FPS, count)})
    with contextlib.closing(AVWindow(SPEC, keeps_person=True, faces=2)) as window:
        for k, rgb in enumerate(away):
            if k == FPS:
                window.choose_face(2)
            window.push_frame(k / FPS, rgb)
            if k == 2 * FPS:
                assert window.further == (1,)
                assert State.WINDOW_FILLING in window.further_windows()[0].states
            if k == 4 * FPS:
                (gone,) = window.further_windows()
                assert State.FACE_LOST in gone.states and gone.face_number == 1
        assert window.further == (), "the face left five seconds ago"
        assert window.window().face_number == 2


def test_a_picture_of_another_size_begins_anew(frames):
    small = [np.ascontiguousarray(rgb[:, ::-1][::2, ::2]) for rgb in frames[:10]]
    with contextlib.closing(filled(frames[:30], 2)) as window:
        for k, rgb in enumerate(small, 30):
            window.push_frame(k / FPS, rgb)
        for view in (window.window(), *window.further_windows()):
            assert min(view.frame_times) >= 30 / FPS - 1e-9 or view.face_number == window.window().face_number


def test_who_came_first_is_read_where_there_are_more_than_may_be():
    def face(number, time=0.0):
        box = SimpleNamespace(x=0.0, y=0.0, width=40.0, height=40.0, angle=0.0)
        return SimpleNamespace(number=number, seen=time, box=box)

    from mmadfer.stream.frame_buffer import FrameBuffer

    further = FurtherFaces(SPEC, 2, lambda: FrameBuffer(5.0))
    rgb = np.zeros((80, 80, 3), np.uint8)
    people = {number: face(number) for number in (1, 2, 3, 4)}
    tracker = SimpleNamespace(number=2, in_view=list(people.values()))
    further.keep(further.look(rgb, 0.0, tracker))
    assert tuple(further.buffers) == (1, 3)
    for time in np.arange(0.1, 4.0, 0.1):  # number 3 has gone, and 4 waits
        for number in (1, 2, 4):
            people[number].seen = time
        tracker.in_view = [people[number] for number in (1, 2, 4)]
        further.keep(further.look(rgb, float(time), tracker))
        if abs(time - SPEC.window_seconds) > 0.05:
            assert tuple(further.buffers) == ((1, 3) if time < SPEC.window_seconds else (1, 4)), time
    tracker.in_view = [face(1, 4.0), people[2]]  # the tracker has begun anew: somebody else has the number
    further.keep(further.look(rgb, 4.0, tracker))
    assert len(further.buffers[1].until(4.0)) == 1


def test_the_voice_goes_to_whose_mouth_moves_with_it(scene, clips):
    rate = 16_000
    sound = decoded_sound(clips / "derived_face_jfk_6s_44k.mp4", rate)[None, : 5 * rate].astype(np.float32)
    times, levels = loudness_over_time(sound, rate, sound.shape[1] / rate)
    opened = np.interp(np.arange(COUNT) / FPS, times, levels / levels.max())
    frames = [talking(rgb, share) for rgb, share in zip(
        scene.frames(walk(LEFT, LEFT, COUNT), walk(RIGHT, RIGHT, COUNT)), opened, strict=True)]  # fmt: skip
    with contextlib.closing(AVWindow(SPEC, keeps_person=True, faces=2)) as window:
        window.push_audio(sound, rate, 0.0)
        for k, rgb in enumerate(frames):
            window.push_frame(k / FPS, rgb)
        chosen, (other,) = window.window(), window.further_windows()
        window.spec = replace(SPEC, handles_missing=("face",))
        needs_sound = window.window()
    assert State.OTHERS_VOICE in chosen.states and State.OTHERS_VOICE not in other.states
    assert chosen.heard(SPEC) is None and other.heard(SPEC) is not None
    assert Basis.of(chosen.states) is Basis.FACE and Basis.of(other.states) is Basis.BOTH
    assert State.OTHERS_VOICE not in needs_sound.states, "these weights cannot do without the sound"


def talking(rgb, share):
    """Return the frame with the mouth of the right face open."""
    picture = Image.fromarray(rgb)
    height = 30 * share
    ImageDraw.Draw(picture).ellipse((452, 196 - height / 2, 488, 196 + height / 2), fill=(40, 10, 10))
    return np.asarray(picture)


def test_nobody_has_the_voice_where_no_mouth_moves(frames):
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, (1, 5 * 16_000)).astype(np.float32)
    with contextlib.closing(filled(frames, 2, sound)) as window:
        assert State.OTHERS_VOICE not in window.window().states
        assert speaker(movements(window._buffers(), 5.0, 3.0), np.arange(2.0), np.arange(2.0)) is None


class Counting:
    """A recogniser that says whom it was asked about."""

    spec = SPEC

    def __init__(self):
        self.asked = []

    def streaming_step(self):
        return None

    def predict(self, window, step=None):
        self.asked.append(window.face_number)
        return window.face_number


def test_further_faces_come_in_turn_one_after_each_answer_about_the_chosen_one():
    clock, recognizer = [100.0], Counting()
    turn = InTurn(recognizer, lambda: clock[0])

    def windows(version):
        return [SimpleNamespace(face_number=n, version=version, end=0.2 * version) for n in (2, 3, 4)]

    for version in range(1, 10):
        turn.chosen_was_answered()
        assert turn.may
        clock[0] += 0.2
        assert turn.compute(windows(version), True, 0.2) is not None
        assert not turn.may, "one alone after each answer"
    assert recognizer.asked == [2, 3, 4] * 3
    turn.chosen_was_answered()
    assert turn.compute([], True, 0.2) is None and turn.may
    assert turn.compute([SimpleNamespace(face_number=5, version=1, end=0.2)], True, 0.0) == 5


def test_a_stream_answers_about_both(frames):
    recognizer = mmadfer.EmotionRecognizer.from_pretrained("starter")
    try:
        heard = []
        with recognizer.stream(faces=2, on_result=heard.append) as stream:
            for k, rgb in enumerate(frames[: 2 * FPS]):
                stream.push_frame(k / FPS, rgb)
                stream.push_audio(np.zeros((1, 16_000 // FPS), np.float32), 16_000, k / FPS)
                until(lambda k=k: stream.intake.frames > k, 5)
            assert until(lambda: stream.others() and stream.latest() is not None, 20)
            assert set(stream.others()) == {2} and stream.latest().face_number == 1
            assert {prediction.face_number for prediction in heard} == {1, 2}
        with recognizer.stream(faces=1) as stream:
            assert stream.others() == {}
    finally:
        recognizer.close()


@pytest.mark.parametrize("faces", [0, 5, -1, 1.0, "2", None, True])
def test_a_number_of_faces_that_cannot_be_read_is_told(faces):
    with pytest.raises(ValueError, match="1 to 4 faces can be read at once, got"):
        AVWindow(SPEC, keeps_person=True, faces=faces)


def test_several_are_read_live_and_with_the_person_kept_alone(clips):
    with pytest.raises(ValueError, match="keeps_person"):
        AVWindow(SPEC, faces=2)
    recognizer = mmadfer.EmotionRecognizer.from_pretrained("starter")
    try:
        with pytest.raises(ValueError, match="one face is read"):
            recognizer.stream(clips / "derived_face_jfk_6s_44k.mp4", faces=2)
        with pytest.raises(ValueError, match="1 to 4"):
            recognizer.stream(faces=9)
    finally:
        recognizer.close()
