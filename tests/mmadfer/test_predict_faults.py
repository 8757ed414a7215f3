"""The command line over clips of which some fail, to places that cannot be written: one sentence each."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import av
import pytest
from PIL import Image

from mmadfer import predict
from mmadfer.files.names import original, shown
from mmadfer.recognizer import EmotionRecognizer
from tests.support.predictions import options, rows_of, said_in


def _run(arguments, code="from mmadfer import predict", **more):
    """Run the command with ``code`` before it."""
    whole = f"import sys; {code}; sys.exit(predict.main(guard=True))"
    return subprocess.Popen(
        [sys.executable, "-c", whole, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
    )


def test_a_file_that_fails_in_any_way_ends_alone(weights, short, tmp_path, monkeypatch, capsys):
    troubles = {
        RuntimeError("no kernel\nimage"): "cannot be scored (RuntimeError: no kernel image); is it damaged?",
        MemoryError(): "cannot be scored, for memory is too short for it",
        IndexError("list index out of range"): "cannot be scored (IndexError: list index out of range)",
        KeyError("moov"): "cannot be scored (KeyError: 'moov')",
        struct.error("unpack requires 4 bytes"): "cannot be scored (error: unpack requires 4 bytes)",
        SyntaxError("broken PNG file"): "cannot be scored (SyntaxError: broken PNG file)",
        EOFError(): "cannot be scored (EOFError)",
        TypeError("None"): "cannot be scored (TypeError: None)",
        ZeroDivisionError("Fraction(1, 0)"): "cannot be scored (ZeroDivisionError: Fraction(1, 0))",
        SystemError("returned NULL"): "cannot be scored (SystemError: returned NULL)",
        Image.DecompressionBombError("too large"): "cannot be scored (DecompressionBombError: too large)",
        av.error.FFmpegError(1, "Generic error"): "cannot be scored (FFmpegError: [Errno 1] Generic error)",
        av.error.InvalidDataError(1, "Invalid data"): ": [Errno 1] Invalid data",
        PermissionError(13, "Permission denied"): "cannot be read (Permission denied); ask its owner",
        ValueError("{path} is  odd;\nconvert it"): " is odd; convert it",
    }
    names = {}
    for number, error in enumerate(troubles):
        name = tmp_path / f"{number}  \n\udce9.mkv"
        os.link(short, name)
        error.args = tuple(a.format(path=name) if isinstance(a, str) else a for a in error.args)
        names[str(name)] = error
    stream = EmotionRecognizer.stream

    def fail(self, path, **more):
        yield from stream(self, path, **more)
        if str(path) in names:
            raise names[str(path)]

    monkeypatch.setattr(EmotionRecognizer, "stream", fail)
    out = tmp_path / "out.csv"
    assert predict.main([*names, str(short), "--csv", str(out), *options(weights)]) == 2
    said = capsys.readouterr().err
    for sentence, name, words in zip(said_in(said), names, troubles.values(), strict=True):
        assert sentence.startswith(shown(name)) and words in sentence
    assert [original(row["file"]) for row in rows_of(out)] == [*names, str(short)], "what came before an error is kept"
    assert f"{len(names)} of {len(names) + 1} files failed" in said


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("", "--csv got an empty name"),
        ("folder", "--csv folder is a folder; name a file"),
        ("no/out.csv", "--csv: there is no folder no; make it"),
        ("clip.mkv/out.csv", "--csv: there is no folder clip.mkv; make it"),
        ("clip.mkv", "--csv clip.mkv would overwrite the clip of that name"),
        ("folder/../clip.mkv", "would overwrite the clip"),
        ("link.csv", "--csv link.csv would overwrite the clip"),
        ("hard.csv", "--csv hard.csv would overwrite the clip"),
        ("other.MP4", "--csv other.MP4 would overwrite a file that is no table"),
        ("model.safetensors", "--csv model.safetensors would overwrite"),
        ("x" * 300, "File name too long"),
        ("/proc/out.csv", "--csv /proc/out.csv"),
        ("/dev/full", "/dev/full cannot be written (No space left on device); make room or name another place"),
    ],
)
def test_where_no_table_can_be_nothing_is_lost(place, message, weights, short, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for name in ("clip.mkv", "hard.csv"):
        os.link(short, name)
    Path("link.csv").symlink_to("clip.mkv")
    Path("model.safetensors").write_bytes(weights.read_bytes())
    Path("other.MP4").write_bytes(b"precious")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert predict.main(["clip.mkv", "clip.mkv", "--csv", place, *options("model.safetensors")]) == 2
    [sentence] = said_in(capsys.readouterr().err)
    assert message in sentence
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(("made", "message"), [
    (lambda: None, "standard output is closed; name a file with --csv"),
    (lambda: open("/dev/full", "w"), "standard output cannot be written (No space left on device); make room"),  # noqa: SIM115
    (lambda: _pipe_to_nobody(), "standard output was closed by its reader; the rest is not scored"),
])  # fmt: skip
def test_standard_output_that_ends_is_one_sentence(made, message, weights, short, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", made())
    assert predict.main([str(short), *options(weights)]) == 2
    [sentence] = said_in(capsys.readouterr().err)
    assert message in sentence


def _pipe_to_nobody():
    reading, writing = os.pipe()
    os.close(reading)
    return open(writing, "w")


def test_nothing_follows_that_sentence(weights, short):
    with open("/dev/full", "w") as full:
        process = subprocess.run([sys.executable, "-m", "mmadfer.predict", str(short), *options(weights)], stdout=full,
                                 stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert process.returncode == 2 and len(said_in(process.stderr)) == 1
    assert "Traceback" not in process.stderr and "Exception ignored" not in process.stderr


def test_weights_whose_name_is_no_text_are_named(weights, short, tmp_path, capsys):
    odd = tmp_path / "w\udce9.safetensors"
    odd.write_bytes(weights.read_bytes())
    assert predict.main([str(short), "--weights", str(odd), "--backend", "pytorch"]) == 2
    [sentence] = said_in(capsys.readouterr().err)
    assert r"w\xe9.safetensors" in sentence and "not valid UTF-8" in sentence


CRASH = (
    "import os, signal;"
    "from mmadfer import predict; from mmadfer.recognizer import EmotionRecognizer as R;"
    "real = R.stream;"
    "R.stream = lambda self, path, **more: ("
    "os.kill(os.getpid(), signal.{}) if 'bad' in str(path) else real(self, path, **more))"
)


def test_a_file_that_crashes_the_process_ends_alone(weights, short, tmp_path):
    files = ["a", "bad1", "bad2", "b", "bad3"]
    names = [str(tmp_path / f"{name}.mkv") for name in files]
    for name in names:
        os.link(short, name)
    out = tmp_path / "out.csv"
    process = _run([*names, "--csv", str(out), *options(weights)], CRASH.format("SIGSEGV"))
    said = process.communicate()[1].decode()
    assert process.returncode == 2, said
    bad = [name for name in names if "bad" in name]
    assert [row["file"] for row in rows_of(out)] == [name for name in names if name not in bad]
    for sentence, name in zip(said_in(said), bad, strict=True):
        assert sentence.startswith(f"{name} cannot be scored, for it ended the process (SIGSEGV)")
    assert f"{len(bad)} of {len(names)} files failed" in said and said.count("PyTorch") == 1
