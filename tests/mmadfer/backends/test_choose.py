"""Backends: each against the plain model; a named device or precision is used or refused, never replaced."""

import pytest
import torch

from mmadfer.backends import load_backend
from mmadfer.backends.device import choose_device, choose_precision
from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.models.mma_dfer import untrained_model
from tests.support.small_models import SPEC, TINY, stressed_model


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-6), ("bf16", 0.005)])
def test_probabilities_equal_the_plain_models(precision, tolerance):
    frames, spectrogram = torch.rand(2, 16, 3, 32, 32), torch.randn(2, 1, 512, 128)
    with torch.no_grad():
        expected = stressed_model()(frames, spectrogram).softmax(-1)
    backend = PyTorchBackend(stressed_model(), "cpu", precision)
    backend.warmup()
    logits = backend(frames, spectrogram)
    assert (logits.dtype, logits.device.type, logits.requires_grad) == (torch.float32, "cpu", False)
    difference = (logits.softmax(-1) - expected).abs().max().item()
    assert difference < tolerance, f"{precision} is off by {difference:.1e}"
    assert backend.description.startswith(f"PyTorch {precision} on ")
    backend.close()


@pytest.mark.parametrize(("device", "message"), [("tpu", "there is no device 'tpu'"), ("cuda:x", "there is no device")])
def test_unknown_devices_are_refused(device, message):
    with pytest.raises(ValueError, match=message):
        choose_device(device)


def test_cuda_without_a_gpu_is_refused_not_replaced(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"'cuda' was asked for, but PyTorch .* sees no CUDA GPU; use cpu"):
        load_backend(untrained_model(SPEC, TINY), device="cuda")


def test_unknown_backend_and_precision_are_refused():
    with pytest.raises(ValueError, match="there is no backend 'tpu'; choose one of auto, pytorch"):
        load_backend(untrained_model(SPEC, TINY), backend="tpu")
    with pytest.raises(ValueError, match="there is no precision 'int4'; choose one of auto, fp32, bf16"):
        load_backend(untrained_model(SPEC, TINY), precision="int4")


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_without_a_gpu_and_openvino_auto_is_pytorch_and_says_why(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    loaded = load_backend(untrained_model(SPEC, TINY), device=device)
    assert loaded.description.startswith("PyTorch ")
    why = "there is no GPU" if device == "auto" else "the CPU was asked for"
    assert loaded.reason == f"{why} and OpenVINO is not installed: pip install 'mmadfer[cpu]'"


def test_half_precision_is_refused_on_the_cpu():
    with pytest.raises(ValueError, match="precision fp16 is for GPUs; choose fp32 or bf16 on the CPU"):
        load_backend(untrained_model(SPEC, TINY), "pytorch", "cpu", "fp16")


def test_automatic_precision_follows_the_cpu(monkeypatch):
    for limit in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(limit, raising=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert choose_precision(torch.device("cpu")) == "bf16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    assert choose_precision(torch.device("cpu")) == "fp32"


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gpu_equals_cpu(precision):
    frames, spectrogram = torch.rand(2, 16, 3, 32, 32), torch.randn(2, 1, 512, 128)
    expected = PyTorchBackend(stressed_model(), "cpu", "fp32")(frames, spectrogram).softmax(-1)
    ours = PyTorchBackend(stressed_model(), "cuda", precision)(frames, spectrogram).softmax(-1)
    difference = (ours - expected).abs().max().item()
    assert difference < 0.005, f"off by {difference:.1e}"
