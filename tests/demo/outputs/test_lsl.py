"""What arrives by the Lab Streaming Layer: labels, samples, times on its clock; and what is said where it is absent."""

from __future__ import annotations

import builtins
import math
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from demo import live
from demo.outputs.lsl import TYPE, LslOutlets
from tests.support.lsl import keep_at_home
from tests.support.programs import answer

NAME = "mmadfer of these tests"


@pytest.fixture(scope="module")
def pylsl(tmp_path_factory: pytest.TempPathFactory) -> Any:
    keep_at_home(tmp_path_factory.mktemp("lsl"))
    import pylsl

    return pylsl


@pytest.fixture
def outlets(pylsl: Any) -> Iterator[LslOutlets]:
    made = LslOutlets(NAME)
    yield made
    made.close()
    assert found(pylsl, 0) == []


def found(pylsl: Any, count: int) -> list[Any]:
    """Return the streams that are there, once there are as many."""
    end = time.monotonic() + 10
    while True:
        streams: list[Any] = pylsl.resolve_byprop("name", NAME, minimum=max(count, 1), timeout=2.0 if count else 0.3)
        if len(streams) == count or time.monotonic() > end:
            return streams


def inlet_of(pylsl: Any, stream: Any) -> Any:
    made = pylsl.StreamInlet(stream)
    made.open_stream(timeout=10)
    return made


def test_a_stream_tells_its_channels_and_weights(outlets: LslOutlets, pylsl: Any) -> None:
    outlets.take(answer(session=4, end=time.time()))
    (stream,) = found(pylsl, 1)
    info = inlet_of(pylsl, stream).info(10)
    assert info.get_channel_labels() == ["happiness", "anger"]
    assert info.get_channel_units() == ["probability (0 to 1)"] * 2
    assert (info.type(), info.nominal_srate(), info.channel_format()) == (TYPE, pylsl.IRREGULAR_RATE, pylsl.cf_float32)
    told = {key: info.desc().child_value(key) for key in ("session", "weights", "engine")}
    assert told == {"session": "4", "weights": "of a test", "engine": "test weights on CPU"}


def test_samples_are_smoothed_and_stamped_with_the_windows_end(outlets: LslOutlets, pylsl: Any) -> None:
    outlets.take(answer(end=time.time()))
    inlet = inlet_of(pylsl, found(pylsl, 1)[0])
    for age, trusted in ((0.0, True), (0.4, True), (2.0, False)):
        outlets.take(answer(trusted=trusted, end=time.time() - age))
        now = pylsl.local_clock()
        sample, stamp = inlet.pull_sample(timeout=10)
        assert now - stamp == pytest.approx(age, abs=0.02)
        assert sample == pytest.approx([0.6, 0.4]) if trusted else all(map(math.isnan, sample))


def test_each_session_has_a_stream_until_its_end(outlets: LslOutlets, pylsl: Any) -> None:
    outlets.take(answer(session=1, end=time.time()))
    outlets.end(2)  # one that never had an answer
    outlets.take(answer(session=3, end=time.time()))
    assert len({stream.source_id() for stream in found(pylsl, 2)}) == 2
    outlets.end(1)
    outlets.take(answer(session=1, end=time.time()))  # the model was computing it
    (left,) = found(pylsl, 1)
    assert left.source_id().endswith("-3")


def test_a_stream_that_cannot_be_opened_disturbs_nothing(
    outlets: LslOutlets, pylsl: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(info: Any) -> Any:
        raise RuntimeError("could not create stream outlet.")

    monkeypatch.setattr(pylsl, "StreamOutlet", refuse)
    for _ in range(3):
        outlets.take(answer())
    assert [record.getMessage() for record in caplog.records if record.name == "demo.outputs.lsl"] == [
        "session 1 has no stream of the Lab Streaming Layer: could not create stream outlet."
    ]


@pytest.mark.parametrize("name", ["", "  ", "two\nlines"])
def test_a_name_that_is_none_is_one_sentence(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--lsl", name]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--lsl must be a name" in line


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ImportError("No module named 'pylsl'"), "pip install 'mmadfer[lsl]'"),
        (RuntimeError("LSL binary library file was not found."), "PYLSL_LIB"),
        (OSError("libpugixml.so.1: cannot open shared object file"), "PYLSL_LIB"),
    ],
)
def test_what_is_absent_is_one_sentence(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = builtins.__import__

    def absent(name: str, *arguments: Any) -> Any:
        if name == "pylsl":
            raise error
        return known(name, *arguments)

    monkeypatch.delitem(sys.modules, "pylsl", raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    assert live.main(["--lsl"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--lsl needs" in line and words in line
