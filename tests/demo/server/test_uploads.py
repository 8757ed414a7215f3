"""`/live/files`: pieces, lost ones and doubled ones; cancelled at any time; limits; who may; and nothing that stays."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import demo.server.uploads as uploads_module
from demo.app import App
from demo.server.uploads import IDLE, MOST_BYTES, MOST_FILES, PIECE, UploadError, Uploads, remove_stale
from mmadfer.outputs.schema import Output, answer_row, columns
from mmadfer.stream.recorded import RecordedStream
from mmadfer.stream.window import Window
from mmadfer.types import Prediction
from tests.support.live import FollowingRecognizer, running_app
from tests.support.waiting import until

HOSTILE = [
    "../../../etc/passwd.mp4",
    "..\\..\\windows\\system.mp4",
    "/etc/passwd",
    "a\x00b.mp4",
    "line\nend.mp4",
    "\u202egpj.exe.mp4",
    "x" * 5000 + ".mp4",
    "",
    ".",
    "..",
    "%2e%2e%2fa.mp4",
    "<img src=x onerror=alert(1)>.mp4",
]


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with running_app() as made:
        yield made


@pytest.fixture
def files(app: App) -> Iterator[Uploads]:
    """The server's files; none may be left by a test, nor any of their bytes."""
    held = app.server.files.uploads
    yield held
    for upload in [*held._held.values()]:
        held.remove(upload)
    assert until(lambda: held._folder is None or not any(held._folder.iterdir())), "bytes were left"


