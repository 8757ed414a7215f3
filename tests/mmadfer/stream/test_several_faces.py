"""A live stream with two people in view: whose pictures a window holds, and who may be chosen."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from mmadfer.config import InputSpec
from mmadfer.faces.choice import FaceNews
from mmadfer.stream.intake import SeenFrame
from mmadfer.stream.live import LiveStream, StreamListener
from mmadfer.stream.recorded import RecordedStream
from mmadfer.stream.window import AVWindow
from mmadfer.types import State
from tests.support.two_faces import FPS, Scene, walk
from tests.support.waiting import until

SPEC = InputSpec(image_size=112)
SECONDS = 4


@pytest.fixture(scope="module")
def frames(clips):
    count = SECONDS * FPS
    return Scene(clips).frames(walk(150, 150, count), walk(480, 480, count))


def test_no_window_holds_pictures_of_two_persons(frames):
    with contextlib.closing(AVWindow(SPEC, keeps_person=True)) as window:
        window.push_audio(np.zeros((1, SECONDS * 16_000), np.float32), 16_000, 0.0)
        for k, rgb in enumerate(frames[:50]):
            window.push_frame(k / FPS, rgb)
        before = window.window(end=49 / FPS)
        assert (before.face_number, before.face_count) == (1, 2) and State.WINDOW_FILLING not in before.states
        window.choose_face(2)
        for k, rgb in enumerate(frames[50:56], 50):
            window.push_frame(k / FPS, rgb)
        after = window.window(end=55 / FPS)
    assert (after.face_number, after.face_count) == (2, 2) and State.WINDOW_FILLING in after.states
    assert min(after.frame_times) >= 50 / FPS - 1e-9
    own = np.mean([np.abs(crop.astype(int) - after.crops[-1]).mean() for crop in after.crops])
    other = np.abs(before.crops[-1].astype(int) - after.crops[-1]).mean()
    assert own < 10 < 30 < other, f"crops differ by {own:.0f} among themselves, by {other:.0f} from the other face's"


def test_a_file_reads_another_face_where_the_first_is_gone_and_says_which(clips):
    count = SECONDS * FPS
    scene = Scene(clips).frames(walk(150, 150, count), walk(480, 480, count), gone={0: range(15, count)})
    with contextlib.closing(AVWindow(SPEC)) as window:
        for k, rgb in enumerate(scene):
            window.push_frame(k / FPS, rgb)
        told = [window.window(end=k / FPS) for k in (10, count - 1)]
    assert [(view.face_number, view.face_count) for view in told] == [(1, 2), (2, 1)]


class Kept(StreamListener):
    """Keeps what it hears of frames."""

    def __init__(self):
        self.seen: list[SeenFrame] = []

    def on_frame(self, seen):
        self.seen.append(seen)


class Forgetful:
    """A worker that answers nothing, and counts how often a stream's past was to be forgotten."""

    def __init__(self):
        self.forgotten = 0

    def add(self, stream): ...

    def remove(self, stream): ...

    def forget(self, stream):
        self.forgotten += 1


def test_a_stream_tells_who_is_in_view_and_takes_a_choice(frames):
    heard, worker = Kept(), Forgetful()
    stream = LiveStream(lambda: AVWindow(SPEC, keeps_person=True), worker, listener=heard)

    def push(start, end):
        for k in range(start, end):
            stream.push_frame(k / FPS, frames[k])
            assert until(lambda wanted=k: heard.seen and heard.seen[-1].frame.time >= wanted / FPS - 1e-9)

    with stream:
        push(0, 6)
        faces = heard.seen[-1].faces
        assert faces.number == 1 and [number for number, _ in faces.others] == [2]
        ((_, (x, _, width, *_)),) = faces.others
        assert abs(x + width / 2 - 0.75) < 0.06, "not where the second face is"
        stream.choose_face(2)
        push(6, 8)
        stream.choose_face(7)
        push(8, 10)
        news = [(seen.faces.news, seen.faces.wished) for seen in heard.seen if seen.faces.news]
        assert news == [(FaceNews.CHOSEN, 2), (FaceNews.GONE, 7)]
        assert heard.seen[-1].faces.number == 2 and worker.forgotten == 1
        for number in (0, -1, 1.0, "1", None, True):
            with pytest.raises(ValueError, match="by its number"):
                stream.choose_face(number)
    with pytest.raises(ValueError, match="closed"):
        stream.choose_face(1)
    with pytest.raises(ValueError, match="only a live stream"):
        RecordedStream.choose_face(stream, 1)
