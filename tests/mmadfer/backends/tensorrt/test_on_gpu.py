"""TensorRT on a GPU as it is: an engine built there gives the model's answers, takes no memory, and is steady."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from export import builder
from export.parity import compare
from export.timing import measure
from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.backends.tensorrt.backend import TensorRTBackend
from mmadfer.graphs import graph
from mmadfer.preprocess import frame_inputs
from tests.support.small_models import stressed_model

pytestmark = pytest.mark.gpu

SOUND, NOTHING = torch.randn(1, 1, 512, 128), torch.zeros(3, 16)


@pytest.fixture(scope="module")
def real_engine(tmp_path_factory):
    """Return an engine of the small model for the GPU at hand."""
    try:
        product = builder.choose_product()
    except ImportError as error:
        pytest.skip(f"no GPU that an installed TensorRT runs on: {error}")
    path = tmp_path_factory.mktemp("real")
    graphs = graph.write(stressed_model(), path / "graphs", "fp16")
    return builder.build(graphs, builder.engine_key(graphs, product), path / "engine")


def test_answers_are_the_models(real_engine):
    backend = TensorRTBackend(real_engine)
    backend.warmup()
    parity = compare(backend, PyTorchBackend(stressed_model(), "cpu", "fp32"), range(1, 17))
    assert parity.probability < 0.005, f"probabilities are off by {parity.probability:.1e}"
    assert parity.agreement == 1
    assert 0 < measure(backend, 1, runs=10).median <= measure(backend, 1, runs=10).p95 * 10
    backend.close()


def memory():
    """Return what PyTorch's tensors hold, what it has taken from the driver, and what anything has, bytes."""
    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info()
    return torch.cuda.memory_allocated(), torch.cuda.memory_reserved(), total - free


def test_a_stream_of_a_thousand_hops_takes_no_more_memory(real_engine):
    backend = TensorRTBackend(real_engine)
    crops, kept, before = [np.zeros((32, 32, 3), np.uint8)], [None] * 16, (0, 0, 0)
    for hop in range(1100):
        if hop == 100:
            before = memory()
        encoded = backend.encode(backend.frames(crops), SOUND, NOTHING)
        kept[hop % 16] = encoded  # as a stream does
        backend.head(encoded.cls.expand(16, -1), encoded.audio_cls)
    tensors, taken, all_in_all = (after - earlier for after, earlier in zip(memory(), before, strict=True))
    assert (tensors, taken) == (0, 0), f"{tensors} bytes more in tensors, {taken} bytes more taken from the driver"
    assert all_in_all < 2**20, f"TensorRT took {all_in_all} bytes more"


def test_frames_are_those_of_the_input_definition(real_engine):
    backend = TensorRTBackend(real_engine)
    crops = [np.random.RandomState(k).randint(0, 256, (32, 32, 3), dtype=np.uint8) for k in range(16)]
    ours, expected = backend.frames(crops), frame_inputs(crops, backend.spec)
    assert ours.is_cuda and torch.equal(ours.cpu(), expected), f"off by {(ours.cpu() - expected).abs().max():.1e}"


def test_threads_get_their_own_answers(real_engine):
    backend = TensorRTBackend(real_engine)
    frames = [torch.rand(count, 3, 32, 32) for count in (1, 16)]
    expected = [backend.encode(f, SOUND, NOTHING).cls.cpu() for f in frames]

    def worst(k):
        answers = (backend.encode(frames[k], SOUND, NOTHING).cls.cpu() for _ in range(100))
        return max((ours - expected[k]).abs().max().item() for ours in answers)

    with ThreadPoolExecutor(2) as threads:
        off = list(threads.map(worst, (0, 1)))
    assert max(off) < 0.02, f"off by {off}"  # kernels for a shape may be exchanged for better ones meanwhile
