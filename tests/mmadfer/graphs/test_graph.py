"""The two ONNX graphs and what is made of them: equal to PyTorch, described, kept, and never half-written."""

import dataclasses
import os
import shutil
import subprocess
import sys

import pytest
import torch

from export import onnx as export_onnx
from export.parity import compare
from mmadfer.backends import load_backend
from mmadfer.backends.openvino.backend import OpenVINOBackend
from mmadfer.backends.openvino.core import openvino_core
from mmadfer.backends.openvino.faces_graph import without_sound
from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.graphs import graph
from mmadfer.graphs.cache import graphs_of
from mmadfer.models.fingerprint import fingerprint
from mmadfer.weights.lazy import LazyModel
from tests.support.small_models import stressed_model
from tests.support.steps import backend


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """Return the graphs of the small model."""
    return graph.write(stressed_model(), tmp_path_factory.mktemp("graphs"))


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.005)])
def test_openvino_equals_pytorch_at_every_number_of_new_frames(graphs, precision, tolerance):
    engine = OpenVINOBackend(graphs, precision)
    parity = compare(engine, PyTorchBackend(stressed_model(), "cpu", "fp32"))
    assert parity.probability < tolerance, f"probabilities are off by {parity.probability:.1e}"
    assert parity.agreement == 1
    if precision == "fp32":
        assert parity.encoded < 1e-4, f"encoders are off by {parity.encoded:.1e}"
    assert engine.description.startswith(f"OpenVINO {precision} on ")
    engine.warmup()
    engine.close()


def test_answers_of_one_call_outlive_the_next(graphs):
    engine = OpenVINOBackend(graphs, "fp32")
    sound, kept = torch.randn(1, 1, 512, 128), torch.zeros(3, 16)
    first = engine.encode(torch.rand(2, 3, 32, 32), sound, kept)
    before = first.cls.clone()
    engine.encode(torch.rand(2, 3, 32, 32), sound, kept)
    assert torch.equal(first.cls, before)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 0.05)])
def test_openvino_encodes_frames_with_kept_sound_as_it_does_with_sound(graphs, precision, tolerance):
    engine = OpenVINOBackend(graphs, precision)
    frames, sound, other = torch.rand(3, 3, 32, 32), torch.randn(1, 1, 512, 128), torch.randn(1, 1, 512, 128)
    whole = engine.encode(frames, sound, torch.zeros(3, 16))
    off = largest(engine.encode_faces(frames, whole.audio_means), (whole.cls, whole.means))
    assert off < tolerance, f"off by {off:.1e}"
    wrong = engine.encode(frames, other, torch.zeros(3, 16)).audio_means
    assert largest(engine.encode_faces(frames, wrong)[:1], (whole.cls,)) > tolerance, "the sound makes no difference"


def test_a_graph_without_the_sounds_means_cannot_be_cut(graphs):
    model = openvino_core().read_model(graphs.head)
    with pytest.raises(ValueError, match="lacks the output audio_means"):
        without_sound(model)


def largest(ours, expected):
    """Return the largest difference over pairs of tensors."""
    return max((a - b).abs().max().item() for a, b in zip(ours, expected, strict=True))


def test_openvino_answers_whole_clips(graphs):
    frames, sound = torch.rand(2, 16, 3, 32, 32), torch.randn(2, 1, 512, 128)
    expected = PyTorchBackend(stressed_model(), "cpu", "fp32")(frames, sound)
    difference = (OpenVINOBackend(graphs, "fp32")(frames, sound) - expected).abs().max().item()
    assert difference < 1e-4, f"off by {difference:.1e}"


def test_parity_sees_other_weights(graphs):
    assert compare(OpenVINOBackend(graphs, "fp32"), backend(0.9)).encoded > 1e-3


def test_graphs_carry_what_they_are(graphs):
    found = graph.read(graphs.path)
    assert found == graphs
    assert found.spec == stressed_model().spec
    assert found.info.name == "small"
    assert found.fingerprint == fingerprint(stressed_model())
    other = stressed_model()
    other.classifier.bias.data[0] += 1
    assert fingerprint(other) != found.fingerprint
    other = stressed_model()
    other.info = dataclasses.replace(other.info, temperature=9.0)
    assert fingerprint(other) != found.fingerprint


