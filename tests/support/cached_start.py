"""A small model that was started before: what tests of the cache and of the proof begin with, made once for all."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import pytest

import mmadfer
from mmadfer.backends.openvino import compiled
from mmadfer.files import checksums
from mmadfer.graphs import graph
from mmadfer.recognizer import EmotionRecognizer
from tests.support.small_models import settled, small_model, window


@functools.cache
def weights() -> Path:
    """Return a file of small weights that count as trained; beside it lies ``home``, a cache they were started in."""
    folder = Path(tempfile.mkdtemp(prefix="mmadfer-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = settled(mmadfer.save_model(small_model(), folder / "small.safetensors"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMADFER_HOME", str(folder / "home"))
        EmotionRecognizer.from_pretrained(file, "openvino", "cpu", "fp32").warmup()
    return file


@functools.cache
def expected() -> dict[str, float]:
    """Return the model's own answer to the window."""
    return EmotionRecognizer(small_model(), "pytorch", "cpu", "fp32").predict(window()).probabilities


def start(precision: str = "fp32", backend: str = "openvino") -> EmotionRecognizer:
    """Return a recogniser on the CPU that has not been warmed up."""
    return EmotionRecognizer.from_pretrained(weights(), backend, "cpu", precision)


def off(recognizer: EmotionRecognizer) -> float:
    """Return the largest difference of a probability to that of the model itself."""
    ours = recognizer.predict(window()).probabilities
    return max(abs(ours[label] - value) for label, value in expected().items())


def assert_right(recognizer: EmotionRecognizer) -> None:
    """Compare float32 with the model itself."""
    difference = off(recognizer)
    assert difference < 1e-4, f"off by {difference:.1e}"
    assert recognizer._backend.keeps_sound


class Cache:
    """A copy of the cache, and what is made anew in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: list[int] = []
        """The attempt of each writing of graphs."""
        self.compiled: list[str] = []
        """What OpenVINO compiled, as "part" in float32 and "part precision" else."""

    def file(self, pattern: str) -> Path:
        """Return the one file that is named so."""
        (found,) = self.path.glob(pattern)
        return found


def copy_cache(path: Path, patch: pytest.MonkeyPatch) -> Cache:
    """Return a copy in ``path``, made the cache; graphs that are written again are copied, too, which is quicker."""
    source, copy = weights().parent / "home", Cache(path)
    patch.setenv("MMADFER_HOME", str(shutil.copytree(source, path)))
    (made,) = (source / "graphs").iterdir()
    compile_one = compiled.Compiler._compile

    def write(model, folder, precision="fp32", attempt=1):
        shutil.copytree(made, folder, ignore=shutil.ignore_patterns("openvino"))
        about = checksums.check(Path(folder)) | {"attempt": str(attempt)}
        checksums.write(Path(folder), checksums.sums(Path(folder)), about)
        copy.written.append(attempt)
        return graph.read(folder)

    def compile_and_tell(self, source):
        copy.compiled.append(source.part if source.precision == "fp32" else f"{source.part} {source.precision}")
        return compile_one(self, source)

    patch.setattr(graph, "write", write)
    patch.setattr(compiled.Compiler, "_compile", compile_and_tell)
    return copy
