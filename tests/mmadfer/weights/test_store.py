"""Named weights against a real HTTP server that behaves well, badly, or not at all."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mmadfer import cli
from mmadfer.weights import catalogue, store
from mmadfer.weights.__main__ import main

BODY = bytes(range(256)) * 4096 + b"end"
"""1 MB and a bit, so that it comes in more than one read."""
NAME = "dfew-fold2-160"


@dataclass
class Server:
    """What the server does next, and what it was asked."""

    address: str = ""
    body: bytes = BODY
    etag: str = '"one"'
    status: int = 200
    content_type: str = "application/octet-stream"
    cut_after: int | None = None
    """Bytes after which the connection is closed."""
    ranges: bool = True
    hang: bool = False
    length: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, state: Server, *args: object) -> None:
        self.state = state
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        state, wanted = self.state, self.headers.get("Range")
        state.requests.append((self.path, wanted))
        if state.hang:
            state.released.wait(20)
            return
        start = 0
        if wanted and state.ranges and self.headers.get("If-Range") in (None, state.etag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start and start >= len(state.body):
            self.send_error(416)
            return
        self.send_response(206 if start else state.status)
        self.send_header("Content-Type", state.content_type)
        self.send_header("ETag", state.etag)
        if state.length:
            self.send_header("Content-Length", str(len(state.body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(state.body) - 1}/{len(state.body)}")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a client that refuses the answer does not wait for its end
            self.wfile.write(state.body[start : state.cut_after])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, state)) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        state.address = f"http://127.0.0.1:{listening.server_address[1]}"
        monkeypatch.setenv(store.MIRROR, state.address + "/weights/")
        for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(proxy, raising=False)
        yield state
        state.released.set()
        listening.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMADFER_HOME", str(tmp_path / "a home"))
    return tmp_path / "a home" / "weights"


def refused(error: type[Exception], *says: str, name: str = NAME, timeout: float = 20.0) -> str:
    """Assert that fetching is refused in one sentence that holds each of ``says``; returns it."""
    with pytest.raises(error) as caught:
        store.fetch(name, timeout=timeout, progress=False)
    sentence = cli.sentence(caught.value)
    assert "\n" not in sentence
    for part in says:
        assert part in sentence, sentence
    return sentence


def test_fetch_puts_the_whole_file_there_and_records_it(server: Server, home: Path) -> None:
    path = store.fetch(NAME, progress=False)
    assert path == home / f"{NAME}.pth"
    assert path.read_bytes() == BODY
    assert server.requests == [(f"/weights/{NAME}.pth", None)]
    record = json.loads((home / f"{NAME}.pth.json").read_text())
    assert record["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert record["size"] == len(BODY)
    assert record["source"] == f"{server.address}/weights/{NAME}.pth"
    assert sorted(path.name for path in home.iterdir()) == [f"{NAME}.pth", f"{NAME}.pth.json"]


def test_a_file_that_is_here_is_not_fetched_again(server: Server) -> None:
    store.fetch(NAME, progress=False)
    assert store.resolve(NAME).read_bytes() == BODY
    assert len(server.requests) == 1


def test_a_broken_connection_goes_on_where_it_stopped(server: Server, home: Path) -> None:
    server.cut_after = 700_000
    refused(OSError, "700,000 of 1,048,579 bytes", "run it again", str(home), catalogue.DRIVE_FOLDERS["dfew"])
    assert not (home / f"{NAME}.pth").exists()
    assert (home / f"{NAME}.pth.part").stat().st_size == 700_000
    server.cut_after = None
    assert store.fetch(NAME, progress=False).read_bytes() == BODY
    assert server.requests[1][1] == "bytes=700000-"


def test_a_file_that_changed_meanwhile_starts_anew(server: Server) -> None:
    server.cut_after = 700_000
    refused(OSError, "700,000")
    server.cut_after, server.etag, server.body = None, '"two"', b"\x80" + BODY[::-1]
    assert store.fetch(NAME, progress=False).read_bytes() == server.body


def test_a_part_of_another_address_starts_anew(server: Server, home: Path) -> None:
    server.cut_after = 700_000
    refused(OSError, "700,000")
    note = home / f"{NAME}.pth.part.json"
    note.write_text(note.read_text().replace("/weights/", "/elsewhere/"))
    server.cut_after = None
    assert store.fetch(NAME, progress=False).read_bytes() == BODY
    assert server.requests[1][1] is None


@pytest.mark.parametrize("case", ["no ranges", "range refused", "note damaged"])
def test_what_cannot_go_on_starts_anew(server: Server, home: Path, case: str) -> None:
    server.cut_after = 700_000
    refused(OSError, "700,000")
    server.cut_after = None
    if case == "no ranges":
        server.ranges = False
    elif case == "range refused":
        server.body = BODY[:1000]  # the part is longer than the file is now
    else:
        (home / f"{NAME}.pth.part.json").write_text("{")
    assert store.fetch(NAME, progress=False).read_bytes() == server.body


def test_a_part_that_is_whole_already_needs_no_request(server: Server, home: Path) -> None:
    server.cut_after = 700_000
    refused(OSError, "700,000")
    (home / f"{NAME}.pth.part").write_bytes(BODY)
    assert store.fetch(NAME, progress=False).read_bytes() == BODY
    assert len(server.requests) == 1


def test_a_file_of_unknown_length_is_taken(server: Server) -> None:
    server.length = False
    assert store.fetch(NAME, progress=False).read_bytes() == BODY


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"status": 403}, "answered 403 Forbidden"),
        ({"status": 404}, "answered 404 Not Found"),
        ({"content_type": "text/html; charset=utf-8", "body": b"Virus scan warning"}, "web page"),
        ({"body": b"\n <!DOCTYPE html><html>Quota exceeded</html>"}, "web page"),
        ({"body": b""}, "empty file"),
        ({"hang": True}, "nothing for 0.3 s"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_answer_is_one_sentence_and_no_file(server: Server, home: Path, change: dict, says: str) -> None:
    for key, value in change.items():
        setattr(server, key, value)
    before = time.monotonic()
    timeout = 0.3 if server.hang else 20.0
    refused(OSError, says, catalogue.DRIVE_FOLDERS["dfew"], f"{home / NAME}.pth", timeout=timeout)
    assert time.monotonic() - before < 15, "it waited for a server that hangs"
    assert not (home / f"{NAME}.pth").exists()
    vars(server).update({key: value for key, value in vars(Server()).items() if key in change})
    assert store.fetch(NAME, progress=False).read_bytes() == BODY, "what was refused stood in the way afterwards"


@pytest.mark.parametrize(
    ("address", "says"),
    [("http://127.0.0.1:9", "no connection to 127.0.0.1:9"), ("http://name.invalid", "no connection to name.invalid")],
)
def test_no_network_is_one_sentence(monkeypatch: pytest.MonkeyPatch, home: Path, address: str, says: str) -> None:
    monkeypatch.setenv(store.MIRROR, address)
    monkeypatch.setenv("no_proxy", "*")
    refused(OSError, says, str(home), "https://drive.google.com")


def test_a_disk_too_small_is_told_before_anything_comes(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmadfer.weights.download._free_bytes", lambda folder: 1000)
    refused(OSError, "MB free", str(home))
    assert not (home / f"{NAME}.pth.part").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_fills_up_is_one_sentence(server: Server, home: Path) -> None:
    home.mkdir(parents=True)
    (home / f"{NAME}.pth.part").symlink_to("/dev/full")
    refused(OSError, "No space left on device", str(home))
    assert not (home / f"{NAME}.pth").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(server: Server, home: Path) -> None:
    home.parent.mkdir(parents=True)
    home.write_text("a file where the folder should be")
    refused(OSError, "File exists", str(home))


def test_a_file_that_changed_on_disk_is_refused(server: Server, home: Path) -> None:
    path = store.fetch(NAME, progress=False)
    path.write_bytes(BODY[:-1] + b"x")
    refused(ValueError, "has changed", f"python -m mmadfer.weights remove {NAME}")


@pytest.mark.parametrize("file", [f"{NAME}.pth", "DFEW-2404-set2-160-model_best.pth", "dfew_fold_2_img160.pth"])
def test_a_file_put_by_hand_is_found_and_recorded(home: Path, file: str) -> None:
    refused(FileNotFoundError, "not here", catalogue.DRIVE_FOLDERS["dfew"], f"{home / NAME}.pth")
    assert home.is_dir(), "the folder to put it in should be there"
    for other in ("mafw-fold2-160.pth", "dfew-fold1-160.pth", "dfew-fold2-112.pth", "dfew-fold21-160.pth"):
        (home / other).write_bytes(b"PK another one")
    (home / file).write_bytes(b"PK right")
    assert store.resolve(NAME) == home / file
    assert store.Record.read(home / file) is not None
    (home / file).write_bytes(b"PK wrong")
    refused(ValueError, "has changed")


def test_two_files_that_fit_are_not_chosen_from(home: Path) -> None:
    home.mkdir(parents=True)
    for file in ("DFEW_set2_160_a.pth", "DFEW_set2_160_b.pth"):
        (home / file).write_bytes(b"PK")
    refused(ValueError, "DFEW_set2_160_a.pth, DFEW_set2_160_b.pth", f"{NAME}.pth")


@pytest.mark.parametrize(("content", "says"), [(b"<!doctype html>", "web page"), (b"", "empty")])
def test_a_file_put_by_hand_that_is_none_is_refused(home: Path, content: bytes, says: str) -> None:
    home.mkdir(parents=True)
    (home / f"{NAME}.pth").write_bytes(content)
    refused(ValueError, says, catalogue.DRIVE_FOLDERS["dfew"])


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("dfew", "dfew-fold1-224"),
        ("mafw", "mafw-fold1-224"),
        ("dfew-fold3", "dfew-fold3-224"),
        ("mafw-112", "mafw-fold1-112"),
        ("mafw-fold5-160", "mafw-fold5-160"),
        ("mae-face", "mae-face"),
        ("audiomae", "audiomae"),
    ],
)
def test_short_names(short: str, full: str) -> None:
    assert catalogue.find(short).name == full


@pytest.mark.parametrize("name", ["dfew-fold6", "dfew-fold0-160", "dfew-128", "ferv39k", "", "dfew-fold1-160-x"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match="dfew-fold1-160"):
        catalogue.find(name)


def test_resolve_takes_a_path_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "my weights.pth"
    path.write_bytes(b"x")
    assert store.resolve(str(path)) == path
    with pytest.raises(FileNotFoundError, match="no file"):
        store.resolve(str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match=r"no file absent\.pth"):
        store.resolve("absent.pth")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MMADFER_HOME": "/x"}, "/x/weights"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/mmadfer/weights"),
        ({"HOME": "/h"}, "/h/.cache/mmadfer/weights"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_folder(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name in ("MMADFER_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(catalogue.folder()) == expected


def test_a_mirror_must_be_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.MIRROR, "/nfs/weights")
    refused(ValueError, store.MIRROR, "/nfs/weights")


def test_remove_takes_all_that_belongs_to_it(server: Server, home: Path) -> None:
    store.fetch(NAME, progress=False)
    assert len(store.remove(NAME)) == 2
    server.cut_after = 10
    refused(OSError, "10 of")
    assert len(store.remove(NAME)) == 2
    assert list(home.iterdir()) == []
    with pytest.raises(FileNotFoundError, match=NAME):
        store.remove(NAME)


def test_commands(server: Server, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    assert run("path", NAME)[0] == 2
    assert run("fetch", NAME)[:2] == (0, f"{home / NAME}.pth\n")
    assert run("path", NAME)[:2] == (0, f"{home / NAME}.pth\n")
    code, out, _ = run("list")
    assert code == 0
    assert f"{NAME}   1 MB in {NAME}.pth" in out
    assert all(name in out for name in catalogue.SOURCES)
    assert run("remove", NAME)[0] == 0
    code, out, error = run("remove", NAME)
    assert (code, out, error.count("\n")) == (2, "", 1)
    server.status = 403
    code, out, error = run("fetch", NAME)
    assert (code, out, error.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("arguments", [[], ["fetch"], ["nonsense"], ["fetch", "nonsense"]])
def test_a_wrong_command_line_ends_with_2_and_one_line(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "mmadfer.weights", *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
