"""Recorded functions: what is copied in and out and what falls through, with a stand-in for the recording itself."""

import pytest
import torch

from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.backends.pytorch.cuda_graph import CudaCapture, GraphedFunction
from tests.support.small_models import stressed_model

CPU = torch.device("cpu")


def stand_in(run):
    """Capture as a graph does: always the same memory is read and written, and Python is not asked what to do."""
    outputs = run()

    def replay():
        for kept, new in zip(outputs, run(), strict=True):
            kept.copy_(new)

    return outputs, replay


class Doubling:
    """A function that keeps where its inputs lay."""

    def __init__(self):
        self.places = []

    def __call__(self, a, b):
        self.places.append((a.data_ptr(), b.data_ptr()))
        return 2 * a, a.sum() + b


def test_a_captured_shape_is_replayed_in_the_same_memory_and_others_fall_through():
    function = Doubling()
    graphed = GraphedFunction(function, CPU)
    graphed.capture(stand_in, (4, 2), (3,))
    graphed.capture(stand_in, (1, 2), (3,))
    assert graphed.captured() == [((4, 2), (3,)), ((1, 2), (3,))]
    recorded = list(function.places)
    for rows, place in ((4, recorded[0]), (1, recorded[1]), (2, None), (4, recorded[0])):
        a, b = torch.rand(rows, 2), torch.rand(3)
        doubled, total = graphed(a, b)
        assert torch.equal(doubled, 2 * a) and torch.equal(total, a.sum() + b)
        assert function.places[-1] == (place or (a.data_ptr(), b.data_ptr()))


def test_answers_and_inputs_are_the_callers_own():
    graphed = GraphedFunction(Doubling(), CPU)
    graphed.capture(stand_in, (1, 2), (3,))
    a, b = torch.rand(1, 2), torch.rand(3)
    given = a.clone()
    first = graphed(a, b)
    expected = 2 * given
    graphed(torch.rand(1, 2), b)
    assert torch.equal(first[0], expected), "a later call wrote over the answer of an earlier one"
    assert torch.equal(a, given)
    first[0].zero_()
    assert torch.equal(graphed(a, b)[0], expected), "a caller's writing reached the recording"


def test_a_capture_that_fails_leaves_the_function_as_it_was():
    def refuse(run):
        raise RuntimeError("operation not permitted when stream is capturing")

    graphed = GraphedFunction(Doubling(), CPU)
    with pytest.raises(RuntimeError, match="not permitted"):
        graphed.capture(refuse, (1, 2), (3,))
    assert graphed.captured() == []
    assert torch.equal(graphed(torch.ones(1, 2), torch.ones(3))[0], 2 * torch.ones(1, 2))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_model_answers_the_same_by_its_recordings(precision):
    plain, graphed = (PyTorchBackend(stressed_model(), "cpu", precision) for _ in range(2))
    graphed.record(lambda: stand_in)
    assert [shapes[0][0] for shapes in graphed._encoders.captured()] == [16, 1]
    assert len(graphed._head.captured()) == 1
    answers = []
    for count in (16, 1, 3, 1, 16):
        inputs = torch.rand(count, 3, 32, 32), torch.randn(1, 1, 512, 128), torch.randn(3, 16)
        both = [backend.encode(*inputs) for backend in (plain, graphed)]
        answers.append(both)
        for encoded in both:
            assert (encoded.cls.shape, encoded.audio_means.shape) == ((count, 64), (3, 16))
        cls, audio_cls = torch.rand(16, 64), both[0].audio_cls
        assert torch.equal(plain.head(cls, audio_cls), graphed.head(cls, audio_cls))
    for ours, theirs in answers:  # all of them, after the last call: none was written over
        for name in ("cls", "audio_cls", "means", "audio_means"):
            off = (getattr(ours, name) - getattr(theirs, name)).abs().max().item()
            assert off == 0, f"{name} is off by {off:.1e}"
    graphed.close()


def test_a_gpu_that_refuses_to_record_is_told_of_and_answers_all_the_same(monkeypatch, caplog):
    backend = PyTorchBackend(stressed_model(), "cpu", "fp32")

    def refuse(_):
        raise RuntimeError("CUDA error: operation not permitted")

    monkeypatch.setattr(backend, "record", refuse)
    monkeypatch.setattr(backend, "_device", torch.device("cuda"))
    monkeypatch.setattr("mmadfer.backends.base.Backend.warmup", lambda self: None)
    backend.warmup()
    assert "kernels are launched one by one: CUDA error: operation not permitted" in caplog.text


@pytest.mark.gpu
def test_on_a_gpu_a_recording_reads_new_inputs_and_keeps_old_answers():
    device = torch.device("cuda")
    graphed = GraphedFunction(lambda a, b: (2 * a, a @ b), device)
    for rows in (16, 1):
        graphed.capture(CudaCapture(device), (rows, 64), (64, 8))
    kept = []
    for rows in (16, 1, 5, 1, 16):
        a, b = torch.randn(rows, 64), torch.randn(64, 8, device=device)
        kept.append((a, b, graphed(a, b)))
    for a, b, (doubled, product) in kept:
        assert torch.equal(doubled.cpu(), 2 * a)
        off = (product - a.cuda() @ b).abs().max().item()
        assert off < 1e-5, f"off by {off:.1e}"
