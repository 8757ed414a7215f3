"""Each example, as it is, beside a running app."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.outputs.lsl import LslOutlets
from demo.outputs.osc import OscSender
from tests.support.live import running_app
from tests.support.lsl import keep_at_home
from tests.support.places import ROOT
from tests.support.waiting import until

FACE = "derived_face_jfk_6s_44k.mp4"
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))


class Example:
    """A running example, and the lines that it has printed."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def printed(self, words: str) -> bool:
        """Wait until a line with these words is there."""
        return until(lambda: any(words in line for line in self.lines) or self.process.poll() is not None) and any(
            words in line for line in self.lines
        )

    def end(self) -> str:
        """End it where it still runs, and return what went wrong in it."""
        self.process.terminate()
        self._reading.join(20)
        assert self.process.stderr is not None
        return self.process.stderr.read()


@contextmanager
def example(name: str, *arguments: str) -> Iterator[Example]:
    with running(str(ROOT / "examples" / f"{name}.py"), *arguments) as made:
        yield made


@contextmanager
def running(*arguments: str) -> Iterator[Example]:
    made = Example(*arguments)
    try:
        yield made
    finally:
        errors = made.end()
        sys.stdout.write(f"{made.lines}\n{errors}")  # seen where a test fails


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Any]]:
    """A free port for OSC, and what sends there and by LSL."""
    keep_at_home(tmp_path_factory.mktemp("lsl"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    yield port, [OscSender(f"127.0.0.1:{port}"), LslOutlets("mmadfer of a test")]


@pytest.fixture(scope="module")
def app(clips: Path, sinks: tuple[int, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("recordings")
    with running_app(source=str(clips / FACE), sinks=sinks[1], recordings=folder) as made:
        yield made


def test_every_example_is_tried_here_and_short() -> None:
    told = Path(__file__).read_text(encoding="utf-8")
    assert len(EXAMPLES) == 6
    assert [name for name in EXAMPLES if f'example("{name}"' not in told] == []
    for name in EXAMPLES:
        assert len((ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 32, name


def test_the_websocket(app: Any) -> None:
    with example("results_websocket", f"{app.url.replace('http', 'ws')}live/results") as program:
        assert program.printed("hello") and program.printed("{'happiness': 0.")


def test_the_lines_in_the_documentation(app: Any) -> None:
    lines = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    assert len([line for line in lines.splitlines() if line]) == 4
    code = lines.replace("ws://127.0.0.1:7860/", app.url.replace("http", "ws"))
    with running("-u", "-c", code) as program:
        assert program.printed("hello None") and program.printed("answer happiness {'happiness': 0.")


def test_the_events(app: Any) -> None:
    with example("results_sse", f"{app.url}live/results") as program:
        assert program.printed("hello") and program.printed(" s happiness")


def test_osc(app: Any, sinks: tuple[int, Any]) -> None:
    with example("osc_receiver", str(sinks[0])) as program:
        assert program.printed("/mmadfer/label happiness")
        assert program.printed("/mmadfer/unsure 0")
        assert program.printed("/mmadfer/probability/neutral 0.")


def test_the_lab_streaming_layer(app: Any) -> None:
    with example("lsl_receiver", "mmadfer of a test") as program:
        assert program.printed(" s {'happiness': 0.")


def test_gradios_client(app: Any, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where it saves the recording
    with example("gradio_client_recording", str(clips / "derived_asl_sorry_jfk_2s_48k.mp4"), app.url, "3") as program:
        assert program.process.wait(120) == 0
        assert until(lambda: any(" s, 1 marker" in line for line in program.lines), 5)
    (saved,) = tmp_path.glob("session-by-a-program-*.zip")
    assert {"video.webm", "answers.csv", "metadata.json"} < set(zipfile.ZipFile(saved).namelist())
    assert app.server.recordings.state()["kept"] == []


def test_the_callback(clips: Path) -> None:
    with example("stream_callback", str(clips / FACE)) as program:
        assert program.process.wait(120) == 0
        assert until(lambda: len(program.lines) >= 30, 5)
