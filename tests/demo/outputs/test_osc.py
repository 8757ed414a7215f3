"""What arrives by OSC, and that nobody listening, or no network, disturbs nothing."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pythonosc.osc_bundle import OscBundle

from demo import live
from demo.outputs.osc import OscSender, address_part
from tests.support.live import running_app
from tests.support.programs import answer
from tests.support.waiting import until


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, str]]:
    """A socket, and its address as people write it."""
    host: str = request.param
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((host, 0))
        made.settimeout(10)
        yield made, f"[{host}]:{made.getsockname()[1]}" if ":" in host else f"{host}:{made.getsockname()[1]}"


def received(listener: socket.socket) -> tuple[float, dict[str, Any]]:
    """Return a bundle's time, s, and its messages."""
    bundle = OscBundle(listener.recv(65536))
    return bundle.timestamp, {message.address: message.params for message in bundle}  # type: ignore[union-attr]


def test_an_answer_is_one_bundle_with_its_time(listener: tuple[socket.socket, str]) -> None:
    heard, target = listener
    sender = OscSender(target)
    sender.take(answer(session=7, end=1.7e9 + 0.25))
    told, messages = received(heard)
    assert told == pytest.approx(1.7e9 + 0.25, abs=1e-3)
    assert messages == {
        "/mmadfer/session": [7],
        "/mmadfer/label": ["happiness"],
        "/mmadfer/unsure": [0],
        "/mmadfer/probability/happiness": [pytest.approx(0.6)],
        "/mmadfer/probability/anger": [pytest.approx(0.4)],
    }
    sender.take(answer(trusted=False))
    _, messages = received(heard)
    assert (messages["/mmadfer/label"], messages["/mmadfer/unsure"]) == ([""], [1])
    sender.take(answer(unsure_below=0.9))
    _, messages = received(heard)
    assert (messages["/mmadfer/label"], messages["/mmadfer/unsure"]) == (["happiness"], [1])
    sender.close()
    sender.take(answer())  # the model was computing it


@pytest.mark.parametrize(
    ("name", "part"), [("neutral", "neutral"), ("a b#*,/?[]{}", "a_b_________"), ("froh ü", "froh__")]
)
def test_a_class_is_named_as_osc_allows(name: str, part: str) -> None:
    assert address_part(name) == part


class NoRoute:
    """A socket of a machine without a network."""

    def fileno(self) -> int:
        return 3

    def sendto(self, data: bytes, address: Any) -> int:
        raise OSError(101, "Network is unreachable")

    def close(self) -> None: ...


def test_a_peer_that_is_absent_or_beyond_a_dead_network_disturbs_nothing(
    clips: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sender = OscSender(f"127.0.0.1:{port}")
    with running_app(source=str(clips / "derived_face_jfk_6s_44k.mp4"), sinks=[sender]) as app:
        session = app.server.shared
        assert until(lambda: session.counters.results >= 3)
        monkeypatch.setattr(sender, "_socket", NoRoute())
        before = session.counters.results
        assert until(lambda: session.counters.results >= before + 3)
    assert [record.getMessage() for record in caplog.records if record.name == "demo.outputs.osc"] == [
        f"OSC does not reach 127.0.0.1:{port}: [Errno 101] Network is unreachable"
    ], "not told, or not once"


def test_an_answer_is_sent_in_little_time() -> None:
    sender = OscSender("127.0.0.1:9")
    sender.take(answer())
    start = time.perf_counter()
    for _ in range(100):
        sender.take(answer())
    assert time.perf_counter() - start < 0.5, "the model waits for it"
    sender.close()


@pytest.mark.parametrize(
    "target", ["", "9000", "host", "127.0.0.1:", ":9000", "127.0.0.1:0", "127.0.0.1:65536", "::1:9", "a b:9"]
)
def test_what_is_no_address_is_one_sentence_at_start(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--osc", target]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--osc must be HOST:PORT" in line and "127.0.0.1:9000" in line and repr(target) in line


def test_an_unknown_host_is_one_sentence_at_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = socket.getaddrinfo

    def unknown(host: Any, *arguments: Any, **named: Any) -> Any:
        if host == "nobody.example":
            raise socket.gaierror(-2, "Name or service not known")
        return known(host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert live.main(["--osc", "nobody.example:9000"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'nobody.example'" in line and "not known" in line


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [*sys.modules]:
        if name.startswith("pythonosc"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pythonosc", None)
    assert live.main(["--osc", "127.0.0.1:9000"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("--osc needs the package python-osc: pip install 'mmadfer[osc]'")


def test_a_short_token_is_one_sentence_at_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--results-token", "short"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--results-token must have 16 characters or more, got 5" in line