def ask(app: App, path: str = "", method: str = "GET", body: Any = None, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{app.url}live/files{path}", data, named, method=method)  # type: ignore[attr-defined]
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def begin(app: App, name: str, size: int) -> str:
    status, told = ask(app, method="POST", body={"name": name, "size": size})
    assert status == 201, told
    return str(told["number"])


def send(app: App, number: str, data: bytes, piece: int = PIECE) -> None:
    for start in range(0, len(data), piece):
        part = data[start : start + piece]
        assert ask(app, f"/{number}?from={start}", "PUT", part) == (200, {"received": start + len(part)})


def ended(app: App, number: str) -> dict[str, Any]:
    """Return what is told at the end, with all rows."""
    rows: list[dict[str, Any]] = []
    for _ in range(600):
        status, told = ask(app, f"/{number}?after={len(rows)}")
        assert status == 200, told
        rows += told["rows"]
        if told["state"] in ("done", "failed"):
            return {**told, "rows": rows}
        time.sleep(0.05)
    raise AssertionError(told)


def scored(app: App, path: Path, name: str | None = None) -> dict[str, Any]:
    data = path.read_bytes()
    number = begin(app, name or path.name, len(data))
    send(app, number, data, 100_000)
    return ended(app, number)


def reason(found: tuple[int, Any]) -> tuple[int, str]:
    assert found[1]["message"]
    return found[0], found[1]["reason"]


@pytest.mark.parametrize("name", ["derived_asl_sorry_jfk_2s_48k.mp4", "pyfeat_single_face.jpg", "calm_espeak.flac"])
def test_the_rows_are_those_of_predict(app: App, files: Uploads, clips: Path, name: str) -> None:
    found = scored(app, clips / name)
    recognizer = FollowingRecognizer()
    expected = [answer_row(name, p, recognizer.info) for p in RecordedStream(recognizer, [str(clips / name)])]
    assert found["state"] == "done" and found["deleted"]
    head = [column.name for column in columns(Output.CSV, recognizer.spec.labels)]
    assert found["about"]["head"] == ",".join(head)
    rows = list(
        csv.DictReader(io.StringIO("\n".join([found["about"]["head"], *(row["line"] for row in found["rows"])])))
    )
    assert len(rows) == len(expected) > 0
    for row, answer in zip(rows, expected, strict=True):
        assert row["file"] == name and float(row["time_s"]) == pytest.approx(answer["time_s"], abs=6e-4)
        assert row["label"] == (answer["label"] or "")
        for label in recognizer.spec.labels:
            assert float(row[label]) == pytest.approx(answer[label], abs=6e-5)
        assert row["states"] == "; ".join(answer["states"])


def test_what_a_file_lacks_is_told(app: App, files: Uploads, clips: Path) -> None:
    without = scored(app, clips / "pyfeat_no_face.mp4")["about"]
    assert (without["kind"], without["faces"], without["hasSound"]) == ("video", False, True) and without[
        "frames"
    ] == 95
    silent = scored(app, clips / "intel_asl_sorry.mkv")["about"]
    assert (silent["faces"], silent["hasSound"]) == (True, False)
    assert scored(app, clips / "calm_espeak.flac")["about"]["kind"] == "sound"
    assert scored(app, clips / "obama.jpg")["about"]["kind"] == "picture"


def test_lost_doubled_and_early_pieces(app: App, files: Uploads, clips: Path) -> None:
    data = (clips / "derived_asl_sorry_jfk_2s_48k.mp4").read_bytes()
    number = begin(app, "a.mp4", len(data))
    assert ask(app, f"/{number}?from=0", "PUT", data[:50_000]) == (200, {"received": 50_000})
    assert ask(app, f"/{number}?from=0", "PUT", data[:50_000]) == (200, {"received": 50_000}), "it came twice"
    assert ask(app, f"/{number}?from=90000", "PUT", data[90_000:]) == (200, {"received": 50_000}), "one is missing"
    assert ask(app, f"/{number}")[1]["received"] == 50_000, "where a page goes on that has lost its line"
    assert ask(app, f"/{number}?from=50000", "PUT", data[50_000:]) == (200, {"received": len(data)})
    assert ended(app, number)["state"] == "done"
    assert ask(app, f"/{number}", "DELETE") == (200, {"deleted": True})
    assert reason(ask(app, f"/{number}")) == (404, "gone")


def test_half_a_piece_counts_as_none(app: App, files: Uploads) -> None:
    import socket

    number = begin(app, "a.mp4", 1000)
    host, port = app.url.rstrip("/").removeprefix("http://").split(":")  # type: ignore[attr-defined]
    with socket.create_connection((host, int(port))) as line:
        head = f"PUT /live/files/{number}?from=0 HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000\r\n\r\n"
        line.sendall(head.encode() + b"x" * 400)
    time.sleep(0.2)
    assert ask(app, f"/{number}")[1]["received"] == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_never_a_path(app: App, files: Uploads, name: str) -> None:
    status, told = ask(app, method="POST", body={"name": name, "size": 10})
    assert status == 201
    assert "/" not in told["name"] and "\n" not in told["name"] and "\0" not in told["name"] and len(told["name"]) < 250
    upload = files.find(told["number"])
    assert upload.path.parent == files._folder and upload.path.stem == upload.id
    assert upload.path.suffix in (".mp4", "")


def test_what_cannot_be_read_is_told_in_words(app: App, files: Uploads, tmp_path: Path, clips: Path) -> None:
    (tmp_path / "story.mp4").write_text("once upon a time")
    (tmp_path / "cut.mp4").write_bytes((clips / "pyfeat_single_face.mp4").read_bytes()[:20_000])
    for name in ("story.mp4", "cut.mp4"):
        found = scored(app, tmp_path / name)
        assert found["state"] == "failed" and found["deleted"]
        assert name in found["words"] and str(files._folder) not in found["words"]


def test_bad_requests(app: App, files: Uploads) -> None:
    for body in (
        {},
        {"name": "a"},
        {"name": 5, "size": 5},
        {"name": "a", "size": "5"},
        {"name": "a", "size": True},
        [],
        b"{",
    ):
        assert reason(ask(app, method="POST", body=body)) == (400, "bad")
    assert reason(ask(app, method="POST", body={"name": "a" * 20_000, "size": 5}))[0] == 413
    assert reason(ask(app, method="POST", body={"name": "a", "size": 0})) == (400, "empty")
    assert reason(ask(app, method="POST", body={"name": "a", "size": -1})) == (400, "empty")
    number = begin(app, "a.mp4", 10)
    assert reason(ask(app, f"/{number}?from=0", "PUT", b"x" * 11)) == (400, "bad")
    assert reason(ask(app, f"/{number}?from=-1", "PUT", b"x")) == (400, "bad")
    assert reason(ask(app, f"/{number}?from=0", "PUT", b"x" * (PIECE + 1))) == (413, "bad")
    for unknown in ("nothing", "..%2f..%2fetc%2fpasswd"):
        assert ask(app, f"/{unknown}")[0] == 404


def test_too_large_names_the_command(app: App, files: Uploads) -> None:
    found = ask(app, method="POST", body={"name": "film.mp4", "size": MOST_BYTES + 1})
    assert reason(found) == (413, "large") and "`mmadfer predict FILE --csv OUT.csv`" in found[1]["message"]
    begin(app, "film.mp4", MOST_BYTES)


def test_only_so_many_are_held(app: App, files: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [begin(app, "a.mp4", 10) for _ in range(MOST_FILES)]
    assert reason(ask(app, method="POST", body={"name": "a", "size": 10})) == (503, "full")
    assert ask(app, f"/{numbers[0]}", "DELETE")[0] == 200
    begin(app, "a.mp4", 10)
    for upload in [*files._held.values()]:
        files.remove(upload)
    monkeypatch.setattr(uploads_module, "MOST_DISK", 25)
    begin(app, "a.mp4", 20)
    assert reason(ask(app, method="POST", body={"name": "a", "size": 10})) == (503, "full")


def test_a_full_disk_is_told(app: App, files: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads_module, "SPARE_DISK", 1 << 60)
    assert reason(ask(app, method="POST", body={"name": "a", "size": 10})) == (507, "disk")
    monkeypatch.undo()
    number = begin(app, "a.mp4", 10)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(uploads_module, "_write", full)
    assert reason(ask(app, f"/{number}?from=0", "PUT", b"x" * 10)) == (507, "disk")
    assert reason(ask(app, f"/{number}")) == (404, "gone")


def test_a_file_of_which_nobody_asks_goes(tmp_path: Path) -> None:
    now = [0.0]
    files = Uploads(lambda: now[0])
    left, kept = files.begin("a.mp4", 10), files.begin("b.mp4", 10)
    files.append(left, 0, b"x" * 5)
    now[0] = IDLE - 1
    files.find(kept.id)
    now[0] = IDLE + 1
    files.sweep()
    assert len(files) == 1 and not left.path.exists() and left.cancelled.is_set()
    with pytest.raises(UploadError, match="no longer"):
        files.find(left.id)
    folder = kept.path.parent
    files.close()
    assert not folder.exists()
    with pytest.raises(UploadError):
        files.begin("c.mp4", 10)


def test_it_goes_without_anybody_asking_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads_module, "SWEEP_EVERY", 0.02)
    now = [0.0]
    files = Uploads(lambda: now[0])
    left = files.begin("a.mp4", 10)
    files.append(left, 0, b"x" * 5)
    now[0] = IDLE + 1
    assert until(lambda: not left.path.exists(), 10)
    files.close()


def test_what_a_killed_process_has_left_goes(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in ("mmadfer-files-a", "mmadfer-files-b", "others"))
    for folder in (old, new, other):
        folder.mkdir()
        (folder / "film.mp4").write_bytes(b"x")
    for path in (old / "film.mp4", old, other / "film.mp4", other):
        os.utime(path, (1, 1))
    remove_stale(tmp_path)
    assert not old.exists() and new.exists() and other.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://elsewhere.example", "Sec_Fetch_Site": "cross-site"},
    ],
)
def test_foreign_pages_may_not(app: App, files: Uploads, headers: dict[str, str]) -> None:
    number = begin(app, "a.mp4", 10)
    body = {"name": "a.mp4", "size": 10}
    for path, method, data in (
        ("", "POST", body),
        (f"/{number}?from=0", "PUT", b"x" * 10),
        (f"/{number}", "DELETE", None),
    ):
        assert reason(ask(app, path, method, data, **headers)) == (403, "refused")
    assert len(files) == 1 and ask(app, f"/{number}")[1]["received"] == 0


