"""The command line over recorded clips."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import mmadfer
from benchmarks.support.voiceless import voiceless_sounds
from mmadfer import predict
from mmadfer.files.names import original
from mmadfer.models import mma_dfer
from mmadfer.models.mma_dfer import untrained_model
from mmadfer.outputs.schema import SCHEMA_VERSION
from tests.support.made_media import gradient, tone, write_media
from tests.support.predictions import options, rows_of, said_in
from tests.support.small_models import SPEC, TINY, small_model

UNTRAINED = ("--weights", "untrained", "--backend", "pytorch")


def test_csv_has_one_line_per_hop_and_file(weights, clips, tmp_path, capsys):
    out = tmp_path / "out.csv"
    files = [str(clips / "derived_asl_sorry_jfk_2s_48k.mp4"), str(clips / "jfk.flac")]
    assert (
        predict.main([*files, "--csv", str(out), "--weights", str(weights), "--hop", "1", "--backend", "pytorch"]) == 0
    )
    rows = rows_of(out)
    assert [row["file"] for row in rows] == [files[0]] * 3 + [files[1]] * 11
    face, sound = rows[0], rows[-1]
    assert sum(float(face[label]) for label in SPEC.labels) == pytest.approx(1, abs=0.001)
    assert face["label"] == max(SPEC.labels, key=lambda label: float(face[label]))
    assert (face["has_audio"], face["weights"], face["time_s"]) == ("1", "small", "1.000")
    assert float(face["face_width"]) > 30
    assert sound["label"] == ""  # these weights cannot do without a face
    assert sound["states"] == "no face"
    assert sound["face_x"] == ""
    assert "100%" in capsys.readouterr().err  # the progress bar


def test_sound_without_a_voice_is_told_unless_nobody_is_to_look(weights, tmp_path):
    wind = write_media(tmp_path / "wind.flac", waveform=voiceless_sounds(3.0, 44_100)["wind"])
    for more, state, speech in (((), "no face; no voice", "0.00"), (("--no-voice-activity",), "no face", "")):
        out = tmp_path / "out.csv"
        assert predict.main([str(wind), "--csv", str(out), *options(weights), *more]) == 0
        last = rows_of(out)[-1]
        assert (last["states"], last["speech"], last["has_audio"], last["label"]) == (state, speech, "1", "")


def test_json_lines_say_what_the_csv_says(weights, short, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.link(short, "-")
    assert predict.main(["./-", "--csv", "out.csv", *options(weights)]) == 0
    assert predict.main(["./-", "--jsonl", "out.jsonl", *options(weights)]) == 0
    lines = Path("out.jsonl").read_text(encoding="utf-8").splitlines()
    [cells], [values] = rows_of("out.csv"), map(json.loads, lines)
    assert values.pop("schema") == SCHEMA_VERSION and list(values) == list(cells)
    assert (values["file"], values["weights"], values["has_audio"]) == ("./-", "small", False)
    assert "; ".join(values["states"]) == cells["states"] != ""
    for name in SPEC.labels:
        assert f"{values[name]:.4f}" == cells[name]
    capsys.readouterr()
    for option, there in (("--csv", "out.csv"), ("--jsonl", "out.jsonl")):
        assert predict.main(["./-", option, "-", *options(weights)]) == 0
        found = capsys.readouterr().out.splitlines()
        expected = Path(there).read_text(encoding="utf-8").splitlines()
        assert [without_latency(line) for line in found] == [without_latency(line) for line in expected]


def without_latency(line):
    return re.sub(r"(?<=\"latency_ms\": )[\d.]+|\d+(?=,small$)", "", line)


def test_a_class_called_like_a_column_is_told_before_the_file_is_opened(clips, tmp_path, capsys):
    model = small_model()
    model.spec = dataclasses.replace(SPEC, labels=("states", *SPEC.labels[1:]))
    clashing, out = mmadfer.save_model(model, tmp_path / "clashing.safetensors"), tmp_path / "out.csv"
    out.write_text("precious")
    for option in ("--csv", "--jsonl"):
        assert predict.main([str(clips / "intel_asl_thanks.mkv"), option, str(out), *options(clashing)]) == 2
        assert "the class 'states' is called like a column" in said_in(capsys.readouterr().err)[0]
    assert out.read_text() == "precious"


def test_untrained_weights_are_said_in_every_line_and_before(clips, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(mma_dfer, "untrained_model", lambda seed: untrained_model(SPEC, TINY))
    out = tmp_path / "out.csv"
    assert predict.main([str(clips / "intel_asl_thanks.mkv"), "--csv", str(out), "--hop", "1", *UNTRAINED]) == 0
    assert "UNTRAINED WEIGHTS" in capsys.readouterr().err
    for row in rows_of(out):
        assert row["weights"] == "UNTRAINED"
        assert "untrained weights" in row["states"]
        assert row["label"] == ""


def test_a_broken_file_does_not_stop_the_others(weights, clips, tmp_path, capsys):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    out = tmp_path / "out.csv"
    files = [str(broken), str(clips / "intel_asl_thanks.mkv")]
    assert (
        predict.main([*files, "--csv", str(out), "--weights", str(weights), "--hop", "2", "--backend", "pytorch"]) == 2
    )
    assert {row["file"] for row in rows_of(out)} == {files[1]}
    assert "broken.mp4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.mp4"], "there is no file nowhere.mp4"),
        (["{clip}", "--weights", "no-such-weights"], "no-such-weights"),
        (["{clip}", "--hop", "0", "--weights", "{weights}", "--backend", "pytorch"], "hop must be above 0 seconds"),
        (["{clip}", "--csv", "{clip}", "--weights", "{weights}"], "would overwrite the clip"),
        (["{clip}", "--jsonl", "{clip}", "--weights", "{weights}"], "--jsonl {clip} would overwrite the clip"),
        (["{clip}", "--jsonl", "", "--weights", "{weights}"], "--jsonl got an empty name"),
        (["{clip}", "--jsonl", "o", "--csv", "o", "--weights", "{weights}"], "give either --csv or --jsonl, not both"),
        (["{clip}", "--jsonl", "o", "--out", "o", "--weights", "{weights}"], "give either --jsonl or --out, not both"),
        (["{clip}", "--device", "abacus", "--weights", "{weights}"], "there is no device 'abacus'"),
        (
            ["{clip}", "--csv", "{folder}/no/out.csv", "--weights", "{weights}", "--backend", "pytorch"],
            "there is no folder {folder}/no; make it",
        ),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(arguments, message, weights, clips, tmp_path, capsys):
    names = {"clip": clips / "intel_asl_thanks.mkv", "weights": weights, "folder": tmp_path}
    assert predict.main([a.format(**names) for a in arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m mmadfer.predict:")]
    assert len(lines) == 1
    assert message.format(**names) in lines[0]


ODD_NAMES = [
    b"plain.mkv",
    b"caf\xe9.mkv",
    "caf\u00e9.mkv".encode(),
    rb"caf\xe9.mkv",
    b"a\nb.mkv",
    rb"a\nb.mkv",
    b"tab\t, \"quoted\" 'x';.mkv",
    b"\x1b[31mred\x07\r.mkv",
    "😀 \u202egnp.mkv".encode(),
    b"2026-01-02T10:30:00.mkv",
    b"http:x.mkv",
    b"file:x.mkv",
    b"pipe:1",
    b"100%d%03d?#*[1]{bar}$HOME~&|.mkv",
    b"-x.mkv",
    b"--csv",
    b" .mkv ",
    b"x" * 251 + b".mkv",
]


def test_names_in_any_bytes_get_their_rows(weights, short, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ODD_NAMES:
        os.link(short, name)
    out = "out \udce9:1.csv"
    names = [os.fsdecode(name) for name in ODD_NAMES]
    assert predict.main(["--csv", out, *options(weights), "--", *names]) == 0
    assert [original(row["file"]) for row in rows_of(out)] == names, "each in its own row"
    said = capsys.readouterr().err
    assert r"caf\xe9.mkv 100%" in said and "\x1b[31m" not in said, "the progress bar"
    assert predict.main(["./-x.mkv", *options(weights)]) == 0
    assert "\n./-x.mkv," in capsys.readouterr().out


def test_names_are_written_to_any_terminal(weights, short, tmp_path):
    names = [b"caf\xe9.mkv", "caf\u00e9.mkv".encode(), "😀.mkv".encode()]
    for name in names:
        os.link(short, os.fsencode(tmp_path) + b"/" + name)
    plain = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "mmadfer.predict", *names, *options(weights)]
    environment = {**plain, "PYTHONPATH": str(Path(predict.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.decode("ascii").splitlines()))
    assert [os.fsencode(original(row["file"])) for row in rows] == names


def test_files_of_one_name_stay_apart_and_one_file_counts_once(weights, short, tmp_path, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        os.link(short, tmp_path / folder / "clip.mkv")
    (tmp_path / "link.mkv").symlink_to("a/clip.mkv")
    files = [str(tmp_path / name) for name in ("a/clip.mkv", "b/clip.mkv", "link.mkv", "a/../a/clip.mkv")]
    out = tmp_path / "out.csv"
    assert predict.main([*files, "--csv", str(out), *options(weights)]) == 0
    assert [row["file"] for row in rows_of(out)] == files[:2]
    said = capsys.readouterr().err
    assert all(f"scored once: {name} is the same file as {files[0]}" in said for name in files[2:])


def test_what_is_odd_about_a_file_is_told_by_its_name(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    frames = [(k / 25, gradient(64, 48)) for k in range(50)]
    whole = write_media(tmp_path / "whole.ts", frames, tone(16_000, 2.0), 16_000, codecs=("mpeg4", "mp2"))
    Path("twice\n.ts").write_bytes(2 * whole.read_bytes())
    assert predict.main(["twice\n.ts", "--csv", "out.csv", *options(weights)]) == 0
    assert r"twice\n.ts: its clock starts anew at 2." in capsys.readouterr().err
    assert float(rows_of("out.csv")[-1]["time_s"]) == pytest.approx(4.0, abs=0.1)


def test_lists_of_other_files_are_told_and_lead_nowhere(weights, short, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.link(short, "short.mkv")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        there = f"http://127.0.0.1:{server.getsockname()[1]}/x.mkv"
        lists = {
            "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{there}\n#EXT-X-ENDLIST\n",
            "b.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nshort.mkv\n#EXT-X-ENDLIST\n",
            "c.txt": "ffconcat version 1.0\nfile short.mkv\n",
            "d.mkv": f"ffconcat version 1.0\nfile {there}\n",
            "e.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        }
        for name, text in lists.items():
            Path(name).write_text(text)
        assert predict.main([*lists, "short.mkv", "--csv", "out.csv", *options(weights)]) == 2
        with pytest.raises(BlockingIOError):  # nobody called
            server.accept()
    sentences = said_in(capsys.readouterr().err)
    for sentence, name in zip(sentences, lists, strict=True):
        assert sentence.startswith(f"{name} cannot be read") and "is a playlist" in sentence
    assert [row["file"] for row in rows_of("out.csv")] == ["short.mkv"]


def test_what_is_no_file_is_told_and_the_others_go_on(weights, short, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo.mkv")
    Path("loop.mkv").symlink_to("loop.mkv")
    Path("dangling.mkv").symlink_to("gone\n.mkv")
    Path("folder.mkv").mkdir()
    expected = {
        "nowhere\n.mkv": r"there is no file nowhere\n.mkv; is it spelt right?",
        "": "an empty name was given; give a file",
        "-": "standard input cannot be scored",
        "http://localhost:1/x.mp4": "http://localhost:1/x.mp4 is an address, and nothing is fetched",
        "rtsp://localhost:1/x": "rtsp://localhost:1/x is an address",
        "file:///x.mp4": "file:///x.mp4 is an address",
        "fifo.mkv": "fifo.mkv is a pipe or a device and no file; save what comes from it",
        "socket.mkv": "socket.mkv is a pipe or a device",
        "/dev/zero": "/dev/zero is a pipe or a device",
        "loop.mkv": "loop.mkv cannot be opened (Too many levels of symbolic links)",
        "dangling.mkv": r"dangling.mkv is a link to nothing (gone\n.mkv)",
        "folder.mkv": "folder.mkv is a folder; score its clips with --out",
        "x" * 300: "cannot be opened (File name too long)",
        f"{short}/x.mkv": "cannot be opened (Not a directory)",
    }
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.mkv")
        assert predict.main(["--csv", "out.csv", *options(weights), "--", str(short), *expected]) == 2
    said = capsys.readouterr().err
    for sentence, (name, words) in zip(said_in(said), expected.items(), strict=True):
        assert words in sentence, name
    assert f"{len(expected)} of {len(expected) + 1} files failed" in said
    assert [row["file"] for row in rows_of("out.csv")] == [str(short)]
    # Where nothing is left, nothing is loaded or written.
    assert predict.main(["gone.mkv", "fifo.mkv", "--csv", "none.csv", *options(tmp_path / "no weights")]) == 2
    assert len(said_in(capsys.readouterr().err)) == 2 and not Path("none.csv").exists()


@pytest.mark.parametrize("arguments", [[], ["a.mp4", "--hop", "soon"], ["a.mp4", "--frames", "3"]])
def test_wrong_options_exit_with_2(arguments):
    with pytest.raises(SystemExit) as caught:
        predict.main(arguments)
    assert caught.value.code == 2
