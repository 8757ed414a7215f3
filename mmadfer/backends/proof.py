"""The proof: an engine's answers to the probe against PyTorch's in float32, before anybody uses the engine."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import torch

from mmadfer.backends.base import Backend
from mmadfer.graphs import probe
from mmadfer.graphs.probe import Reference

log = logging.getLogger(__name__)

TOLERANCES = {
    ("openvino", "fp32"): 0.001,
    ("openvino", "fp16"): 0.02,
    ("openvino", "bf16"): 0.15,
    ("openvino", "int8"): 0.5,
    ("pytorch", "fp32"): 0.02,
    ("pytorch", "fp16"): 0.02,
    ("pytorch", "bf16"): 0.15,
    ("tensorrt", "fp32"): 0.02,
    ("tensorrt", "fp16"): 0.02,
}

_LOGIT = 1.0
"""Smallest scale of logits: below it a difference changes no probability by more than itself."""
_NOTHING = 1e-6
"""Scale per number from which values count as something."""


def tolerance(engine: str, precision: str, graphs: str = "fp32") -> float:
    """Return the largest `distance` that is allowed. Args: graphs: precision of the graphs that the engine runs."""
    return max(TOLERANCES[engine, precision], TOLERANCES[engine, graphs] if graphs != "fp32" else 0.0)


def is_reference(device: torch.device, precision: str) -> bool:
    """Return whether PyTorch with these is the engine that references are made by."""
    return device.type == "cpu" and precision == "fp32"


class Unproven(ValueError):
    """An engine does not start, or does not answer the probe as the weights do: it must not be used."""


class CannotCompute(Unproven):
    """An engine cannot compute in the wanted precision on this machine."""


def prove(backend: Backend, reference: Reference, allowed: float) -> None:
    """Ask ``backend`` the probe. Args: allowed: largest `distance`.

    Raises Unproven where an answer is not finite, is further off, or does not come.
    """
    start, worst = time.perf_counter(), 0.0
    frames, spectrogram = probe.inputs(backend.spec)
    for count, expected in sorted(reference.answers.items(), reverse=True):  # as `Backend.usual_counts`
        old_cls, kept_sum = reference.kept(count)
        try:
            encoded = backend.encode(frames[len(frames) - count :], spectrogram, kept_sum)
            cls = torch.cat([old_cls.to(encoded.cls.device), encoded.cls])
            answer = vars(encoded) | {"logits": backend.head(cls, encoded.audio_cls)}
        except (RuntimeError, TypeError, ValueError) as error:  # engines say so of whatever does not run or fit
            raise Unproven(f"{backend.description} does not answer the probe: {error}") from error
        worst = max(worst, _compare(backend, answer, expected, allowed))
    log.info(
        "%s proved itself in %.0f ms: off by %.1e at most (%g is allowed)",
        backend.description,
        1000 * (time.perf_counter() - start),
        worst,
        allowed,
    )


def prove_faces(
    backend: Backend,
    encode_faces: Callable[[torch.Tensor, torch.Tensor], Sequence[torch.Tensor]],
    reference: Reference,
    allowed: float,
) -> None:
    """Ask ``encode_faces`` of ``backend`` for the probe's newest frame, the probe's sound being kept. As `prove`."""
    count, expected = min(reference.answers.items())
    frames = probe.inputs(backend.spec)[0]
    try:
        cls, means = encode_faces(frames[len(frames) - count :], expected["audio_means"])
    except (RuntimeError, ValueError) as error:
        raise Unproven(f"{backend.description} does not answer the probe: {error}") from error
    _compare(backend, {"cls": cls, "means": means}, expected, allowed)


def prove_finite(backend: Backend) -> None:
    """Ask the engine that references are made by: its answer has to be finite. Raises Unproven."""
    count = min(probe.counts(backend.spec, backend.config))
    frames, spectrogram = probe.inputs(backend.spec)
    nothing = torch.zeros(backend.config.depth, backend.config.context_width)
    encoded = backend.encode(frames[:count], spectrogram, nothing)
    logits = backend.head(encoded.cls[-1:].expand(backend.spec.num_frames, -1), encoded.audio_cls)
    if not logits.isfinite().all():
        raise Unproven(
            f"{backend.description} answers the probe wrongly: its logits are not finite numbers; the weights are "
            "damaged, or their training diverged"
        )


def _compare(
    backend: Backend, answer: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], allowed: float
) -> float:
    """Return the largest distance of ``answer`` to what is ``expected``; raises Unproven where it is too large."""
    worst = 0.0
    for name, ours in answer.items():
        theirs, count = expected[name], len(expected["cls"])
        if ours.shape != theirs.shape:
            raise Unproven(
                f"{backend.description} answers the probe with {name} of shape {tuple(ours.shape)}, not "
                f"{tuple(theirs.shape)}: it was made from another model"
            )
        off = distance(ours.cpu(), theirs, _LOGIT if name == "logits" else _NOTHING)
        if not off <= allowed:  # not a number is wrong as well
            what = f"is off by {off:.2g} ({allowed:g} is allowed)" if off >= 0 else "is not finite numbers"
            raise Unproven(
                f"{backend.description} answers the probe wrongly: with {count} new frame{'s' * (count > 1)} its "
                f"{name} {what}"
            )
        worst = max(worst, off)
    return worst


def distance(ours: torch.Tensor, theirs: torch.Tensor, least: float = _NOTHING) -> float:
    """Return the largest difference of a row to that of ``theirs`` (its length), in units of how long rows are there.

    Rows are vectors along the last side ``(..., N)``; their scale is the root of their mean square, ``least`` a number
    at the least. What is not finite gives "not a number".
    """
    if not ours.numel():
        return 0.0
    if not ours.isfinite().all():
        return float("nan")
    theirs = theirs.reshape(-1, theirs.shape[-1])
    scale = max(theirs.square().mean().sqrt().item(), least) * theirs.shape[-1] ** 0.5
    return (ours.reshape(theirs.shape) - theirs).norm(dim=1).max().item() / scale
