"""The benchmarks of the model: what they sum up, and that they run and write what they measured."""

import dataclasses
import json
import re

import pytest
import torch

from benchmarks import end_to_end, latency, streaming
from benchmarks.support.engine_process import NotAvailable, Started
from export.int8 import Sample
from tests.support.small_models import SPEC, stressed_model
from tests.support.whole_rows import whole

EXACT = Sample(torch.zeros(16, 1), torch.zeros(1), torch.zeros(1), torch.zeros(0, 4))
STEP = Sample(torch.zeros(1, 1), torch.zeros(1), torch.zeros(1), torch.zeros(15, 4))


class FakeProcess:
    """An engine whose passes take the same time each, and whose probabilities are off by a constant."""

    def __init__(self, exact, step, off=0.0):
        self.started = Started(2.0, 10**9, "fake engine")
        self._seconds, self._off = (exact, step), off

    def samples(self):
        return [EXACT, STEP]

    def run(self, sample):
        return torch.tensor([0.5 - self._off, 0.5 + self._off]), self._seconds[len(sample.old_cls) > 0]


def rows(off=0.001):
    """Return the rows of an engine four times as fast as the reference, and 40 times by steps."""
    engine = latency.Engine("openvino", "bf16")
    return latency._rows(engine, 224, FakeProcess(4.0, 1.0), FakeProcess(1.0, 0.1, off), 3, 9.0)


def test_ratios_refer_to_the_reference_exact_pass():
    exact, step = rows()
    assert (exact.kind, exact.runs, exact.median_ms, exact.ratio) == ("exact", 3, 1000, 4)
    assert (step.kind, step.runs, step.p95_ms, step.ratio) == ("step", 3 * latency.STEPS, 100, pytest.approx(40))
    assert exact.error == pytest.approx(0.001, rel=1e-3)
    assert (exact.memory_mb, exact.cold_s, exact.warm_s) == (1000, 9, 2)
    assert latency.line(exact) == "| openvino bf16 | 224 | exact | 1000 | 1000 | 4.0 | 0.00100 | 1000 | 9.0 / 2.0 |"


def test_what_cannot_run_is_listed_with_its_reason(monkeypatch, tmp_path):
    def refuse(*_):
        raise NotAvailable("there is no GPU")

    monkeypatch.setattr(latency, "running", refuse)
    found = latency.measure(latency.Engine("tensorrt", "fp16", "cuda"), 112, 0.3, 1, str(tmp_path))
    assert [latency.line(row) for row in found] == [
        "| tensorrt fp16 cuda | 112 | exact, step | not available: there is no GPU | | | | | |"
    ]


def test_latency_writes_figures_and_picture(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        latency, "measure", lambda engine, size, *_: [dataclasses.replace(r, size=size) for r in rows()]
    )
    files = [tmp_path / "latency.json", tmp_path / "latency.png"]
    monkeypatch.setattr(
        end_to_end, "measure", lambda setting, seconds, cache: [whole(setting.size, setting.engine.precision, seconds)]
    )
    arguments = ["--sizes", "112", "224", "--backends", "openvino", "--precisions", "bf16", "--seconds", "7"]
    assert latency.main([*arguments, "--json", str(files[0]), "--plot", str(files[1])]) == 0
    out = capsys.readouterr().out
    assert (out.count("| openvino bf16 |"), out.count("| bf16 | 112 |"), out.count("| bf16 | 224 |")) == (4, 1, 1)
    found = json.loads(files[0].read_text())
    assert [(row["size"], row["seconds"]) for row in found["end_to_end"]] == [(112, 7), (224, 7)]
    assert [row["size"] for row in found["rows"]] == [112, 112, 224, 224]
    assert found["machine"]["cores"] >= 1
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_latency_without_the_whole_app(monkeypatch, tmp_path):
    monkeypatch.setattr(latency, "measure", lambda *_: rows())
    monkeypatch.delattr(end_to_end, "measure_all")
    file = tmp_path / "latency.json"
    arguments = ["--sizes", "112", "--backends", "openvino", "--precisions", "bf16", "--no-end-to-end"]
    assert latency.main([*arguments, "--json", str(file), "--plot", str(tmp_path / "latency.png")]) == 0
    assert json.loads(file.read_text())["end_to_end"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sizes", "100"], "--sizes must be among (112, 160, 224) px, got 100"),
        (["--runs", "0"], "--runs must be at least 1, got 0"),
        (["--seconds", "0"], "--seconds must be 1 to 3600, got 0"),
    ],
)
def test_arguments_that_cannot_be_meant_end_with_one_sentence(arguments, words, capsys):
    assert latency.main(arguments) == 2
    assert capsys.readouterr().err == f"python -m benchmarks.latency: {words}\n"


