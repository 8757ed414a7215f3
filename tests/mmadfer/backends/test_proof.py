"""Every engine proves itself before its first use; what is wrong is made anew once, then not used, and said."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from mmadfer.backends import load_backend
from mmadfer.backends.openvino import compiled
from mmadfer.backends.openvino import core as openvino_core
from mmadfer.backends.openvino.backend import OpenVINOBackend
from mmadfer.backends.proof import Unproven, prove, tolerance
from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.backends.tensorrt.cache import engines_folder
from mmadfer.files import checksums
from mmadfer.graphs import graph
from mmadfer.graphs.probe import Reference
from mmadfer.models.mma_dfer import untrained_model
from mmadfer.recognizer import EmotionRecognizer
from tests.support.cached_start import assert_right, copy_cache, expected, off, start, weights
from tests.support.fake_tensorrt import engine_folder, fake_gpu, fake_product
from tests.support.places import ROOT
from tests.support.small_models import SPEC, TINY, small_model

NAN = float("nan")

PYTORCH = "mmadfer.backends.pytorch.backend"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return a cache of the test's own, in which the weights were started before."""
    return copy_cache(tmp_path / "home", monkeypatch)


def spoil(monkeypatch, owner, method, wrong, applies=lambda backend: True):
    """Let ``method`` of ``owner`` answer with what ``wrong`` makes of each right tensor, where that ``applies``."""
    right = getattr(owner, method)

    def answer(self, *arguments):
        found = right(self, *arguments)
        if not applies(self):
            return found
        return [wrong(t) for t in found] if isinstance(found, list) else tuple(wrong(t) for t in found)

    monkeypatch.setattr(owner, method, answer)


def test_weights_without_finite_answers_are_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("MMADFER_HOME", str(tmp_path))
    model = small_model()
    next(model.face.parameters()).data.fill_(NAN)
    for backend, precision in (("auto", "auto"), ("openvino", "fp32"), ("pytorch", "bf16"), ("pytorch", "fp32")):
        with pytest.raises(ValueError, match=r"not finite numbers.*(damaged|diverged)"):
            load_backend(model, backend, "cpu", precision)


GRAPH_WRITE = graph.write
"""As it is, whatever a test puts in its place."""


def test_what_was_compiled_wrongly_and_kept_is_compiled_again_once(cache, monkeypatch):
    folder = cache.file("graphs/*/openvino/fp32-*")
    for part in ("encoder", "head", "faces"):  # each is whole, but what was compiled is something else
        _damage_weights(folder / part / "compiled.blob")
        checksums.write(folder / part, ["compiled.blob"], _about(folder / part))
    assert_right(start())
    assert (cache.written, cache.compiled) == ([], ["encoder", "head", "faces"])
    assert_right(start())
    assert len(cache.compiled) == 3


def _about(folder):
    """Return what a record says, whatever the files are like."""
    return checksums._read(folder)["about"]


def _damage_weights(blob):
    """Make weights in ``blob`` large; what surrounds them stays as it is."""
    contents = blob.read_bytes()
    middle = len(contents) // 2 // 4 * 4
    blob.write_bytes(contents[:middle] + np.full(2000, 50.0, np.float32).tobytes() + contents[middle + 8000 :])


def test_an_engine_that_is_wrong_although_all_is_made_anew_gives_way_to_the_next(cache, monkeypatch):
    spoil(monkeypatch, OpenVINOBackend, "_infer", lambda t: t * NAN)
    for _ in range(2):
        recognizer = start("auto", "auto")
        said = r"OpenVINO fp32 on .* answers the probe wrongly: with 16 new frames its cls is not finite numbers"
        assert re.search(said, recognizer.describe()), recognizer.describe()
        assert recognizer.engine.startswith(("PyTorch fp32", "PyTorch bf16"))  # as the processor computes
        assert off(recognizer) < (1e-6 if "fp32" in recognizer.engine else 0.01)
    assert cache.written == [2]  # once, whatever the number of starts
    with pytest.raises(ValueError, match=r"^OpenVINO fp32 on .* answers the probe wrongly: .*$"):
        start("auto", "openvino")
    with pytest.raises(ValueError, match=r"^OpenVINO bf16 on .* answers the probe wrongly: .*$"):
        start("bf16", "openvino")
    assert not list(cache.path.glob("graphs/*/openvino/*/*/compiled.blob")), "what is wrong was kept"


