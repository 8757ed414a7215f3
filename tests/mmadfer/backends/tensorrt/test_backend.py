"""The TensorRT backend with a stand-in for TensorRT; as it is, on a GPU, in `test_on_gpu`."""

import dataclasses
import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from export import trt as export_trt
from export.parity import compare
from mmadfer.backends import load_backend
from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.backends.tensorrt import engine, products
from mmadfer.backends.tensorrt.backend import TensorRTBackend, invalidity
from mmadfer.backends.tensorrt.cache import engines_folder
from mmadfer.preprocess import frame_inputs
from mmadfer.weights.lazy import LazyModel
from tests.support import damage
from tests.support.fake_tensorrt import engine_folder, fake_gpu, fake_product
from tests.support.small_models import stressed_model

SOUND, NOTHING = torch.randn(1, 1, 512, 128), torch.zeros(3, 16)


@pytest.fixture
def trt(monkeypatch, tmp_path):
    """Return a stand-in for TensorRT for RTX on a GPU, with an empty cache of engines."""
    monkeypatch.setenv("MMADFER_HOME", str(tmp_path / "home"))
    fake_gpu(monkeypatch)
    return fake_product(monkeypatch, stressed_model())


@pytest.fixture
def folder(tmp_path):
    """Return a folder with an engine for the stand-in."""
    return engine_folder(stressed_model(), tmp_path / "engine")


def asked(trt, what):
    """Return what the stand-in was asked of the kind ``what``."""
    return [value for kind, value in trt.calls if kind == what]


@pytest.mark.parametrize("product", ["tensorrt_rtx", "tensorrt"])
def test_answers_are_the_models_at_every_number_of_new_frames(product, trt, monkeypatch, tmp_path):
    version = "11.4.0" if product == "tensorrt" else "1.7.9"
    trt = fake_product(monkeypatch, stressed_model(), product, version)
    backend = TensorRTBackend(engine.peek(engine_folder(stressed_model(), tmp_path / "e", product, version).path))
    parity = compare(backend, PyTorchBackend(stressed_model(), "cpu", "fp32"), range(1, 17))
    assert parity.encoded < 1e-6, f"encoders are off by {parity.encoded:.1e}"
    assert backend.description == f"{engine.PRODUCTS[product]} fp16 on NVIDIA Fake 1"
    assert set(asked(trt, "run")) == {7}  # on the backend's own stream
    assert set(asked(trt, "context")) == ({"whole"} if product == "tensorrt_rtx" else {None})
    backend.close()


def test_memory_is_set_once_and_shapes_only_where_they_change(trt, folder):
    backend = TensorRTBackend(engine.peek(folder.path))
    for count in (16, 1, 1, 1, 2, 1):
        backend.head(torch.zeros(16, 64), backend.encode(torch.rand(count, 3, 32, 32), SOUND, NOTHING).audio_cls)
    assert asked(trt, "shape") == [16, 1, 16, 1, 2, 1]  # it proved itself with 16 and 1
    assert len(asked(trt, "address")) == 10


def test_answers_of_one_call_outlive_the_next(trt, folder):
    backend = TensorRTBackend(engine.peek(folder.path))
    first = vars(backend.encode(torch.rand(2, 3, 32, 32), SOUND, NOTHING))
    before = {name: tensor.clone() for name, tensor in first.items()}
    backend.encode(torch.rand(2, 3, 32, 32), torch.randn(1, 1, 512, 128), NOTHING)
    for name, tensor in first.items():
        off = (tensor - before[name]).abs().max().item()
        assert off == 0, f"{name} was written over by the next call: off by {off:.1e}"


def test_frames_are_those_of_the_input_definition(trt, folder):
    backend = TensorRTBackend(engine.peek(folder.path))
    crops = [np.random.RandomState(k).randint(0, 256, (32, 32, 3), dtype=np.uint8) for k in range(3)]
    for some in (crops, crops[:1], []):
        ours, expected = backend.frames(some), frame_inputs(some, backend.spec)
        assert torch.equal(ours, expected), f"off by {(ours - expected).abs().max():.1e}"


