"""Markers of a real stream of the Lab Streaming Layer, which comes, goes and comes back."""

from __future__ import annotations

import time
from typing import Any

import pytest

from demo.recording.lsl_markers import LslMarkers
from demo.recording.marker import Marker
from tests.support.lsl import keep_at_home
from tests.support.waiting import until

NAME = "markers of these tests"


@pytest.fixture(scope="module")
def pylsl(tmp_path_factory: pytest.TempPathFactory) -> Any:
    keep_at_home(tmp_path_factory.mktemp("lsl"))
    import pylsl

    return pylsl


def outlet(pylsl: Any, kind: Any) -> Any:
    made = pylsl.StreamOutlet(pylsl.StreamInfo(NAME, "Markers", 1, pylsl.IRREGULAR_RATE, kind, "of-tests"))
    assert made.wait_for_consumers(20)
    return made


def test_markers_come_with_their_times_and_their_absence_is_told(pylsl: Any) -> None:
    taken: list[Marker] = []
    told: list[str] = []
    inlet = LslMarkers(NAME, taken.append)
    inlet.start(told.append)
    assert until(lambda: told), "nobody said that the stream is not there"
    assert told == [f"The marker stream {NAME} is not there yet: it is taken once it comes"]

    first = outlet(pylsl, pylsl.cf_string)
    assert until(lambda: told[-1] == "")
    for age, text in ((0.0, "stimulus on"), (0.5, "a\x01b")):
        first.push_sample([text], pylsl.local_clock() - age)
        moment = time.time() - age
        assert until(lambda: taken)
        found = taken.pop()
        assert found.text == text.replace("\x01", " ")
        assert found.utc == pytest.approx(moment, abs=0.02)
    del first
    assert until(lambda: told[-1].startswith(f"The marker stream {NAME} has gone")), told

    second = outlet(pylsl, pylsl.cf_int32)  # another program, in numbers
    assert until(lambda: told[-1] == "")
    second.push_sample([7])
    assert until(lambda: taken) and taken[0].text == "7"
    inlet.close()
    del second


def test_a_flood_is_refused_without_an_end_to_the_stream(pylsl: Any) -> None:
    taken: list[Marker] = []

    def put(marker: Marker) -> None:
        if marker.text == "too many":
            raise ValueError("too many")
        taken.append(marker)

    inlet = LslMarkers(NAME, put)
    inlet.start(lambda _: None)
    source = outlet(pylsl, pylsl.cf_string)
    for text in ("too many", "", "after"):
        source.push_sample([text])
    assert until(lambda: [marker.text for marker in taken] == ["after"])
    inlet.close()


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="--lsl-markers must be"):
        LslMarkers(name, print)
