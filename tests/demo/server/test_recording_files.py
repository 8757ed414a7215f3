"""The route that makes a recording's further files: what it answers, what it refuses, and that it keeps nothing."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Mapping

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from demo.server import recording_files
from demo.server.admission import Admission
from demo.server.recording_files import PATH, RecordingFiles
from tests.support import recording_tables as recordings


def client(host: str = "http://127.0.0.1:7860", source: str = "browser") -> TestClient:
    routes = RecordingFiles(Admission(source).refusal).routes()
    return TestClient(Starlette(routes=routes), base_url=host)


def zipped(files: Mapping[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def test_it_answers_by_the_files_that_are_asked_for() -> None:
    answer = client().post(f"{PATH}?formats=elan,textgrid", content=zipped(recordings.short()))
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert list(told["files"]) == ["answers.parquet", "report.html", "recording.eaf", "recording.TextGrid"]
    assert base64.b64decode(told["files"]["report.html"]).startswith(b"<!doctype html>") and told["missing"] == []


@pytest.mark.parametrize(
    ("body", "query", "status", "words"),
    [
        (b"", "", 400, "damaged"),
        (b"hello", "", 400, "damaged"),
        (zipped({"a.txt": b""}), "", 400, "no metadata.json"),
        (zipped(recordings.short())[:-50], "", 400, "damaged"),
        (zipped({**recordings.short(), "metadata.json": recordings.metadata(version=9)}), "", 400, "update mmadfer"),
        (zipped({"metadata.json": b" " * (17 << 20)}, zipfile.ZIP_DEFLATED), "", 400, "more than 16 MB"),
        (zipped(recordings.short()), "?formats=pdf", 400, "choose from"),
    ],
    ids=["empty", "no zip", "no recording", "cut off", "newer", "bomb", "unknown format"],
)
def test_what_is_no_recording_is_told(body: bytes, query: str, status: int, words: str) -> None:
    answer = client().post(f"{PATH}{query}", content=body)
    assert answer.status_code == status and words in answer.json()["error"]


def test_what_is_too_large_or_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_files, "MOST_BYTES", 1 << 20)
    answer = client().post(PATH, content=bytes((1 << 20) + 1))
    assert answer.status_code == 413 and "1 MB" in answer.json()["error"]
    monkeypatch.setattr(recording_files, "MOST_AT_ONCE", 0)
    assert client().post(PATH, content=zipped(recordings.short())).status_code == 503


def test_pages_of_elsewhere_are_refused() -> None:
    body = zipped(recordings.short())
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert client().post(PATH, content=body, headers=foreign).status_code == 403
    own = {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}
    assert client().post(PATH, content=body, headers=own).status_code == 200
    assert client().get(PATH).status_code == 405
