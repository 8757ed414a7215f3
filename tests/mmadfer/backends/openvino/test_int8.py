"""Calibration to int8: close to float32, used only where it was made from these weights, refused with one sentence."""

import re
import shutil

import openvino
import pytest
import torch

from export import int8 as export_int8
from mmadfer.backends import load_backend
from mmadfer.backends.openvino import int8
from mmadfer.backends.openvino.backend import OpenVINOBackend
from mmadfer.backends.openvino.compiled import Compiler
from mmadfer.backends.openvino.core import openvino_core
from mmadfer.graphs import graph
from mmadfer.graphs.cache import graphs_of
from mmadfer.models.mma_dfer import untrained_model
from mmadfer.weights.lazy import LazyModel
from tests.support import damage
from tests.support.small_models import SPEC, TINY, stressed_model

CLIP = "derived_face_jfk_6s_44k.mp4"


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory, clips):
    """Return the graphs of a small model with an int8 encoder beside them, and what the command printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMADFER_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(LazyModel, "named", lambda *_: LazyModel(stressed_model))
        printed = []
        patch.setattr(export_int8.sys.stdout, "write", printed.append)
        assert export_int8.main([str(clips / CLIP), "--windows", "2"]) == 0
        return graphs_of(stressed_model()), "".join(printed)


def test_int8_is_used_and_close_to_float32_on_other_windows(calibrated, clips):
    graphs, _ = calibrated
    ours, reference = OpenVINOBackend(graphs, "int8"), OpenVINOBackend(graphs, "fp32")
    assert ours.description.startswith("OpenVINO int8 on ")
    report = export_int8.check(ours, reference, export_int8.pick_windows([str(clips / CLIP)], SPEC, 3))
    assert 0 < report.probability < 0.02, f"probabilities are off by {report.probability:.1e}"
    assert report.agreement == 1
    ours.close()


def test_the_encoder_really_is_quantised(calibrated):
    graphs, _ = calibrated
    text = int8.read(graphs).encoder.read_text()
    assert text.count('type="FakeQuantize"') > 20
    weights = int8.read(graphs).encoder.with_suffix(".bin")
    assert weights.stat().st_size < 0.5 * graphs.encoder.stat().st_size


def test_the_command_reports_size_time_and_parity(calibrated):
    _, printed = calibrated
    for part in (CLIP, " MB (fp32 ", "calibrated in ", "probabilities off by 0.0", "exact: ", "step: "):
        assert part in printed
    assert "on 2 other windows" in printed


def test_calibrating_again_replaces_the_old_one_whole(calibrated, clips):
    graphs, _ = calibrated
    before = int8.read(graphs).encoder.stat().st_mtime_ns
    windows = export_int8.pick_windows([str(clips / CLIP)], SPEC, 2)
    export_int8.calibrate(graphs, OpenVINOBackend(graphs, "fp32"), windows, ("again.mp4",))
    found = int8.read(graphs)
    assert found.clips == ("again.mp4",)
    assert found.encoder.stat().st_mtime_ns > before
    assert not list(graphs.path.glob(".int8*"))


def test_a_calibration_that_fails_leaves_the_old_one(calibrated):
    graphs, _ = calibrated

    def half(path):
        path.write_text("<net")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        int8.write(graphs, (), half)
    assert int8.read(graphs).clips
    assert not list(graphs.path.glob(".int8*"))


def test_step_and_exact_samples_describe_the_same_window(calibrated, clips):
    reference = OpenVINOBackend(calibrated[0], "fp32")
    windows = export_int8.pick_windows([str(clips / CLIP)], SPEC, 2)
    given = list(export_int8.samples(windows, reference))
    assert [len(sample.frames) for sample in given] == [16, 1, 16, 1]
    for exact, step in zip(given[::2], given[1::2], strict=True):
        off = (export_int8.answer(reference, exact)[0] - export_int8.answer(reference, step)[0]).abs().max().item()
        assert off < 1e-5, f"the newest frame as a step is off by {off:.1e} from its exact pass"


def test_int8_that_was_not_calibrated_is_refused_with_the_command(tmp_path):
    graphs = graph.write(stressed_model(), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"small was not calibrated .*mmadfer export int8 CLIP"):
        OpenVINOBackend(graphs, "int8")


@pytest.mark.parametrize("harm", damage.ALL, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", ["encoder.xml", "encoder.bin", "int8.json"])
def test_int8_that_came_to_harm_is_refused_in_one_sentence(name, harm, calibrated, tmp_path):
    copy = shutil.copytree(calibrated[0].path, tmp_path / "graphs")
    harm(copy / "int8" / name)
    missing = harm is damage.remove
    words = f"{name} is not there" if missing else f"{name} (is damaged or cut short|cannot be used)"
    with pytest.raises(FileNotFoundError if missing else ValueError, match=f"{words}.*{re.escape(int8.COMMAND)}$"):
        OpenVINOBackend(graph.read(copy), "int8")


@pytest.mark.parametrize("harm", damage.ALL, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", ["compiled.blob", "sha256.json"])
def test_what_int8_was_compiled_to_is_made_again_where_it_came_to_harm(name, harm, calibrated, tmp_path, monkeypatch):
    copy = shutil.copytree(calibrated[0].path, tmp_path / "graphs")
    OpenVINOBackend(graph.read(copy), "int8")  # keeps what it compiles
    (kept,) = copy.glob(f"int8/openvino/*/encoder/{name}")
    harm(kept)
    parts, real = [], Compiler._compile
    monkeypatch.setattr(Compiler, "_compile", lambda self, source: parts.append(source.part) or real(self, source))
    for _ in range(2):
        OpenVINOBackend(graph.read(copy), "int8")
        assert parts == ["encoder"]


def test_an_encoder_that_was_calibrated_wrongly_is_refused_with_the_command(calibrated, tmp_path, monkeypatch):
    copy = graph.read(shutil.copytree(calibrated[0].path, tmp_path / "graphs"))
    other = graph.write(untrained_model(SPEC, TINY, seed=1), tmp_path / "other")

    def save(path):
        openvino.save_model(openvino_core().read_model(other.encoder), path, compress_to_fp16=False)

    int8.write(copy, ("other.mp4",), save)
    wrong = r"OpenVINO int8 on .* answers the probe wrongly: .*; calibrate again with mmadfer export int8 CLIP"
    for backend in ("openvino", "auto"):
        monkeypatch.setattr("mmadfer.backends.openvino.backend.graphs_of", lambda *_: copy)
        with pytest.raises(ValueError, match=wrong):
            load_backend(stressed_model(), backend, "cpu", "int8")


def test_int8_of_other_weights_is_refused(calibrated, tmp_path):
    other = stressed_model()
    other.classifier.bias.data[0] += 1
    graphs = graph.write(other, tmp_path)
    shutil.copytree(calibrated[0].path / "int8", tmp_path / "int8")
    with pytest.raises(ValueError, match="was made from other weights; calibrate again"):
        OpenVINOBackend(graphs, "int8")


def test_int8_is_for_openvino_only():
    with pytest.raises(ValueError, match="int8 is for the backend openvino on a CPU; pytorch does not have it"):
        load_backend(stressed_model(), "pytorch", "cpu", "int8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.mp4"], "there is no file nowhere.mp4"),
        (["{clips}/jfk.flac"], "the clips hold 0 windows with a face"),
        (["{clips}/biden.jpg", "--windows", "0"], "--windows must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_end_with_one_sentence(arguments, message, clips, capsys, monkeypatch):
    monkeypatch.setattr(LazyModel, "named", lambda *_: LazyModel(stressed_model))
    assert export_int8.main([argument.format(clips=clips) for argument in arguments]) == 2
    assert message in capsys.readouterr().err


def test_same_input_gives_the_same_int8answer(calibrated):
    backend = OpenVINOBackend(calibrated[0], "int8")
    frames, sound = torch.rand(1, 16, 3, 32, 32), torch.randn(1, 1, 512, 128)
    assert torch.equal(backend(frames, sound), backend(frames, sound))
