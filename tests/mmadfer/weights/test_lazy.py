"""A second start builds no model and reads no weights; one with other weights does."""

import os
import subprocess
import sys

import pytest
import torch

import mmadfer
from mmadfer.backends import load_backend
from mmadfer.models import mma_dfer
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.weights import checkpoint, lazy
from mmadfer.weights.lazy import LazyModel
from mmadfer.weights.origin import Origin
from tests.support.small_models import settled, small_model, window


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return a cache of the test's own."""
    monkeypatch.setenv("MMADFER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path, home):
    """Return a file of small weights that count as trained."""
    return settled(mmadfer.save_model(small_model(), tmp_path / "small.safetensors"))


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """Return such a file whose graphs are in the cache already, and the first start's description."""
    folder = tmp_path_factory.mktemp("started")
    path = settled(mmadfer.save_model(small_model(), folder / "small.safetensors"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMADFER_HOME", str(folder / "home"))
        yield path, start(path)


def start(path):
    """Return a recogniser on the CPU."""
    return EmotionRecognizer.from_pretrained(path, "openvino", "cpu", "fp32")


@pytest.fixture
def built(monkeypatch):
    """Return the list of models that were built since the test began."""
    calls = []

    def count(owner, name, make=None):
        real = make or getattr(owner, name)

        def counted(*arguments, **options):
            calls.append(name)
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)

    count(checkpoint, "load_model")
    count(mma_dfer, "untrained_model", lambda seed: small_model(trained=False))
    count(lazy, "fingerprint")
    return calls


def test_settings_and_fingerprint_come_from_the_note_the_second_time(file, built):
    first = LazyModel.of_file(file)
    assert first.fingerprint == LazyModel.of(small_model()).fingerprint
    assert first.build() is first.build()
    assert built.count("load_model") == 1
    del built[:]
    second = LazyModel.of_file(file)
    known = (second.fingerprint, second.spec, second.config, second.info)
    assert known == (first.fingerprint, first.spec, first.config, first.info)
    assert built == []
    assert torch.equal(second.build().classifier.weight, first.build().classifier.weight)


def test_a_second_start_with_openvino_builds_no_model(started, built):
    file, first = started
    second = start(file)
    assert built == []
    assert (second.spec, second.info, second.describe()) == (first.spec, first.info, first.describe())
    given = window()
    assert second.predict(given).probabilities == first.predict(given).probabilities


def test_untrained_weights_are_built_once(home, built):
    first = LazyModel.untrained().fingerprint
    assert built == ["untrained_model", "fingerprint"]
    second = LazyModel.untrained()
    assert (second.fingerprint, second.info.trained) == (first, False)
    assert built == ["untrained_model", "fingerprint"]


def test_other_weights_in_the_files_place_are_read(file, started, built):
    before = started[1].predict(window())
    assert LazyModel.of_file(file).fingerprint
    assert Origin.of_file(file).recall()
    stat = file.stat()
    other = small_model()
    with torch.no_grad():
        other.classifier.bias += torch.arange(len(other.spec.labels))
    mmadfer.save_model(other, file)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    del built[:]
    after = start(file).predict(window())
    assert "load_model" in built
    plain = EmotionRecognizer.from_pretrained(file, "pytorch", "cpu", "fp32").predict(window())
    difference = max(abs(after.probabilities[label] - plain.probabilities[label]) for label in plain.probabilities)
    assert difference < 1e-3, f"off by {difference:.1e}"
    assert after.probabilities != before.probabilities


def test_graphs_that_are_gone_are_written_again_from_the_weights(file, built, home):
    assert LazyModel.of_file(file).fingerprint
    del built[:]
    start(file).predict(window())
    assert "load_model" in built
    assert [path.name for path in (home / "graphs").glob("*/head.onnx")] == ["head.onnx"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pytorch_gets_the_weights_themselves_every_time(precision, file, built):
    assert LazyModel.of_file(file).fingerprint  # by which bf16 finds the answer of float32 that it is judged by
    for _ in range(2):
        del built[:]
        load_backend(LazyModel.of_file(file), "pytorch", "cpu", precision)
        assert built == ["load_model"]


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda path: path.unlink(), FileNotFoundError, "there is no weights file"),
        (lambda path: path.write_bytes(b""), ValueError, "is empty"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:1000]),
            ValueError,
            "is damaged, cut short or no safetensors",
        ),
        (lambda path: (path.unlink(), path.mkdir()), IsADirectoryError, "is a folder"),
    ],
)
def test_a_file_that_is_damaged_after_the_first_start_is_refused(file, damage, error, message):
    assert LazyModel.of_file(file).fingerprint
    assert LazyModel.of_file(file).info.name == "small"
    damage(file)
    with pytest.raises(error, match=message):
        LazyModel.of_file(file).build()


def test_a_second_start_imports_no_model_code(started):
    file, _ = started
    code = (
        "import sys, mmadfer\n"
        f"mmadfer.EmotionRecognizer.from_pretrained({str(file)!r}, 'openvino', 'cpu', 'fp32').warmup()\n"
        "print(sorted({'timm', 'torchvision', 'onnx', 'onnxscript', 'mmadfer.models.mma_dfer'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
