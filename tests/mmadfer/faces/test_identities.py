"""Who is who in clips that are made of two people's pictures: crossing, lost for a moment, cut, alike, many."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest
from PIL import Image

from mmadfer.config import InputSpec
from mmadfer.faces.assignment import assign
from mmadfer.faces.choice import ChoosingTracker, FaceNews
from mmadfer.faces.identities import MOST, Identities, IdentitySpec
from mmadfer.faces.tracker import FaceTracker
from mmadfer.media.media_file import open_media
from mmadfer.types import Box
from tests.support.two_faces import FPS, SIZE, Scene, look, walk

SPEC = InputSpec(image_size=112)


def center(box: Box) -> tuple[float, float]:
    return box.x + box.width / 2, box.y + box.height / 2


def numbered(frames, tracker=None):
    """Return for each frame {number: centre x of its box, px}."""
    with contextlib.closing(tracker or ChoosingTracker(SPEC)) as following:
        seen = []
        for k, rgb in enumerate(frames):
            following.update(rgb, k / FPS)
            now = [face for face in following.in_view if face.seen == k / FPS]
            seen.append({face.number: center(face.box)[0] for face in now})
        return seen


@pytest.fixture(scope="module")
def scene(clips):
    return Scene(clips)


@pytest.mark.parametrize("front", [0, 1])
def test_two_who_cross_keep_their_numbers(scene, front):
    seen = numbered(scene.frames(walk(140, 500), walk(500, 140), front=front))
    first, last = seen[3], seen[-1]
    assert set(first) == set(last) == {1, 2}
    left = min(first, key=first.__getitem__)
    assert last[left] == max(last.values()), "the numbers have changed places"
    hidden = sum(len(faces) < 2 for faces in seen)
    assert hidden >= 3, "neither of them was ever hidden: the clip shows nothing"
    assert max(number for faces in seen for number in faces) == 2


def test_a_short_loss_and_a_head_turned_away_change_no_number(scene):
    gone = {1: range(20, 50)}  # a second without the right one; then the left one turns away
    frames = scene.frames(walk(150, 170, 90), walk(480, 460, 90), gone={**gone, 0: range(60, 75)})
    seen = numbered(frames)
    assert [len(seen[k]) for k in (10, 40, 55, 68, 85)] == [2, 1, 2, 1, 2]
    assert seen[40].keys() | seen[68].keys() == {1, 2}, "not the right one was lost, then the left one"
    assert len({min(faces, key=faces.__getitem__) for faces in seen if len(faces) == 2}) == 1
    assert max(number for faces in seen for number in faces) == 2


def test_a_hard_cut_that_changes_their_places_changes_no_number(scene):
    cut = scene.frames([150] * 20 + [490] * 20, [490] * 20 + [150] * 20)
    seen = numbered(cut)
    left = min(seen[10], key=seen[10].__getitem__)
    assert set(seen[-1]) == {1, 2} and max(seen[-1], key=seen[-1].__getitem__) == left


def test_who_stays_is_not_read_in_place_of_who_has_left(scene):
    frames = scene.frames(walk(150, 150, 40 + 12 * FPS), walk(480, 480, 40 + 12 * FPS), gone={0: range(40, 9999)})
    with contextlib.closing(ChoosingTracker(SPEC)) as tracker:
        read, news, offered = [], {}, []
        for k, rgb in enumerate(frames):
            face = tracker.update(rgb, k / FPS)
            read.append(None if face is None else center(face.box)[0])
            if tracker.news:
                news[k] = tracker.news
            if tracker.offers:
                offered.append(k)
    lost = 39 / FPS
    assert all(x is not None and x < 320 for x in read[:40]), "the larger one, on the left, is read"
    taken = [k for k, value in news.items() if value is FaceNews.TAKEN]
    assert len(taken) == 1 and taken[0] / FPS - lost == pytest.approx(8.0, abs=0.2)
    assert all(x is None for x in read[40 + FPS : taken[0]]), "somebody else was read without a word"
    assert offered[0] / FPS - lost == pytest.approx(3.0, abs=0.2)
    assert all(x > 320 for x in read[taken[0] :]) and tracker.restarts == 1


def test_who_is_chosen_is_read_and_a_face_that_is_gone_is_not(scene):
    frames = scene.frames(walk(150, 150), walk(480, 480))
    with contextlib.closing(ChoosingTracker(SPEC)) as tracker:
        for k, rgb in enumerate(frames[:10]):
            before = tracker.update(rgb, k / FPS)
        assert center(before.box)[0] < 320 and tracker.number is not None
        other = next(face.number for face in tracker.in_view if face.number != tracker.number)
        tracker.choose(other)
        after = tracker.update(frames[10], 10 / FPS)
        assert center(after.box)[0] > 320
        assert (tracker.news, tracker.number, tracker.restarts) == (FaceNews.CHOSEN, other, 1)
        for wish, news in ((99, FaceNews.GONE), (other, None)):
            tracker.choose(wish)
            assert center(tracker.update(frames[11], 11 / FPS).box)[0] > 320
            assert (tracker.news, tracker.restarts) == (news, 1)


def test_a_picture_of_another_size_goes_on_with_the_chosen_one(scene):
    frames = scene.frames(walk(150, 150), walk(480, 480))
    with contextlib.closing(ChoosingTracker(SPEC)) as tracker:
        for k, rgb in enumerate(frames[:10]):
            tracker.update(rgb, k / FPS)
        tracker.choose(next(face.number for face in tracker.in_view if face.number != tracker.number))
        tracker.update(frames[10], 10 / FPS)
        small = np.asarray(Image.fromarray(frames[11]).resize((480, 270)))
        assert center(tracker.update(small, 11 / FPS).box)[0] > 240


@pytest.mark.parametrize("name", ["pyfeat_single_face.mp4", "pyfeat_face_noface.mov", "intel_asl_yes.mkv"])
def test_one_face_is_cut_exactly_as_without_a_choice(clips, name):
    """Of the third clip the frames are left out in which a pattern on the shirt is taken for a second face."""
    with contextlib.closing(FaceTracker(SPEC)) as plain, contextlib.closing(ChoosingTracker(SPEC)) as choosing:
        same = 0
        for time, rgb in open_media(clips / name).frames():
            expected, found = plain.update(rgb, time), choosing.update(rgb, time)
            if plain._others:
                break
            assert (expected and expected.box) == (found and found.box), f"at {time} s"
            same += 1
        assert same > (0 if name.endswith("mkv") else 60) and choosing.restarts == 0


def test_twins_are_told_apart_by_their_way_alone(scene):
    seen = numbered(Scene.of_twins(scene).frames(walk(140, 200), walk(500, 440)))
    assert all(set(faces) == {1, 2} for faces in seen[3:])
    left = {min(faces, key=faces.__getitem__) for faces in seen[3:]}
    assert len(left) == 1


def box_at(x, y=200.0, side=80.0):
    return Box(x - side / 2, y - side / 2, side, side)


def test_what_is_there_for_one_frame_gets_no_number():
    faces, one, two = Identities(), look(1), look(2)
    faces.update([box_at(100)], [one], 0.0)
    faces.update([box_at(100), box_at(500)], [one, two], 1 / FPS)
    for k in range(2, 5):
        faces.update([box_at(100)], [one], k / FPS)
    assert [face.number for face in faces.in_view(4 / FPS)] == [1]
    for k in range(5, 9):
        faces.update([box_at(100), box_at(500)], [one, two], k / FPS)
    assert [face.number for face in faces.in_view(8 / FPS)] == [1, 2]


def test_twenty_faces_are_followed_as_far_as_there_is_room():
    faces, rng = Identities(), np.random.default_rng(0)
    looks = [look(k) for k in range(20)]
    for k in range(30):
        boxes = [box_at(40 + 60 * (i % 10), 100 + 200 * (i // 10), 50 + i + rng.normal(0, 0.5)) for i in range(20)]
        order = rng.permutation(20)
        found = faces.update([boxes[i] for i in order], [looks[i] for i in order], k / FPS)
        known = {int(i): face.number for i, face in zip(order, found, strict=True) if face is not None}
        assert len(known) == MOST
        if k == 0:
            first = known
        assert known == first, f"frame {k}"


def test_a_face_at_the_border_is_followed_out_and_in(scene):
    way = [*np.linspace(480, 640, 30), *np.linspace(640, 480, 30)]
    seen = numbered(scene.frames([150] * 60, way))
    assert set(seen[0]) == set(seen[-1]) == {1, 2}
    assert max(number for faces in seen for number in faces) == 2


@pytest.mark.parametrize("settings", [{"reach": 0}, {"hold": 2.0}, {"alike": 0.5}, {"memory": 0.1}])
def test_settings_that_cannot_be_meant_are_refused(settings):
    with pytest.raises(ValueError, match="must"):
        IdentitySpec(**settings)


def test_pairs_are_the_best_there_are():
    rng = np.random.default_rng(0)
    for _ in range(300):
        costs = rng.random(rng.integers(1, 6, 2))
        pairs, flat = assign(costs), costs if costs.shape[0] <= costs.shape[1] else costs.T
        assert len(pairs) == min(costs.shape)
        orders = itertools.permutations(range(flat.shape[1]), len(flat))
        least = min(sum(flat[row, column] for row, column in enumerate(order)) for order in orders)
        assert sum(costs[pair] for pair in pairs) == pytest.approx(least)
    assert assign(np.zeros((0, 3))) == assign(np.full((2, 2), np.inf)) == []
    assert sorted(assign(np.array([[1.0, 9.0], [2.0, np.inf]]))) == [(0, 1), (1, 0)], "two pairs are better than one"


def test_frames_have_the_size_that_the_tests_speak_of(scene):
    assert scene.frames([150], [480])[0].shape == (*SIZE, 3)