def test_an_engine_of_an_older_format_is_not_used(trt, caplog):
    folder = engine_folder(stressed_model(), engines_folder() / "old")
    description = folder.path / engine.DESCRIPTION
    description.write_text(description.read_text().replace(engine.FORMAT, "mmadfer-engine-1"))
    with pytest.raises(FileNotFoundError, match=r"build one with mmadfer export trt"):
        load_backend(stressed_model(), "tensorrt")
    assert f"its format is mmadfer-engine-1, expected {engine.FORMAT}" in caplog.text
    assert load_backend(stressed_model()).description.startswith("PyTorch ")


def test_threads_take_turns(trt, folder):
    backend = TensorRTBackend(engine.peek(folder.path))
    frames = [torch.rand(count, 3, 32, 32) for count in (1, 2)]
    expected = [backend.encode(f, SOUND, NOTHING).cls for f in frames]

    def worst(k):
        return max((backend.encode(frames[k], SOUND, NOTHING).cls - expected[k]).abs().max().item() for _ in range(20))

    with ThreadPoolExecutor(2) as threads:
        off = list(threads.map(worst, (0, 1)))
    # Not to the bit: in how many pieces the stand-in adds up depends on the cores that are free.
    apart = (expected[1][:1] - expected[0]).abs().max().item()
    assert max(off) < 1e-4 * apart, f"off by {off}, where the answers of the two are {apart:.2g} apart"


@pytest.mark.parametrize(
    ("inputs", "name"),
    [
        ((torch.rand(1, 3, 64, 64), SOUND, NOTHING), "frames"),
        ((torch.rand(1, 3, 32, 32), SOUND[0, 0], NOTHING), "spectrogram"),
        ((torch.rand(17, 3, 32, 32), SOUND, NOTHING), "frames"),
    ],
)
def test_input_of_another_shape_is_refused(inputs, name, trt, folder):
    with pytest.raises(ValueError, match=f"{name} must be of shape"):
        TensorRTBackend(engine.peek(folder.path)).encode(*inputs)


def test_kernels_are_kept_for_the_next_start_and_for_each_gpu(trt, folder, monkeypatch, caplog):
    backend = TensorRTBackend(engine.peek(folder.path))
    assert asked(trt, "cache") == []
    backend.warmup()
    kept = folder.path / "runtime-NVIDIA-Fake-1.cache"
    whole = kept.read_bytes()
    assert whole.endswith(b"kernels")
    backend.close()
    TensorRTBackend(engine.peek(folder.path)).close()
    assert asked(trt, "cache") == [b"kernels"]
    trt.driver = b"newer "
    backend = TensorRTBackend(engine.peek(folder.path))
    assert asked(trt, "cache") == [b"kernels"] * 2
    backend.close()
    assert kept.read_bytes().endswith(b"newer kernels")
    names = ["encoder.engine", "engine.json", "head.engine", "probe.safetensors", kept.name]
    assert sorted(p.name for p in folder.path.iterdir()) == names
    kept.unlink()
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("mmadfer.backends.tensorrt.runtime_cache.os.replace", lambda *_: (_ for _ in ()).throw(full))
    with caplog.at_level(logging.WARNING):
        TensorRTBackend(engine.peek(folder.path)).close()
    assert "cannot be written (No space left on device)" in caplog.text


