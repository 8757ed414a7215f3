"""One answer as a message: its fields, what stands for what is missing, and that the pages of docs/ say the same."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from demo.outputs.answer import FIELDS, SCHEMA_VERSION, hello, window_end
from mmadfer.config import InputSpec
from mmadfer.stream.shared import Halves
from mmadfer.types import State, WeightsInfo
from mmadfer.weights import starter
from tests.support.places import ROOT
from tests.support.programs import answer

CONNECT = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")


def test_an_answer_says_all_by_name() -> None:
    assert json.loads(json.dumps(answer(session=3).message())) == {
        "type": "answer",
        "schema": SCHEMA_VERSION,
        "session": 3,
        "time_s": 12.5,
        "time_utc": "2023-11-14T22:13:20.000Z",
        "label": "happiness",
        "unsure": False,
        "unsure_below": 0.5,
        "probabilities": {"happiness": 0.6, "anger": 0.4},
        "raw_probabilities": {"happiness": 0.3, "anger": 0.7},
        "smoothing_s": 0.0,
        "face_alone": None,
        "voice_alone": None,
        "alone_age_s": None,
        "rests_on": "face",
        "temperature": 1.5,
        "states": ["silence"],
        "face": {"x": 1, "y": 2, "width": 30, "height": 40, "angle": 5},
        "face_number": 2,
        "face_count": 3,
        "has_audio": True,
        "speech": 0.25,
        "latency_ms": 21.0,
        "weights": "of a test",
        "engine": "test weights on CPU",
    }


def test_what_face_and_voice_say_alone_stands_beside_it() -> None:
    made = answer()
    half = replace(made.prediction, time=12.25, probabilities={"happiness": 0.8, "anger": 0.2})
    told = replace(made, alone=Halves(half, made.prediction), smoothing=1.5).message()
    assert told["face_alone"] == {"happiness": 0.8, "anger": 0.2}
    assert told["voice_alone"] == {"happiness": 0.3, "anger": 0.7}
    assert (told["alone_age_s"], told["smoothing_s"]) == (0.25, 1.5)


def test_what_is_missing_is_null() -> None:
    told = answer(trusted=False, rests_on=None, speech=None, states=(State.NO_FACE, State.SILENCE)).message()
    assert [told[name] for name in ("label", "unsure", "rests_on", "speech")] == [None] * 4
    assert told["probabilities"] == {"happiness": 0.6, "anger": 0.4}


@pytest.mark.parametrize(("below", "unsure"), [(0.0, False), (0.59, False), (0.61, True)])
def test_the_smoothed_probability_decides_what_is_unsure(below: float, unsure: bool) -> None:
    assert answer(unsure_below=below).message()["unsure"] is unsure


@pytest.mark.parametrize(
    ("info", "trained", "words"),
    [
        (WeightsInfo(), False, "UNTRAINED"),
        (WeightsInfo(starter.NAME, True), True, "STARTER"),
        (WeightsInfo("dfew", True), True, ""),
    ],
)
def test_the_hello_says_what_the_weights_are(info: WeightsInfo, trained: bool, words: str) -> None:
    told = hello(InputSpec(), info, "an engine", 0.5)
    assert (told["trained"], told["starter"]) == (trained, info.name == starter.NAME)
    assert told["weights"] == ("UNTRAINED" if not trained else info.name)
    assert str(ROOT) not in json.dumps(told), "a path of this machine"
    assert told["caveat"].startswith(words) and bool(told["caveat"]) == bool(words)
    assert f"`{'`, `'.join(told)}`" in CONNECT, "docs/connect.md lists other fields of the hello"


@pytest.mark.parametrize("age", [0.0, 1.0, 59.0])
def test_the_end_of_a_window_is_told_by_its_clock(age: float) -> None:
    assert window_end(12.5, time.time() - age - 12.5) == pytest.approx(time.time() - age, abs=0.05)


@pytest.mark.parametrize("age", [-1.0, -7200.0, 61.0, 7200.0, 1.7e9])
def test_a_clock_that_cannot_be_right_is_not_believed(age: float) -> None:
    assert window_end(12.5, time.time() - age - 12.5) == pytest.approx(time.time(), abs=0.05)


def test_the_page_has_the_fields() -> None:
    rows = [f"| `{field.name}` | {field.type} | {field.unit} | {field.meaning} |" for field in FIELDS]
    assert [row.replace("|  |", "| |") for row in rows if row.replace("|  |", "| |") not in CONNECT] == []
    assert f"Its version is **{SCHEMA_VERSION}**" in CONNECT
