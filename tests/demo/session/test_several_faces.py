"""What the pages of a session are told of several faces."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from demo.session.session import Session
from mmadfer.config import InputSpec
from mmadfer.faces.choice import FaceNews
from mmadfer.stream.intake import FacesSeen, Frame, SeenFrame
from tests.support.programs import answer

GREY = np.full((48, 64, 3), 128, np.uint8)
BOX = (0.1, 0.2, 0.3, 0.4, 0.0)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch):
    made = Session(InputSpec(image_size=112), smoothing=1.0)
    made.told = []
    monkeypatch.setattr(made, "send", lambda *messages, slot=None: made.told.extend((slot, m) for m in messages))
    yield made
    made.stop()


def seen(time: float, **faces) -> SeenFrame:
    return SeenFrame(Frame(int(15 * time), time, GREY), GREY, BOX, FacesSeen(**faces))


def test_a_frame_tells_of_all_faces_and_a_change_is_never_overtaken(session) -> None:
    session.on_frame(seen(1.0, number=1, others=((2, BOX),)))
    ((slot, frame),) = [(slot, m) for slot, m in session.told if m["type"] == "frame"]
    assert slot == "frame" and (frame["number"], frame["others"], frame["offers"]) == (1, [[2, *BOX]], False)
    assert json.dumps(frame)
    session.on_frame(seen(2.0, number=2, others=(), news=FaceNews.CHOSEN, wished=2))
    news = [(slot, m) for slot, m in session.told if m["type"] == "face"]
    assert news == [(None, {"type": "face", "news": "chosen", "number": 2, "wished": 2})]


def test_nobody_is_smoothed_into_another(session) -> None:
    made = answer(face_number=1).prediction
    for number, face, expected in ((1, 1, 0.3), (2, None, 0.3), (3, 2, 0.9), (4, 2, 0.9)):
        values = {"happiness": expected, "anger": 1 - expected}
        session.on_result(replace(made, time=float(number), face_number=face, probabilities=values))
    results = [m for _, m in session.told if m["type"] == "result"]
    assert [m["probabilities"][0] for m in results] == pytest.approx([0.3, 0.3, 0.9, 0.9])
    assert [(m["faceNumber"], m["faceCount"]) for m in results] == [(1, 3), (None, 3), (2, 3), (2, 3)]


def test_after_a_change_the_window_fills_anew(session, monkeypatch: pytest.MonkeyPatch) -> None:
    window = session.stream.make_window()
    monkeypatch.setattr(session, "window", lambda: replace(window.window(), end=11.0))
    session.on_frame(seen(1.0, number=1))
    session._states_told = 0.0
    session.on_frame(seen(10.5, number=2, news=FaceNews.TAKEN))
    states = [m for _, m in session.told if m["type"] == "states"]
    assert [m["filled"] for m in states] == [10.0, 0.5]
    window.close()


def test_each_further_face_is_smoothed_by_itself_and_told_as_an_answer_is(session) -> None:
    heard = []
    session.on_further_answer = lambda prediction, values: heard.append((prediction.face_number, values["happiness"]))
    made = answer(face_number=2).prediction
    for time, number, value in ((1.0, 2, 0.9), (1.2, 3, 0.1), (1.4, 2, 0.9), (1.6, 3, 0.1), (1.8, None, 0.5)):
        values = {"happiness": value, "anger": 1 - value}
        session.on_further(replace(made, time=time, face_number=number, probabilities=values))
    told = [(slot, m) for slot, m in session.told if m["type"] == "further"]
    assert [(slot, m["faceNumber"]) for slot, m in told] == [
        ("further 2", 2),
        ("further 3", 3),
        ("further 2", 2),
        ("further 3", 3),
    ]
    assert [m["probabilities"][0] for _, m in told] == pytest.approx([0.9, 0.1, 0.9, 0.1])
    assert heard == [(number, pytest.approx(value)) for number, value in ((2, 0.9), (3, 0.1), (2, 0.9), (3, 0.1))]
    assert set(told[0][1]) >= {"label", "unsure", "states", "restsOn", "modelMs", "rawProbabilities", "faceCount"}
    assert json.dumps(told[0][1])


def test_people_who_pass_by_are_forgotten(session) -> None:
    made = answer(face_number=2).prediction
    for number in range(2, 100):
        session.on_further(replace(made, time=float(number), face_number=number))
    assert list(session._smoothers) == list(range(84, 100))
