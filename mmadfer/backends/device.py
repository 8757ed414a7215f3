"""Devices and precisions: what is asked for is there, or is refused."""

from __future__ import annotations

import os

import torch

_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
"""Values of ONEDNN_MAX_CPU_ISA, which tells oneDNN to do without what the CPU has, that leave bf16 to emulation."""


def choose_device(device: str) -> torch.device:
    """Return the device named ``device`` ("auto", "cpu", "cuda", "cuda:N"). ValueError where it is not there."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return torch.device("cpu")
    kind, _, number = device.partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        raise ValueError(f"there is no device {device!r}; choose auto, cpu, cuda or cuda:N")
    if not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but PyTorch {torch.__version__} sees no CUDA GPU; use cpu")
    index, count = int(number or 0), torch.cuda.device_count()
    if index >= count:
        raise ValueError(f"device {device!r} was asked for, but there are only the GPUs cuda:0 to cuda:{count - 1}")
    return torch.device("cuda", index)


def choose_precision(device: torch.device, precision: str = "auto") -> str:
    """Return ``precision`` where one is named, else "bf16" where ``device`` computes it in hardware, else "fp32".

    Raises ValueError for fp16 on a CPU.
    """
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision fp16 is for GPUs; choose fp32 or bf16 on the CPU")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    capabilities = torch.cpu.get_capabilities()
    there = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return "bf16" if there and not limited_to_fp32() else "fp32"


def limited_to_fp32() -> bool:
    """Return whether oneDNN is limited to instructions that leave bf16 to emulation."""
    return instruction_limit() in _WITHOUT_BF16


def instruction_limit() -> str:
    """Return what oneDNN, which PyTorch and OpenVINO compute with, is limited to, such as "AVX2"; empty if nothing."""
    return (os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "").upper()


def device_name(device: torch.device) -> str:
    """Return the processor's name, such as "AMD EPYC"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return str(torch.cpu.get_capabilities().get("cpu_name", "CPU"))
