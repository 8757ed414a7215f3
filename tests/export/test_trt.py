"""Engine builds: real ones, by TensorRT for RTX on the CPU, of a small model; kept whole, rebuilt, or refused."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import psutil
import pytest
import torch

from export import builder
from export import trt as export_trt
from mmadfer.backends.tensorrt import engine, products
from mmadfer.backends.tensorrt.backend import shapes
from mmadfer.files.whole import put_folder
from mmadfer.graphs import graph
from mmadfer.graphs.cache import graphs_of
from mmadfer.weights.lazy import LazyModel
from tests.support.places import ROOT
from tests.support.small_models import stressed_model

NAMED = LazyModel.named
WHOLE = {f"engine/{name}" for name in ("encoder.engine", "head.engine", "probe.safetensors", "engine.json")}
CHILD = """
import resource, signal, sys
from tests.support.small_models import stressed_model
from export import trt
from mmadfer.weights.lazy import LazyModel
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background it is ignored
LazyModel.named = lambda *_: LazyModel(stressed_model)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), -1))
sys.exit(trt.main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a cache folder that holds the small model's fp16 graphs."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("home")
        patch.setenv("MMADFER_HOME", str(path))
        patch.setattr(LazyModel, "named", lambda *_: LazyModel(stressed_model))
        graphs_of(stressed_model(), "fp16")
        yield path


@pytest.fixture(scope="module")
def graphs(home):
    """Return the small model's fp16 graphs."""
    return graphs_of(stressed_model(), "fp16")


@pytest.fixture(scope="module")
def built(graphs, tmp_path_factory):
    """Return an engine of them, built for one GPU only, and what the build told of its progress."""
    said = []
    folder = tmp_path_factory.mktemp("built") / "engine"
    key = builder.engine_key(graphs, "tensorrt_rtx", ("8.9",))
    return builder.build(graphs, key, folder, lambda *step: said.append(step)), said


@pytest.fixture
def old(built, tmp_path):
    """Return a folder of this test with that engine in it."""
    return Path(shutil.copytree(built[0].path, tmp_path / "engines" / "engine"))


def files(folder):
    """Return the content of every file beside and in ``folder``, by name."""
    return {str(p.relative_to(folder.parent)): p.read_bytes() for p in folder.parent.rglob("*") if p.is_file()}


def child(home, *arguments, largest_file=-1):
    """Start the export command in a process of its own, which can write files of ``largest_file`` bytes; -1: of any."""
    environment = os.environ | {"MMADFER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CHILD, str(largest_file), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def child_that_builds(home, *arguments):
    """Do as `child`, and wait until the encoder is being built."""
    process = child(home, *arguments)
    assert process.stderr is not None
    for line in process.stderr:
        if "building the encoder" in line:
            break
    return process


def test_a_build_is_whole_and_says_what_it_is(built, graphs):
    made, said = built
    assert engine.read(made.path) == made
    assert made.key == engine.EngineKey(
        "tensorrt_rtx", products.load_product("tensorrt_rtx").__version__, ("8.9",), graphs.fingerprint, "fp16"
    )
    assert (made.spec, made.info) == (stressed_model().spec, stressed_model().info)
    assert set(files(made.path)) == WHOLE
    parts = {phase.partition(":")[0] for phase, _, _ in said}
    assert parts == {"encoder", "head"}


def test_the_parsed_graphs_have_the_shapes_that_the_backend_expects(graphs):
    trt = products.load_product("tensorrt_rtx")
    logger = products.logger_of(trt)
    for part, expected in shapes(graphs.spec, graphs.config).items():
        network = trt.Builder(logger).create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        assert trt.OnnxParser(network, logger).parse_from_file(str(getattr(graphs, part)))
        tensors = [network.get_input(i) for i in range(network.num_inputs)]
        tensors += [network.get_output(i) for i in range(network.num_outputs)]
        assert {t.name: tuple(t.shape) for t in tensors} == expected
        assert {t.dtype for t in tensors} == {trt.DataType.FLOAT}


def test_gpus_are_those_that_the_installed_product_knows():
    names = products.load_product("tensorrt_rtx").ComputeCapability.__members__
    assert {"SM" + gpu.replace(".", "") for gpu in products.RTX_GPUS} == {n for n in names if n.startswith("SM")}


@pytest.mark.skipif(torch.cuda.is_available(), reason="no GPU must be there")
def test_the_command_builds_once_and_again_where_the_engine_is_stale_or_damaged(home, old, capsys):
    assert export_trt.main(["--out", str(old), "--gpu", "8.9"]) == 0
    assert "the engine is there already and fits" in capsys.readouterr().out

    assert export_trt.main(["--out", str(old), "--gpu", "8.6", "--gpu", "8.6"]) == 0
    said = capsys.readouterr()
    assert "was built from other weights or for another GPU or version" in said.out
    assert "the engine was not run: the backend tensorrt runs on NVIDIA GPUs, but PyTorch sees none here" in said.out
    assert said.err.splitlines() == ["building the encoder", "building the head"]
    assert engine.read(old).key.compute_capabilities == ("8.6",)

    part = old / "encoder.engine"
    part.write_bytes(part.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"encoder.engine is damaged or cut short; build the engine again"):
        engine.read(old)
    assert export_trt.main(["--out", str(old), "--gpu", "8.6"]) == 0
    assert "damaged or cut short" in capsys.readouterr().out
    engine.read(old)
    assert set(files(old)) == WHOLE


def test_a_description_that_is_damaged_or_of_another_version_is_refused(old):
    with pytest.raises(FileNotFoundError, match="there is no engine in"):
        engine.peek(old.parent)
    description = old / "engine.json"
    values = json.loads(description.read_text())
    for text in ("", "[]", json.dumps(values | {"format": "mmadfer-engine-0"}), json.dumps(values | {"spec": "{}"})):
        description.write_text(text)
        with pytest.raises(ValueError, match=r"engine.json cannot be used .*; build the engine again"):
            engine.peek(old)


def test_a_full_disk_leaves_the_old_engine(home, old):
    before = files(old)
    process = child(home, "--out", old, "--gpu", "8.6", largest_file=1000)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 2
    assert "export.trt: File too large: " in err.splitlines()[-1]
    assert files(old) == before


def test_a_builder_that_falls_over_is_a_sentence_and_leaves_the_old_engine(home, old):
    before = files(old)
    process = child_that_builds(home, "--out", old, "--gpu", "8.6")
    [builder_id] = {p.pid for p in psutil.Process(process.pid).children() if "spawn_main" in " ".join(p.cmdline())}
    os.kill(builder_id, signal.SIGABRT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert re.search(r"TensorRT for RTX [\d.]+ fell over: its process ended with signal 6$", err.strip()), err
    assert files(old) == before


def test_ctrl_c_ends_a_build_and_leaves_the_old_engine(home, old):
    before = files(old)
    process = child_that_builds(home, "--out", old, "--gpu", "8.6")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "python -m export.trt: stopped")
    assert files(old) == before


def test_two_processes_build_the_same_engine_at_once(home, tmp_path):
    folder = tmp_path / "engines" / "engine"
    processes = [child(home, "--out", folder, "--gpu", "8.6") for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
        assert str(folder) in out
    engine.read(folder)
    assert set(files(folder)) == WHOLE


def test_folders_put_in_one_place_at_once_are_whole(tmp_path):
    target, errors = tmp_path / "target", []

    def work(name):
        for k in range(50):
            source = tmp_path / f"{name}-{k}" / "folder"
            source.mkdir(parents=True)
            (source / "a").write_text(name)
            (source / "b").write_text(name)
            try:
                put_folder(source, target)
            except OSError as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert (target / "a").read_text() == (target / "b").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gpu", "9.0"], "GPUs of compute capability 9.0, only for 7.5, 8.0, 8.6, 8.9, 12.0, 12.1"),
        (["--gpu", "rtx4090"], "GPUs of compute capability rtx4090, only for 7.5"),
        (["--product", "tensorrt", "--gpu", "8.6"], "for the GPU of this machine only: leave --gpu out"),
        (["--weights", "nowhere.pth"], "nowhere.pth"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(LazyModel, "named", NAMED)
    assert export_trt.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_product_that_is_absent_or_too_old_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert export_trt.main(["--product", "tensorrt"]) == 2
    assert "PyTorch sees none here; build there, or use --product rtx" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    assert export_trt.main([]) == 2
    assert "TensorRT for RTX is not installed" in capsys.readouterr().err
    ancient = ModuleType("tensorrt")
    ancient.__version__ = "8.6.1"
    monkeypatch.setitem(sys.modules, "tensorrt", ancient)
    with pytest.raises(ValueError, match=r"TensorRT 8.6.1 is too old; 10.13 or newer is needed: pip install"):
        products.load_product("tensorrt")


@pytest.mark.parametrize(
    ("gpu", "installed", "capabilities", "expected"),
    [
        (None, ("tensorrt_rtx", "tensorrt"), (), "tensorrt_rtx"),
        ("8.9", ("tensorrt_rtx", "tensorrt"), (), "tensorrt_rtx"),
        ("8.9", ("tensorrt",), (), "tensorrt"),
        ("9.0", ("tensorrt_rtx", "tensorrt"), (), "tensorrt"),
        ("10.0", ("tensorrt_rtx", "tensorrt"), (), "tensorrt"),
        ("9.0", ("tensorrt_rtx",), (), ImportError),
        ("9.0", ("tensorrt_rtx",), ("8.9",), "tensorrt_rtx"),
        ("8.9", (), (), ImportError),
    ],
)
def test_the_product_is_one_that_is_installed_and_knows_the_gpu(gpu, installed, capabilities, expected, monkeypatch):
    monkeypatch.setattr(builder, "gpu_capability", lambda: gpu)

    def load(name):
        if name not in installed:
            raise ImportError(f"{name} is not installed")

    monkeypatch.setattr(builder, "load_product", load)
    if expected is ImportError:
        with pytest.raises(ImportError, match="tensorrt is not installed"):
            builder.choose_product("auto", capabilities)
    else:
        assert builder.choose_product("auto", capabilities) == expected


def test_rtx_is_refused_on_hopper_and_builds_for_the_gpu_at_hand(monkeypatch, graphs):
    monkeypatch.setattr(builder, "gpu_capability", lambda: "9.0")
    with pytest.raises(ValueError, match=r"compute capability 9.0, .*; use --product tensorrt"):
        builder.choose_product("tensorrt_rtx")
    monkeypatch.setattr(builder, "gpu_capability", lambda: "7.5")
    assert builder.engine_key(graphs, "tensorrt_rtx").compute_capabilities == ("7.5",)
    monkeypatch.setattr(builder, "gpu_capability", lambda: "8.6")
    assert builder.engine_key(graphs, "tensorrt_rtx").compute_capabilities == ("8.0", "8.6", "8.9", "12.0")
    assert builder.engine_key(graphs, "tensorrt_rtx", ("12.0", "8.6")).compute_capabilities == ("8.6", "12.0")


def test_graphs_that_the_builder_cannot_read_are_a_sentence(graphs, tmp_path):
    broken = graph.GraphFolder(tmp_path, graphs.spec, graphs.config, graphs.info, "fp16", graphs.fingerprint)
    broken.encoder.write_bytes(b"no graph")
    with pytest.raises(ValueError, match=r"TensorRT for RTX .* cannot read .*encoder.onnx"):
        builder.build(broken, builder.engine_key(graphs, "tensorrt_rtx"), tmp_path / "engine")
    assert not (tmp_path / "engine").exists()