def test_own_pages_may(app: App, files: Uploads) -> None:
    own = app.url.rstrip("/")  # type: ignore[attr-defined]
    assert ask(app, "", "POST", {"name": "a", "size": 5}, Origin=own)[0] == 201
    proxied = {"Origin": "https://emotions.example", "Sec_Fetch_Site": "same-origin"}
    assert ask(app, "", "POST", {"name": "a", "size": 5}, **proxied)[0] == 201


class Waiting(FollowingRecognizer):
    """Answers only as often as it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Semaphore(0)
        self.answered = 0

    def predict(self, window: Window, step: Any = None) -> Prediction:
        self.may.acquire()
        self.answered += 1
        return super().predict(window)


def test_it_is_cancelled_while_it_is_scored_and_the_next_has_its_turn(clips: Path) -> None:
    made = Waiting()
    app = App(load=lambda: made)
    app.url = app.launch()  # type: ignore[attr-defined]
    app.load()
    try:
        data = (clips / "derived_asl_sorry_jfk_2s_48k.mp4").read_bytes()
        numbers = [begin(app, f"{name}.mp4", len(data)) for name in "ab"]
        for number in numbers:
            send(app, number, data)
        made.may.release(3)
        assert until(lambda: ask(app, f"/{numbers[0]}")[1]["next"] == 3)
        first, second = (ask(app, f"/{number}")[1] for number in numbers)
        assert (first["state"], second["state"], second["ahead"]) == ("scoring", "waiting", 1)
        assert 0 < first["about"]["done"] < first["about"]["length"]
        path = app.server.files.uploads.find(numbers[0]).path
        assert path.exists() and ask(app, f"/{numbers[0]}", "DELETE")[0] == 200 and not path.exists()
        made.may.release(100)
        found = ended(app, numbers[1])
        assert found["state"] == "done" and len(found["rows"]) == 13
        assert made.answered <= 3 + 1 + 13, "the cancelled one went on"
    finally:
        made.may.release(1000)
        folder = app.server.files.uploads._folder
        app.close()
    assert folder is not None and not folder.exists()


def test_while_the_model_loads_it_is_told() -> None:
    go = threading.Event()

    def load() -> FollowingRecognizer:
        go.wait(30)
        return FollowingRecognizer()

    app = App(load=load)
    app.url = app.launch()  # type: ignore[attr-defined]
    try:
        assert reason(ask(app, method="POST", body={"name": "a", "size": 5})) == (503, "loading")
    finally:
        go.set()
        app.load()
        app.close()