def test_graphs_that_are_damaged_or_do_not_belong_together_are_refused(graphs, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no graph .*encoder.onnx; write it with"):
        graph.read(tmp_path)
    shutil.copytree(graphs.path, tmp_path / "copy", dirs_exist_ok=True)
    head = tmp_path / "copy" / "head.onnx"
    head.write_bytes(b"no graph")
    with pytest.raises(ValueError, match=r"head.onnx is damaged"):
        graph.read(tmp_path / "copy")
    other = stressed_model()
    other.classifier.bias.data[0] += 1
    graph.write(other, tmp_path / "other")
    shutil.copy(tmp_path / "other" / "head.onnx", head)
    with pytest.raises(ValueError, match="were made from different weights"):
        graph.read(tmp_path / "copy")


def test_unknown_precision_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no precision 'int4' for graphs; choose fp32 or fp16"):
        graph.write(stressed_model(), tmp_path, "int4")


def test_kept_graphs_are_used_again_and_written_anew_where_they_are_damaged(monkeypatch, tmp_path):
    monkeypatch.setenv("MMADFER_HOME", str(tmp_path))
    first = graphs_of(stressed_model())
    written = first.encoder.stat().st_mtime_ns
    assert graphs_of(stressed_model()).encoder.stat().st_mtime_ns == written
    first.encoder.write_bytes(first.encoder.read_bytes()[:100])
    again = graphs_of(stressed_model())
    assert again.encoder.stat().st_size > 100
    assert [entry.name for entry in again.path.parent.iterdir()] == [again.path.name]  # nothing half-written is left


def test_openvino_is_chosen_for_a_cpu_and_refused_for_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("MMADFER_HOME", str(tmp_path))
    engine = load_backend(stressed_model(), "auto", "cpu", "fp32")
    assert engine.description.startswith("OpenVINO fp32")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="runs on the CPU, but device 'cuda' was asked for"):
        load_backend(stressed_model(), "openvino", "cuda")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_export_command_writes_checks_and_reports(precision, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(LazyModel, "named", lambda *_: LazyModel(stressed_model))
    assert export_onnx.main(["--out", str(tmp_path / "onnx"), "--precision", precision]) == 0
    printed = capsys.readouterr().out
    assert "same top class in 100%" in printed
    assert graph.read(tmp_path / "onnx").precision == precision


def test_export_command_refuses_graphs_that_differ(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(LazyModel, "named", lambda *_: LazyModel(stressed_model))
    monkeypatch.setattr(export_onnx, "LARGEST_DIFFERENCE", {"fp32": -1.0})
    assert export_onnx.main(["--out", str(tmp_path / "onnx")]) == 2
    assert "do not use them" in capsys.readouterr().err
    monkeypatch.undo()
    assert export_onnx.main(["--weights", "nowhere.pth"]) == 2
    assert "nowhere.pth" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_leaves_the_plain_engine_and_says_why(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MMADFER_HOME", str(tmp_path / "file" / "home"))
    engine = load_backend(stressed_model(), "auto", "cpu")
    assert engine.description.startswith("PyTorch")
    assert "the graphs for OpenVINO cannot be kept" in engine.reason
    with pytest.raises(OSError, match="file"):
        load_backend(stressed_model(), "openvino", "cpu")


SIGNALLED = """
import os, signal, sys
from mmadfer.backends.openvino.backend import OpenVINOBackend
from pathlib import Path
from mmadfer.graphs import graph
graphs = graph.read(Path(sys.argv[1]))
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
first = OpenVINOBackend(graphs, "fp32")
second = OpenVINOBackend(graphs, "fp32")
first.close()
second.close()
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_is_handled_after_engines_are_closed(graphs):
    # OpenVINO gives the thread another stack for signals: if that is gone, any signal kills the process.
    command = [sys.executable, "-X", "faulthandler", "-c", SIGNALLED, os.fspath(graphs.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