def _with(**changes):
    return lambda trt, folder, patch: [setattr(trt, name, value) for name, value in changes.items()]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_with(__version__="1.8.0"), ValueError, "built by TensorRT for RTX 1.7.9, but 1.8.0 is installed"),
        (_with(__version__="1.6.0"), ValueError, "TensorRT for RTX 1.6.0 is too old; 1.7 or newer is needed"),
        (
            _with(broken=True),
            ValueError,
            r"cannot load .*encoder.engine \(cudaError 35\); an NVIDIA driver that is too",
        ),
        (_with(valid=False, flags=4), ValueError, "refuses .*encoder.engine: the NVIDIA driver is too old: update it"),
        (_with(valid=False, flags=3), ValueError, "another version built it; it was not built for this GPU"),
        (
            lambda trt, folder, patch: setattr(trt, "trained_for", dataclasses.replace(trt.trained_for, image_size=64)),
            ValueError,
            "the engine is of another model or size",
        ),
        (
            lambda trt, folder, patch: setattr(
                trt, "trained_for", dataclasses.replace(trt.trained_for, labels=("sad", "happy"))
            ),
            ValueError,
            r"the engine is of another model or size: it has .*'logits': \(1, 2\)",
        ),
        (lambda trt, folder, patch: folder.file("head").unlink(), FileNotFoundError, "head.engine is missing"),
        (lambda trt, folder, patch: folder.probe.unlink(), FileNotFoundError, "probe.safetensors is missing"),
        (
            lambda trt, folder, patch: patch.setitem(sys.modules, "tensorrt_rtx", None),
            ImportError,
            "TensorRT for RTX is not installed .*: pip install 'tensorrt-rtx",
        ),
        (
            lambda trt, folder, patch: fake_gpu(patch, (9, 0)),
            ValueError,
            "compute capability 8.6, 8.9, but NVIDIA Fake 1 has 9.0; build .* --product tensorrt",
        ),
        (lambda trt, folder, patch: fake_gpu(patch, (7, 5)), ValueError, "has 7.5; build .* --product rtx --gpu 7.5"),
    ],
)
def test_engines_that_do_not_fit_are_refused_in_one_sentence(change, error, message, trt, folder, monkeypatch):
    change(trt, folder, monkeypatch)
    with pytest.raises(error, match=message):
        TensorRTBackend(engine.peek(folder.path))


def test_a_runtime_that_does_not_start_is_a_sentence(trt, folder, monkeypatch):
    def fail(logger):
        raise TypeError("factory function returned nullptr")

    monkeypatch.setattr(trt, "Runtime", fail)
    with pytest.raises(ValueError, match=r"cannot start .* is the NVIDIA driver too old"):
        TensorRTBackend(engine.peek(folder.path))


def test_without_a_gpu_the_named_backend_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="runs on NVIDIA GPUs, but PyTorch sees none here"):
        load_backend(stressed_model(), "tensorrt")
    with pytest.raises(ValueError, match="but device 'cpu' was asked for"):
        load_backend(stressed_model(), "tensorrt", "cpu")


def test_auto_takes_the_engine_of_exactly_these_weights_and_says_why(trt):
    loaded = load_backend(stressed_model())
    assert loaded.description.startswith("PyTorch ")
    assert "there is no TensorRT engine for the weights small" in loaded.reason
    assert "mmadfer export trt and the same --weights" in loaded.reason
    with pytest.raises(FileNotFoundError, match=r"build one with mmadfer export trt"):
        load_backend(stressed_model(), "tensorrt")

    other = stressed_model()
    other.classifier.bias.data[0] += 1
    engine_folder(other, engines_folder() / "other")
    engine_folder(stressed_model(), engines_folder() / "stale", version="1.7.0")
    with pytest.raises(ValueError, match=r"built by TensorRT for RTX 1.7.0, but 1.7.9 is installed"):
        load_backend(stressed_model(), "tensorrt")
    assert "but 1.7.9 is installed" in load_backend(stressed_model()).reason

    engine_folder(stressed_model(), engines_folder() / "slow", precision="fp32")
    assert load_backend(stressed_model()).description.startswith("TensorRT for RTX fp32 on ")
    engine_folder(stressed_model(), engines_folder() / "fits")
    loaded = load_backend(stressed_model())
    assert loaded.description.startswith("TensorRT for RTX fp16 on ")
    assert loaded.reason == "an engine for these weights and this GPU is in the cache"
    assert load_backend(stressed_model(), "tensorrt", precision="fp32").precision == "fp32"
    with pytest.raises(ValueError, match="TensorRT engines are fp16 or fp32, but precision 'bf16' was asked for"):
        load_backend(stressed_model(), "tensorrt", precision="bf16")
    assert load_backend(stressed_model(), precision="bf16").description.startswith("PyTorch bf16")
    assert load_backend(stressed_model(), "tensorrt").reason == ""