@pytest.mark.parametrize("backend", ["auto", "openvino"])
def test_a_precision_that_is_wrong_here_gives_way_to_float32_where_none_was_named(backend, cache, monkeypatch, caplog):
    monkeypatch.setattr(
        openvino_core, "choose_precision", lambda device, name="auto": "bf16" if name == "auto" else name
    )
    monkeypatch.setattr(openvino_core, "computes_bf16", lambda core: True)
    spoil(monkeypatch, OpenVINOBackend, "_infer", lambda t: t + 1, lambda backend: backend.precision == "bf16")
    recognizer = start("auto", backend)
    assert recognizer.engine.startswith("OpenVINO fp32")
    assert "float32 is used, for OpenVINO bf16 on " in recognizer.describe()
    assert "OpenVINO bf16 on " in caplog.text
    assert_right(recognizer)
    with pytest.raises(Unproven, match=r"OpenVINO bf16 .* answers the probe wrongly"):
        start("bf16", "openvino")
    recognizer = start("bf16", "auto")
    assert recognizer.engine.startswith("PyTorch bf16")
    assert "OpenVINO bf16 on " in recognizer.describe()


def test_graphs_that_were_written_wrongly_are_written_again(cache, monkeypatch):
    graphs = cache.file("graphs/*")
    other = GRAPH_WRITE(untrained_model(SPEC, TINY, seed=1), cache.path / "other")
    shutil.copy(other.encoder, graphs / "encoder.onnx")
    right = graph.read(weights().parent / "home" / "graphs" / graphs.name)
    _give_metadata(graphs / "encoder.onnx", right.metadata())
    checksums.write(graphs, checksums.sums(graphs), _about(graphs))
    assert graph.read(graphs) == dataclasses.replace(right, path=graphs)
    assert_right(start())
    assert cache.written == [2]
    assert_right(start())
    assert cache.written == [2]


def _give_metadata(path, values):
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, values)
    onnx.save(model, path)


def test_frames_that_are_wrong_without_their_sound_are_encoded_with_it(cache, monkeypatch, caplog):
    right = OpenVINOBackend._infer

    def wrong(self, name, *arguments):
        found = right(self, name, *arguments)
        return [t + 1 for t in found] if name == "faces" else found

    monkeypatch.setattr(OpenVINOBackend, "_infer", wrong)
    recognizer = start()
    recognizer.warmup()
    assert not recognizer._backend.keeps_sound
    assert "the sound is encoded with every frame" in caplog.text
    assert off(recognizer) < 1e-4
    assert not list(cache.path.glob("graphs/*/openvino/*/faces"))


