"""The command line over recorded clips."""

import csv

import pytest
from test_model import TINY
from test_recognizer import SPEC, small_model, weights  # noqa: F401 - a fixture

from mmadfer import model, predict
from mmadfer.model import untrained_model

UNTRAINED = ("--weights", "untrained", "--backend", "pytorch")


def _rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_has_one_line_per_hop_and_file(weights, clips, tmp_path, capsys):  # noqa: F811
    out = tmp_path / "out.csv"
    files = [str(clips / "derived_asl_sorry_jfk_2s_48k.mp4"), str(clips / "jfk.flac")]
    assert (
        predict.main([*files, "--csv", str(out), "--weights", str(weights), "--hop", "1", "--backend", "pytorch"]) == 0
    )
    rows = _rows(out)
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


def test_untrained_weights_are_said_in_every_line_and_before(clips, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(model, "untrained_model", lambda seed: untrained_model(SPEC, TINY))
    out = tmp_path / "out.csv"
    assert predict.main([str(clips / "intel_asl_thanks.mkv"), "--csv", str(out), "--hop", "1", *UNTRAINED]) == 0
    assert "UNTRAINED WEIGHTS" in capsys.readouterr().err
    for row in _rows(out):
        assert row["weights"] == "UNTRAINED"
        assert "untrained weights" in row["states"]
        assert row["label"] == ""


def test_a_broken_file_does_not_stop_the_others(weights, clips, tmp_path, capsys):  # noqa: F811
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    out = tmp_path / "out.csv"
    files = [str(broken), str(clips / "intel_asl_thanks.mkv")]
    assert (
        predict.main([*files, "--csv", str(out), "--weights", str(weights), "--hop", "2", "--backend", "pytorch"]) == 2
    )
    assert {row["file"] for row in _rows(out)} == {files[1]}
    assert "broken.mp4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.mp4"], "there is no file nowhere.mp4"),
        (["{clip}", "--weights", "no-such-weights"], "no-such-weights"),
        (["{clip}", "--hop", "0", "--weights", "{weights}", "--backend", "pytorch"], "hop must be above 0 seconds"),
        (["{clip}", "--csv", "{clip}", "--weights", "{weights}"], "would overwrite the clip"),
        (["{clip}", "--device", "abacus", "--weights", "{weights}"], "there is no device 'abacus'"),
        (
            ["{clip}", "--csv", "{folder}/no/out.csv", "--weights", "{weights}", "--backend", "pytorch"],
            "No such file or directory",
        ),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(arguments, message, weights, clips, tmp_path, capsys):  # noqa: F811
    names = {"clip": clips / "intel_asl_thanks.mkv", "weights": weights, "folder": tmp_path}
    assert predict.main([a.format(**names) for a in arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m mmadfer.predict:")]
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize("arguments", [[], ["a.mp4", "--hop", "soon"], ["a.mp4", "--frames", "3"]])
def test_wrong_options_exit_with_2(arguments):
    with pytest.raises(SystemExit) as caught:
        predict.main(arguments)
    assert caught.value.code == 2
