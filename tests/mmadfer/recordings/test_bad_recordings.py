"""What is no recording, or a damaged one, is told in one sentence, and left as it was."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmadfer.recordings import holder
from mmadfer.recordings.command import main
from mmadfer.recordings.further import add
from tests.support import recording_tables as recordings

Files = dict[str, bytes]


def changed(**files: bytes | None) -> Files:
    made = {**recordings.short(), **{name.replace("_", "."): data for name, data in files.items()}}
    return {name: data for name, data in made.items() if data is not None}


def cut(data: bytes) -> bytes:
    return data[:-40]


def cell(old: bytes, new: bytes) -> bytes:
    return recordings.short()["answers.csv"].replace(old, new, 1)


BAD = {
    "no metadata": (changed(metadata_json=None), "no metadata.json"),
    "no answers": (changed(answers_csv=None), "no answers.csv"),
    "no JSON": (changed(metadata_json=b"\xff{"), "no JSON"),
    "deep JSON": (changed(metadata_json=b"[" * 100_000), "no JSON"),
    "another program's": (changed(metadata_json=b'{"format": "other"}'), "no recording of mmadfer"),
    "a list": (changed(metadata_json=b"[]"), "no recording of mmadfer"),
    "newer": (changed(metadata_json=recordings.metadata(version=2)), "update mmadfer"),
    "no version": (changed(metadata_json=recordings.metadata(version="1")), "no version"),
    "no classes": (changed(metadata_json=recordings.metadata(labels=[])), "labels"),
    "a class like a column": (changed(metadata_json=recordings.metadata(labels=["time_s"])), "called like a column"),
    "other classes": (changed(metadata_json=recordings.metadata(labels=["joy"])), "lacks the column joy"),
    "cut off": (changed(answers_csv=cut(recordings.short()["answers.csv"])), "cut off"),
    "no text": (changed(answers_csv=b"\xff\xfe\x00"), "no CSV"),
    "empty table": (changed(answers_csv=b""), "lacks the column"),
    "no time": (changed(answers_csv=cell(b",0.200,", b",soon,")), "has soon as time_s"),
    "endless time": (changed(answers_csv=cell(b",0.200,", b",inf,")), "has inf as time_s"),
    "no number": (changed(answers_csv=cell(b",0.7,", b",much,")), "has much in the column happiness"),
    "a long cell": (changed(answers_csv=cell(b",0.7,", b"," + b"9" * 200_000 + b",")), "no CSV"),
    "another label": (changed(answers_csv=cell(b"happiness,0.7", b"joy,0.7")), "the label joy"),
    "no markers' time": (changed(markers_csv=b"key,text\n1,\n"), "lacks the column time_s"),
    "a marker's time": (changed(markers_csv=b"time_s,key\n-1,1\n"), "has -1 as time_s"),
}


@pytest.mark.parametrize(("files", "words"), BAD.values(), ids=BAD)
def test_bad_tables_are_told(files: Files, words: str, tmp_path: Path, capsys: Any) -> None:
    path = recordings.write_zip(tmp_path / "session.zip", files)
    before = path.read_bytes()
    assert main([str(path)]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and "session.zip" in said, said
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def no_zip(path: Path) -> None:
    path.write_text("hello")


def flipped(path: Path) -> None:
    """Break a byte of the video, which only copying meets."""
    data = bytearray(path.read_bytes())
    data[data.index(b"VIDEO")] ^= 1
    path.write_bytes(data)


def absent(path: Path) -> None:
    path.unlink()


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made, made.open("metadata.json", "w") as out:
        for _ in range(17):
            out.write(b" " * (1 << 20))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncated, "cut off"),
        (no_zip, "neither a zip nor a folder"),
        (flipped, "damaged"),
        (absent, "there is no recording"),
        (bomb, "more than 16 MB"),
    ],
)
def test_bad_zips_are_told(damage: Callable[[Path], None], words: str, tmp_path: Path, capsys: Any) -> None:
    path = recordings.write_zip(tmp_path / "session.zip", {"video.webm": b"VIDEO" * 100, **recordings.short()})
    damage(path)
    before = path.read_bytes() if path.exists() else b""
    assert main([str(path)]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1, said
    assert not path.exists() or path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] in ([], ["session.zip"])


def test_a_media_name_leads_nowhere_else() -> None:
    files = recordings.short()
    for name in ("../../etc/passwd", "http://example.org/x.webm", "a\\b", ".hidden", "", 5):
        metadata = recordings.metadata(media={"file": name})
        made = holder.parse(files["answers.csv"], None, metadata)
        assert made.media is None


def test_an_unknown_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no further file 'pdf'"):
        add(tmp_path, ["pdf"])