@pytest.mark.parametrize("error", [RuntimeError("the plugin fell over"), ValueError("shapes")])
def test_an_engine_that_cannot_run_is_a_sentence_or_gives_way(error, cache, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(OpenVINOBackend, "_infer", fail)
    with pytest.raises(ValueError, match=f"OpenVINO fp32 on .* does not answer the probe: {error}"):
        start()
    assert f"does not answer the probe: {error}" in start("fp32", "auto").describe()


@pytest.mark.parametrize("error", [RuntimeError("no CPU plugin"), ImportError("libtbb.so.12"), OSError("GLIBC_2.99")])
def test_an_openvino_that_does_not_start_gives_way(error, cache, monkeypatch):
    import openvino

    def fail(*_):
        raise error

    monkeypatch.setattr(openvino_core, "_core", None)
    monkeypatch.setattr(openvino, "Core", fail)
    assert f"OpenVINO is installed but cannot start here: {error}" in start("fp32", "auto").describe()
    with pytest.raises(ImportError, match="OpenVINO is installed but cannot start here"):
        start()


@pytest.mark.parametrize(
    ("torch_says", "openvino_says", "chosen"), [(True, True, "bf16"), (True, False, "fp32"), (False, True, "fp32")]
)
def test_bf16_is_chosen_where_both_say_that_the_cpu_computes_it(torch_says, openvino_says, chosen, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": torch_says})

    class Core:
        def get_property(self, device, name):
            return ["FP32", "INT8", *(["BF16"] if openvino_says else [])]

    assert openvino_core.openvino_precision(Core()) == chosen
    assert openvino_core.openvino_precision(Core(), "bf16") == "bf16"


def test_the_automatic_precision_here_is_openvinos_own():
    core = openvino_core.openvino_core()
    own = core.get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()
    assert {"fp32": "f32", "bf16": "bf16"}[openvino_core.openvino_precision(core)] == own


@pytest.mark.parametrize("wrong", [lambda t: t * NAN, lambda t: t + 1], ids=["nan", "off"])
def test_a_precision_of_pytorch_that_is_wrong_is_refused_or_gives_way(wrong, monkeypatch, caplog):
    monkeypatch.setattr(
        "mmadfer.backends.pytorch.backend.choose_precision", lambda d, name: "bf16" if name == "auto" else name
    )
    spoil(monkeypatch, PyTorchBackend, "_run_encoders", wrong, lambda backend: backend.precision == "bf16")
    with pytest.raises(ValueError, match=r"^PyTorch bf16 on .* answers the probe wrongly: .*$"):
        load_backend(small_model(), "pytorch", "cpu", "bf16")
    loaded = load_backend(small_model(), "pytorch", "cpu")
    assert loaded.description.startswith("PyTorch fp32")
    assert loaded.reason.startswith("float32 is used, for PyTorch bf16 on ")
    assert loaded.reason in caplog.text
    frames, sound = torch.rand(1, 16, 3, 32, 32), torch.randn(1, 1, 512, 128)
    with torch.no_grad():
        difference = (loaded(frames, sound) - small_model()(frames, sound)).abs().max().item()
    assert difference == 0, f"the weights were changed by {difference:.1e} on the way"


def test_the_answer_that_pytorch_is_judged_by_is_kept_for_weights_with_a_name(cache, monkeypatch):
    made, real = [], Reference.of_model
    monkeypatch.setattr(Reference, "of_model", lambda model: made.append(model) or real(model))
    for _ in range(2):
        start("bf16", "pytorch")
        assert len(made) == 1
    kept = cache.file("references/*/probe.safetensors")
    kept.write_bytes(kept.read_bytes()[:-100])
    for _ in range(2):
        start("bf16", "pytorch")
        assert len(made) == 2
    load_backend(small_model(), "pytorch", "cpu", "bf16")
    assert len(made) == 3
    assert len(list(cache.path.glob("references/*"))) == 1


def test_recordings_that_are_wrong_are_not_used(monkeypatch, caplog):
    backend = PyTorchBackend(small_model(), "cpu", "bf16")

    def record(make_capture):
        spoil(monkeypatch, type(backend._encoders), "__call__", lambda t: t * NAN, lambda f: bool(f.captured()))
        backend._encoders.capture(lambda run: (run(), lambda: None), (1, 3, 32, 32), (1, 1, 512, 128), (3, 16))

    monkeypatch.setattr(backend, "record", record)
    monkeypatch.setattr(backend, "_device", torch.device("cuda"))
    monkeypatch.setattr("mmadfer.backends.base.Backend.warmup", lambda self: None)
    backend.warmup()
    assert "kernels are launched one by one: PyTorch bf16 on " in caplog.text
    assert backend._encoders.captured() == []
    prove(backend, Reference.of_model(small_model()), tolerance("pytorch", "bf16"))


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """Return a stand-in for TensorRT for RTX on a GPU, with engines of the small model in fp16 and fp32."""
    monkeypatch.setenv("MMADFER_HOME", str(tmp_path / "home"))
    fake_gpu(monkeypatch)
    trt = fake_product(monkeypatch, small_model())
    for precision in ("fp16", "fp32"):
        engine_folder(small_model(), engines_folder() / precision, precision=precision)
    return trt


def test_an_engine_that_is_wrong_gives_way_to_the_next_and_is_refused_by_name(gpu, monkeypatch):
    gpu.wrong = lambda precision, kept_kernels: precision == "fp16"
    loaded = load_backend(small_model())
    assert loaded.description.startswith("TensorRT for RTX fp32 on ")
    assert "another engine was wrong: TensorRT for RTX fp16 on NVIDIA Fake 1 answers the probe wrongly" in loaded.reason
    with pytest.raises(
        ValueError, match=r"TensorRT for RTX fp16 .* answers the probe wrongly: .* again with mmadfer export trt"
    ):
        load_backend(small_model(), "tensorrt", precision="fp16")
    gpu.wrong = lambda precision, kept_kernels: True
    loaded = load_backend(small_model())
    assert loaded.description.startswith("PyTorch ")
    assert "TensorRT cannot be used: TensorRT for RTX fp32 on NVIDIA Fake 1 answers the probe wrongly" in loaded.reason
    with pytest.raises(ValueError, match="answers the probe wrongly"):
        load_backend(small_model(), "tensorrt")


def test_kernels_that_make_an_engine_wrong_are_compiled_again_once(gpu):
    backend = load_backend(small_model(), "tensorrt", precision="fp16")
    backend.warmup()
    backend.close()
    gpu.wrong = lambda precision, kept_kernels: kept_kernels
    del gpu.calls[:]
    load_backend(small_model(), "tensorrt", precision="fp16")
    kinds = [kind for kind, _ in gpu.calls]
    assert (kinds.count("cache"), kinds.count("context")) == (1, 4)


def test_a_gpu_that_is_wrong_in_every_way_leaves_the_cpu_unless_it_was_named(cache, monkeypatch):
    fake_gpu(monkeypatch)
    monkeypatch.setattr(f"{PYTORCH}.is_reference", lambda device, precision: False)
    monkeypatch.setattr(
        "mmadfer.backends.pytorch.backend.choose_precision", lambda d, name: "bf16" if name == "auto" else name
    )
    spoil(monkeypatch, PyTorchBackend, "_run_encoders", lambda t: t + 1)
    recognizer = EmotionRecognizer.from_pretrained(weights(), "auto", "auto")
    assert recognizer.engine.startswith("OpenVINO ")
    assert "TensorRT cannot be used" in recognizer.describe()
    assert "PyTorch fp32 on " in recognizer.describe()
    assert_right(recognizer)
    with pytest.raises(ValueError, match=r"PyTorch fp32 on .* answers the probe wrongly"):
        EmotionRecognizer.from_pretrained(weights(), "auto", "cuda")


LIMITED = """
import sys
from tests.support.small_models import window
from mmadfer.recognizer import EmotionRecognizer
for engine in sys.argv[2:]:
    try:
        recognizer = EmotionRecognizer.from_pretrained(sys.argv[1], *engine.split())
        print(recognizer.engine.split(" on ")[0], max(recognizer.predict(window()).probabilities.values()))
    except ValueError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("isa", "aten", "engines"),
    [
        ("SSE41", "default", ("pytorch",)),  # OpenVINO's own kernels go by the processor, and do not fit: it gives up
        ("AVX2", "avx2", ("pytorch", "openvino", "auto")),
        ("AVX512_CORE", "avx512", ("pytorch", "openvino", "auto")),
    ],
)
def test_engines_prove_themselves_with_less_instructions(isa, aten, engines, cache):
    limits = {"ONEDNN_MAX_CPU_ISA": isa, "ATEN_CPU_CAPABILITY": aten}
    asked = [f"{engine} cpu {precision}" for engine in engines for precision in ("auto", "bf16")]
    command = [sys.executable, "-c", LIMITED, str(weights()), *asked]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | limits, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(asked) == len(done.stdout.splitlines())
    for engine, line in zip(asked, done.stdout.splitlines(), strict=True):
        name, _, probability = line.rpartition(" ")
        precision = "bf16" if engine.endswith("bf16") else "fp32"  # emulated bf16 is never chosen
        if engine == "openvino cpu bf16":
            assert f"OpenVINO has no bf16 with oneDNN limited to {isa}; unset ONEDNN_MAX_CPU_ISA" in line
            continue
        assert re.fullmatch(f"(OpenVINO|PyTorch) {precision}", name), f"{engine}: {line}"
        assert float(probability) == pytest.approx(max(expected().values()), abs=0.02 if precision == "bf16" else 1e-4)


def test_bf16_is_refused_where_openvino_would_compute_float32_under_its_name(cache, monkeypatch):
    # Without AVX-512 it does: seen with a CPU whose instructions were hidden from it.
    class Compiled:
        def __init__(self, model):
            self._model = model

        def get_property(self, name):
            import openvino

            return openvino.Type.f32 if name == "INFERENCE_PRECISION_HINT" else self._model.get_property(name)

        def __getattr__(self, name):
            return getattr(self._model, name)

    real = compiled.Compiler.open
    monkeypatch.setattr(
        compiled.Compiler,
        "open",
        lambda self, source, anew: dataclasses.replace(found := real(self, source, anew), model=Compiled(found.model)),
    )
    with pytest.raises(
        ValueError, match=r"^OpenVINO bf16 on .*: this CPU cannot compute bf16 in OpenVINO; choose fp32$"
    ):
        start("bf16")
    recognizer = start("bf16", "auto")
    assert recognizer.engine.startswith("PyTorch bf16")
    assert "this CPU cannot compute bf16 in OpenVINO" in recognizer.describe()
    assert cache.written == []
    assert_right(start("fp32"))