def hop(time, new_frames, exact, step, steady=True):
    """Return a hop with these probabilities of the first of two classes."""
    return streaming.Hop(time, new_frames, [exact, 1 - exact], [step, 1 - step], 1.0, 0.1, steady)


def test_summary_is_over_the_steps():
    hops = [hop(0.2, 16, 0.9, 0.9), hop(0.4, 1, 0.6, 0.5), hop(0.6, 1, 0.55, 0.45), hop(0.8, 2, 0.7, 0.71)]
    found = streaming.summary("a.mp4", hops, SPEC)
    assert (found.hops, found.steps, found.new_frames) == (4, 3, {1: 2, 2: 1, 16: 1})
    assert found.agreement == pytest.approx(2 / 3)
    assert found.mean == pytest.approx(0.07)
    assert found.most == pytest.approx(0.1)
    assert found.natural == pytest.approx((0.3 + 0.05 + 0.15) / 3)
    assert "| 66.7% | 0.07000 / 0.10000 | 0.16667 | 1: 2, 2: 1, 16: 1 | 1000 / 100 |" in streaming.line(found)


def test_a_file_of_exact_passes_has_no_step_figures():
    found = streaming.summary("a.mp4", [hop(0.2, 16, 0.9, 0.9)], SPEC)
    assert (found.steps, found.agreement, found.most) == (0, None, None)
    assert "| - | - | - | 16: 1 |" in streaming.line(found)


def test_the_share_of_exact_passes_is_of_windows_that_leave_a_choice():
    hops = [hop(0.2, 16, 0.9, 0.9, steady=False), *[hop(3.2 + k, 1, 0.9, 0.9) for k in range(3)], hop(6, 16, 0.9, 0.9)]
    found = streaming.summary("a.mp4", hops, SPEC)
    assert found.exact_share == 0.25
    assert "| a.mp4 | 5 | 3 | 25% |" in streaming.line(found)
    assert streaming.summary("a.mp4", hops[:1], SPEC).exact_share is None


@pytest.mark.parametrize(("step", "words"), [(0.885, "off by 0.0150 at most (b); limit 0.02: met"), (0.8, "MISSED")])
def test_the_verdict_is_on_the_worst_of_the_abrupt_sounds(step, words):
    quiet = streaming.summary("a", [hop(3.2, 1, 0.9, 0.899)], SPEC)
    assert words in streaming.verdict([quiet, streaming.summary("b", [hop(3.2, 1, 0.9, step)], SPEC), quiet])


def test_streaming_with_sound_that_changes_abruptly(monkeypatch, clips, tmp_path, capsys):
    monkeypatch.setattr(streaming, "load", lambda *_: stressed_model())
    monkeypatch.setattr("benchmarks.support.abrupt_sound.SECONDS", 5.0)
    every = streaming.made_sounds
    monkeypatch.setattr(streaming, "made_sounds", lambda *given: dict(list(every(*given).items())[:2]))
    clip = str(clips / "derived_face_jfk_6s_44k.mp4")
    arguments = [clip, "--backend", "pytorch", "--device", "cpu", "--precision", "fp32", "--sounds", "abrupt"]
    assert streaming.main([*arguments, "--json", str(tmp_path / "out.json")]) == 0
    out = capsys.readouterr().out
    assert re.search(r"where the sound changes abruptly: off by 0\.0[01]\d\d at most \(.*\); limit 0\.02: met", out), (
        out
    )
    found = json.loads((tmp_path / "out.json").read_text())["clips"]
    assert [clip["clip"].split(": ")[1] for clip in found] == ["silence, then a shout", "a quiet room, then a shout"]
    assert all(clip["hops"] > 20 and clip["exact_share"] < 0.6 and clip["most"] < 0.02 for clip in found), out


def test_streaming_over_a_real_clip(monkeypatch, clips, tmp_path, capsys):
    monkeypatch.setattr(streaming, "load", lambda *_: stressed_model())
    clip = str(clips / "derived_face_jfk_6s_44k.mp4")
    arguments = [clip, "--backend", "pytorch", "--device", "cpu", "--precision", "fp32", "--sounds", "own"]
    assert streaming.main([*arguments, "--json", str(tmp_path / "out.json")]) == 0
    assert "derived_face_jfk_6s_44k.mp4 | 3" in capsys.readouterr().out
    found = json.loads((tmp_path / "out.json").read_text())["clips"][0]
    assert found["agreement"] == 1
    assert 0 < found["most"] < 0.01
    assert found["new_frames"]["1"] > 10
    first = found["every_hop"][0]
    assert (first["new_frames"], first["exact"]) == (16, pytest.approx(first["step"], abs=1e-6))


def test_a_missing_clip_ends_with_one_sentence(capsys):
    assert streaming.main(["nowhere.mp4"]) == 2
    assert "there is no file nowhere.mp4" in capsys.readouterr().err
