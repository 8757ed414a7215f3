"""`/live/results`: what programs are told and in which order, and that slow or many readers harm nobody."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

import demo.server.results
from demo.app import App
from demo.outputs.answer import FIELDS
from demo.session.protocol import Close
from demo.session.session import Session
from tests.support.live import running_app
from tests.support.programs import answer, events, refused, request, said, socket
from tests.support.waiting import until


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with running_app(smoothing=0.5) as made:
        yield made


@pytest.fixture
def url(app: App) -> Iterator[str]:
    yield app.url  # type: ignore[attr-defined]
    assert until(lambda: app.server.results._readers == 0, 5), "a reader outlived its connection"
    assert app.server.results.fanout._readers == []


@pytest.fixture
def open_session(app: App) -> Iterator[Callable[[], Session]]:
    """Sessions as pages open them, without the pages; answers come by `answer_in`."""
    yield app.server.open_session
    for session in [*app.server.sessions]:
        app.server.close_session(session)


def answer_in(session: Session, time_s: float = 12.5, **changes: Any) -> None:
    """Have the model answer in a session."""
    labels = session.spec.labels
    values = {label: 0.7 if label == labels[0] else 0.3 / (len(labels) - 1) for label in labels}
    made = answer(time_s=time_s, **changes).prediction
    session.on_result(type(made)(**{**vars(made), "probabilities": values}))


def number(session: Session) -> int:
    return session.stream.number


# --- what is told


def test_a_socket_is_greeted_waits_reads_and_goes_on_to_the_next_session(url: str, open_session: Any, app: App) -> None:
    with socket(url) as program:
        hello = said(program)
        assert (hello["type"], hello["schema"], hello["trained"]) == ("hello", 1, True)
        assert hello["labels"] == list(app.worker.recognizer.spec.labels)  # type: ignore[union-attr]
        assert (hello["weights"], hello["smoothing_s"]) == ("brightness and loudness", 0.5)
        assert hello["units"]["latency_ms"] == "ms"
        assert said(program)["type"] == "waiting"
        first = open_session()
        answer_in(first)
        told = said(program)
        assert list(told) == [field.name for field in FIELDS]
        assert told["session"] == number(first)
        assert told["probabilities"][told["label"]] == max(told["probabilities"].values()) == 0.7
        assert set(told["probabilities"]) == set(told["raw_probabilities"]) == set(hello["labels"])
        second = open_session()
        app.server.close_session(first)
        assert said(program) == {"type": "ended", "session": number(first)}
        answer_in(second)
        assert said(program)["session"] == number(second)
        app.server.close_session(second)
        assert [said(program)["type"] for _ in range(2)] == ["ended", "waiting"]


def test_events_say_the_same(url: str, open_session: Any, app: App) -> None:
    session = open_session()
    with urllib.request.urlopen(request(url, accept="text/event-stream"), timeout=20) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Cache-Control"] == "no-store"
        coming = events(response)
        assert next(coming)["type"] == "hello"
        with socket(url) as program:
            said(program)
            for time_s, trusted in ((1.0, True), (1.2, False), (3.5, True)):
                answer_in(session, time_s, trusted=trusted)
                told = next(coming)
                assert told == said(program)
                assert (told["label"] is None, told["unsure"] is None) == (not trusted, not trusted)
                assert told["time_s"] == time_s


def test_probabilities_are_smoothed_as_on_the_page_and_the_raw_ones_are_not(url: str, open_session: Any) -> None:
    session = open_session()
    page: list[dict[str, Any]] = []
    session.add(type("Page", (), {"put": lambda self, *messages, slot=None: page.extend(messages)})())
    labels = list(session.spec.labels)
    with socket(url) as program:
        said(program)
        for step in range(2):
            made = answer(time_s=1 + 0.2 * step).prediction
            values = {label: float(label == labels[step]) for label in labels}
            session.on_result(type(made)(**{**vars(made), "probabilities": values}))
            told = said(program)
            assert list(told["probabilities"].values()) == page[-1]["probabilities"]
            assert list(told["raw_probabilities"].values()) == page[-1]["rawProbabilities"]
            assert (told["label"], told["unsure"]) == (page[-1]["label"], page[-1]["unsure"])
    assert told["label"] == labels[0] != max(told["raw_probabilities"], key=told["raw_probabilities"].get)


def test_a_named_session_is_the_only_one_that_is_read(url: str, open_session: Any, app: App) -> None:
    first, second = open_session(), open_session()
    with socket(url, f"?session={number(first)}") as program, socket(url, f"?session={number(second) + 1}") as early:
        said(program), said(early)
        assert said(early)["type"] == "waiting"
        answer_in(second)
        answer_in(first)
        assert said(program)["session"] == number(first)
        third = open_session()
        answer_in(third)
        assert said(early)["session"] == number(third)
        app.server.close_session(first)
        assert said(program)["type"] == "ended"
        with pytest.raises(ConnectionClosed) as closed:
            program.recv(timeout=10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1000
    with urllib.request.urlopen(request(url, f"?session={number(first)}"), timeout=20) as response:
        assert [message["type"] for message in events(response)] == ["hello", "ended"], "it does not end by itself"


@pytest.mark.parametrize("named", ["", "x", "-1", "1.5", "%C2%B2", "9" * 30])
def test_what_is_no_session_is_refused_in_words(url: str, named: str) -> None:
    assert "number of a session" in refused(url, f"?session={named}", status=400)
    with socket(url, f"?session={named}") as program, pytest.raises(ConnectionClosed) as closed:
        program.recv(timeout=10)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == Close.POLICY


def test_time_is_the_viewers_and_a_wrong_clock_is_not_believed(url: str, open_session: Any) -> None:
    session = open_session()
    with socket(url) as program:
        said(program)
        for age in (0.5, 7200.0, -7200.0):
            session.time_origin = time.time() - age - 12.5
            before = time.time()
            answer_in(session)
            told = said(program)["time_utc"]
            seconds = before - from_iso(told)
            assert seconds == pytest.approx(age if age == 0.5 else 0, abs=0.2), told


def from_iso(text: str) -> float:
    from datetime import datetime

    assert text.endswith("Z")
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_while_the_model_loads_readers_wait_and_are_told_of_its_failure() -> None:
    import threading

    ready = threading.Event()

    def load() -> Any:
        ready.wait(20)
        raise ValueError("weights.pth is cut short")

    app = App(load=load)
    url = app.launch()
    try:
        with urllib.request.urlopen(request(url), timeout=20) as response, socket(url) as program:
            with pytest.raises(TimeoutError):
                program.recv(timeout=0.5)
            ready.set()
            failed = {"type": "failed", "message": "weights.pth is cut short"}
            assert said(program) == failed
            assert list(events(response)) == [failed]
    finally:
        app.close()


def test_a_source_on_the_servers_side_is_read_and_its_end_ends_the_readers(clips: Any) -> None:
    with ExitStack() as stack:
        app = stack.enter_context(running_app(source=str(clips / "derived_face_jfk_6s_44k.mp4")))
        program = stack.enter_context(socket(app.url))
        response = stack.enter_context(urllib.request.urlopen(request(app.url), timeout=20))
        assert said(program)["type"] == "hello"
        told = said(program)
        assert (told["type"], told["session"]) == ("answer", app.server.shared.stream.number)
        assert time.time() - from_iso(told["time_utc"]) < 5
        start = time.monotonic()
        app.close()
        assert time.monotonic() - start < 4, "readers keep the server from ending"
        assert [message["type"] for message in events(response)][-2:] == ["ended", "waiting"]


# --- slow readers, and many


@pytest.mark.parametrize("kind", ["socket", "events"])
def test_a_slow_reader_loses_the_oldest_and_is_told_how_many(url: str, open_session: Any, app: App, kind: str) -> None:
    session, count = open_session(), 30_000
    with ExitStack() as stack:
        if kind == "socket":
            program = stack.enter_context(socket(url))
            coming: Iterator[dict[str, Any]] = iter(lambda: said(program), None)  # type: ignore[arg-type]
        else:
            coming = events(stack.enter_context(urllib.request.urlopen(request(url), timeout=20)))
        next(coming)
        start = time.monotonic()
        for index in range(count):
            app.server.results.fanout.publish(answer(number(session), time_s=float(index)))
        assert time.monotonic() - start < 15, "a slow reader holds up the answers"
        got, dropped, last = 0, 0, -1.0
        while last < count - 1:
            told = next(coming)
            got, dropped, last = got + 1, dropped + told.get("dropped", 0), told["time_s"]
            assert last == got + dropped - 1, "not the oldest went, or not all were told of"
    assert dropped > 1000, f"{got} of {count} answers waited for a reader that did not read"


def test_one_reader_too_many_is_told_so_and_a_place_is_free_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo.server.results, "MOST_READERS", 2)
    with socket(url) as first:
        with urllib.request.urlopen(request(url), timeout=20) as response:
            assert said(first)["type"] == next(events(response))["type"] == "hello"
            assert "2 readers" in refused(url, status=503)
            with socket(url) as third, pytest.raises(ConnectionClosed) as closed:
                third.recv(timeout=10)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == Close.TRY_LATER
            assert "2 readers" in closed.value.rcvd.reason
        assert until(lambda: _may_read(url), 10), "the place of a reader that has gone is not free"


def test_a_request_for_the_head_alone_ends_at_once(url: str) -> None:
    with urllib.request.urlopen(request(url, method="HEAD"), timeout=10) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")


def test_silence_is_broken_by_comments(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo.server.results, "STILL_HERE", 0.05)
    with urllib.request.urlopen(request(url), timeout=10) as response:
        assert [response.readline() for _ in range(12)].count(b": still here\n") >= 3


def test_what_a_reader_sends_is_not_read(url: str, open_session: Any) -> None:
    session = open_session()
    with socket(url) as program:
        said(program)
        program.send("nonsense")
        program.send(bytes(100_000))
        answer_in(session)
        assert said(program)["type"] == "answer"


def _may_read(url: str) -> bool:
    try:
        with urllib.request.urlopen(request(url), timeout=10) as response:
            return bool(json.loads(next(line for line in response if line.startswith(b"data: "))[6:]))
    except urllib.error.HTTPError:
        return False