@pytest.mark.parametrize("harm", damage.ALL[:-1], ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", ["encoder.engine", "head.engine", "probe.safetensors", "engine.json"])
def test_an_engine_that_came_to_harm_is_refused_by_name_and_else_gives_way(name, harm, trt, caplog):
    folder = engine_folder(stressed_model(), engines_folder() / "fits")
    harm(folder.path / name)
    with pytest.raises((ValueError, FileNotFoundError), match=r"build (one|the engine again) with mmadfer export trt"):
        load_backend(stressed_model(), "tensorrt")
    loaded = load_backend(stressed_model())
    assert loaded.description.startswith("PyTorch ")
    assert f"{name} " in loaded.reason + caplog.text


def test_engines_that_were_exchanged_are_not_used(trt):
    folder = engine_folder(stressed_model(), engines_folder() / "fits")
    damage.swap("head.engine")(folder.file("encoder"))
    assert "encoder.engine is damaged or cut short" in load_backend(stressed_model()).reason


@pytest.mark.parametrize("word", ["tensorrt_rtx", "fp16", "temperature", "8.6", "image_size"])
def test_a_description_with_another_word_is_not_believed(word, trt, folder):
    description = folder.path / engine.DESCRIPTION
    text = description.read_text()
    assert word in text
    description.write_text(text.replace(word, word[:-1] + "?", 1))
    with pytest.raises(ValueError, match=r"engine.json cannot be used \(it is damaged\); build the engine again"):
        engine.peek(folder.path)


@pytest.mark.parametrize("harm", damage.ALL, ids=lambda harm: harm.__name__)
def test_kernels_that_came_to_harm_are_not_given_to_tensorrt(harm, trt, folder):
    first = TensorRTBackend(engine.peek(folder.path))
    first.warmup()
    first.close()
    (kept,) = folder.path.glob("runtime-*")
    whole = kept.read_bytes()
    harm(kept)
    del trt.calls[:]
    TensorRTBackend(engine.peek(folder.path)).close()
    assert asked(trt, "cache") == []
    assert kept.read_bytes() == whole


def test_an_engine_that_is_wrong_is_removed_by_the_command(trt, monkeypatch, capsys):
    folder = engine_folder(stressed_model(), engines_folder() / "fits")
    monkeypatch.setattr(export_trt.builder, "choose_product", lambda *_: "tensorrt_rtx")
    monkeypatch.setattr(export_trt.builder, "engine_key", lambda *_: folder.key)
    monkeypatch.setattr(export_trt, "graphs_of", lambda *_: None)
    monkeypatch.setattr(LazyModel, "named", lambda *_: LazyModel(stressed_model))
    trt.wrong = lambda precision, kept_kernels: True
    assert export_trt.main(["--out", str(folder.path)]) == 2
    said = capsys.readouterr().err
    assert "answers the probe wrongly" in said and said.endswith("it was removed\n"), said
    assert not folder.path.exists()


def test_an_engine_that_differs_from_the_model_is_removed(trt, folder):
    wrong = stressed_model()
    wrong.classifier.bias.data[0] = 3.0
    backend = TensorRTBackend(engine.peek(folder.path))
    with pytest.raises(ValueError, match=r"the engine differs from the model by .* it was removed"):
        export_trt._check(backend, wrong, folder)
    assert not folder.path.exists()


def test_the_real_runtime_refuses_what_is_no_engine():
    trt = products.load_product("tensorrt_rtx")
    runtime = trt.Runtime(products.logger_of(trt))
    assert "it is no engine" in invalidity(trt, runtime, b"x" * 4096)
