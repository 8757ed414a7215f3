"""The same numbers on processors with fewer instructions: what this one has beyond them is switched off, in a process.

PyTorch's own kernels are limited by ATEN_CPU_CAPABILITY, those of oneDNN, in PyTorch and in OpenVINO, by
ONEDNN_MAX_CPU_ISA; a processor that has less than a limit keeps what it has. OpenVINO's own kernels go by the processor
all the same: below AVX512 the two do not fit ("bad combination", or a crash), which no real processor has; so there
only PyTorch can be limited. The starter weights are the model: they are small, and trained, so that a wrong answer
shows. All processes share one cache, as machines with one home do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

LIMITS = {
    "no vectors beyond SSE4.1": ("SSE41", "default", ("pytorch",)),
    "AVX2, as in desktops": ("AVX2", "avx2", ("pytorch",)),
    "AVX512 without bf16": ("AVX512_CORE", "avx512", ("pytorch", "openvino")),
}
CAPABILITIES = ("DEFAULT", "AVX2", "AVX512")
ANSWERS = """
import json, sys
import numpy as np, torch
from mmadfer import preprocess
from mmadfer.backends import load_backend
from mmadfer.weights.checkpoint import load_model
from mmadfer.media.media_file import open_media
from mmadfer.weights import catalogue, store
model = load_model(store.resolve(catalogue.STARTER))
generator = np.random.default_rng(0)
size = model.spec.image_size
picture = generator.integers(0, 256, (187, 187, 3), np.uint8)
sound = preprocess.spectrogram(open_media(sys.argv[1]).read_audio(), 48000, model.spec.mel)
frames = torch.from_numpy(generator.random((2, 16, 3, size, size), np.float32))
noise = torch.from_numpy(generator.standard_normal(tuple(sound.shape), np.float32))
answers = {"capability": torch.backends.cpu.get_cpu_capability(), "sound": sound[::7].tolist()}
answers["frame"] = preprocess.frame_to_tensor(picture, 112)[:, ::7, ::7].tolist()
for name in sys.argv[2:]:
    engine = load_backend(model, name, "cpu", "fp32")
    answers[name] = engine(frames, torch.stack([sound, noise])[:, None]).tolist()
    engine.close()
print(json.dumps(answers))
"""
TOLERANCES = {"sound": 2e-5, "frame": 0.0, "pytorch": 1e-4, "openvino": 1e-4}
"""Largest differences: normalised log-mel values, grey values (bytes resized as such), logits."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, golden: Path) -> Any:
    """Return a function that gives the answers of a process with other settings."""
    home = tmp_path_factory.mktemp("shared_home")

    def ask(*engines: str, **settings: str) -> dict[str, Any]:
        limits = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
        environment = {name: value for name, value in os.environ.items() if name not in limits}
        environment |= {"MMADFER_HOME": str(home), **settings}
        command = [sys.executable, "-c", ANSWERS, str(golden / "mono48k_5s.wav"), *engines]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture(scope="module")
def unlimited(answers: Any) -> dict[str, Any]:
    return answers("pytorch", "openvino")


@pytest.mark.parametrize("limit", LIMITS)
def test_answers_do_not_depend_on_the_instruction_set(limit: str, answers: Any, unlimited: dict[str, Any]) -> None:
    onednn, aten, engines = LIMITS[limit]
    limited = answers(*engines, ONEDNN_MAX_CPU_ISA=onednn, ATEN_CPU_CAPABILITY=aten)
    best = unlimited["capability"]
    if best in CAPABILITIES:  # else no x86: the limits mean nothing there
        assert CAPABILITIES.index(limited["capability"]) <= CAPABILITIES.index(aten.upper())
    for name in ("sound", "frame", *engines):
        tolerance = TOLERANCES[name]
        difference = np.abs(np.array(limited[name]) - np.array(unlimited[name])).max()
        assert difference <= tolerance, f"{name} is off by {difference:.1e}"
    for engine in engines:
        difference = np.abs(np.array(limited[engine]) - np.array(unlimited["pytorch"])).max()
        assert difference <= 1e-3, f"{engine} is off by {difference:.1e}"
