"""``python -m export.int8 CLIP...``: the encoders in int8 for the CPU, calibrated with windows of your own clips."""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmadfer import cli
from mmadfer.backends import Backend
from mmadfer.backends.openvino import int8
from mmadfer.backends.openvino.backend import OpenVINOBackend
from mmadfer.backends.openvino.core import openvino_core
from mmadfer.config import InputSpec
from mmadfer.graphs.cache import graphs_of
from mmadfer.graphs.graph import ENCODER_INPUTS, GraphFolder
from mmadfer.media import media_file
from mmadfer.preprocess import frame_inputs, sound_input
from mmadfer.stream.hops import file_windows
from mmadfer.stream.window import Window
from mmadfer.weights import store
from mmadfer.weights.lazy import LazyModel

FEWEST = 2
"""Windows with a face that calibration and check need at least, one each."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One input of the encoder graph."""

    frames: torch.Tensor
    """``(k, 3, S, S)``"""
    spectrogram: torch.Tensor
    """``(1, 1, 512, 128)``"""
    kept_sum: torch.Tensor
    """``(depth, K)``"""
    old_cls: torch.Tensor
    """CLS of the window's T - k other frames ``(T - k, D)``, for the head."""


@dataclass(frozen=True)
class Report:
    """An int8 backend against float32, over windows that it was not calibrated with."""

    probability: float
    """Largest absolute difference of a probability."""
    agreement: float
    """Share of the inputs whose most probable class is the same."""
    times: dict[str, tuple[float, float]]
    """"exact" and "step" -> median time of float32 and of int8, s."""


def main(argv: Sequence[str] | None = None) -> int:
    """Calibrate, check and report; returns the exit code."""
    parser = cli.Parser(
        cli.as_typed("python -m export.int8"),
        "Quantise the encoders to int8 for OpenVINO on the CPU, calibrated with windows of your own clips; "
        "precision int8 of the backend openvino then uses them.",
    )
    parser.add_argument("clips", nargs="+", metavar="CLIP", help="video with a face and sound like those to come")
    store.add_argument(parser)
    parser.add_argument("--windows", type=int, default=4, help="windows to calibrate with; as many others are checked")
    return cli.run(parser, _export, argv)


def _export(arguments: argparse.Namespace) -> int:
    if arguments.windows < 1:
        raise ValueError(f"--windows must be at least 1, got {arguments.windows}")
    for clip in arguments.clips:  # before the model is loaded
        if not Path(clip).is_file():
            raise FileNotFoundError(f"there is no file {clip}")
    model = LazyModel.named(arguments.weights).build()
    windows = pick_windows(arguments.clips, model.spec, 2 * arguments.windows)
    sys.stdout.write(f"{model.info.name}, {model.spec.image_size} px: {len(windows)} windows of {_names(arguments)}\n")
    graphs = graphs_of(model)
    del model
    reference = OpenVINOBackend(graphs, "fp32")
    start = time.perf_counter()
    made = calibrate(graphs, reference, windows[::2], tuple(Path(clip).name for clip in arguments.clips))
    taken = time.perf_counter() - start
    sizes = [encoder_bytes(file) / 1e6 for file in (graphs.encoder, made.encoder)]
    sys.stdout.write(f"{made.path}: {sizes[1]:.0f} MB (fp32 {sizes[0]:.0f} MB), calibrated in {taken:.0f} s\n")
    report = check(OpenVINOBackend(graphs, "int8"), reference, windows[1::2])
    sys.stdout.write(
        f"against fp32 on {len(windows[1::2])} other windows: probabilities off by {report.probability:.4f} at most, "
        f"same top class in {report.agreement:.0%}\n"
    )
    for name, (plain, ours) in report.times.items():
        sys.stdout.write(f"{name}: {1000 * ours:.0f} ms, fp32 {1000 * plain:.0f} ms ({plain / ours:.1f} x)\n")
    return 0


def _names(arguments: argparse.Namespace) -> str:
    return ", ".join(Path(clip).name for clip in arguments.clips)


def pick_windows(clips: Sequence[str], spec: InputSpec, count: int) -> list[Window]:
    """Return about ``count`` windows with a face, spread evenly over ``clips``, as the live input path makes them.

    Raises ValueError where there are fewer than two, OSError or ValueError for an unreadable clip.
    """
    share = -(-count // len(clips))
    windows: list[Window] = []
    for clip in clips:
        file = media_file.open_media(clip)
        due = 1
        for window in file_windows(file, spec, spec.hop_seconds, voice_activity=False):
            if window.crops and window.end >= due * file.duration / share:
                windows.append(window)
                due += 1
    if len(windows) < FEWEST:
        raise ValueError(
            f"the clips hold {len(windows)} windows with a face, and {FEWEST} are needed; give other clips"
        )
    return windows


def samples(windows: Sequence[Window], reference: Backend) -> Iterator[Sample]:
    """Yield each window's exact pass and its newest frame as a step, whose kept means ``reference`` computes."""
    spec, config = reference.spec, reference.config
    for window in windows:
        frames = frame_inputs(window.crops, spec)
        sound = sound_input(window.waveform, window.sample_rate, spec)
        nothing = torch.zeros(config.depth, config.context_width)
        encoded = reference.encode(frames, sound, nothing)
        yield Sample(frames, sound, nothing, encoded.cls[:0])
        yield Sample(frames[-1:], sound, encoded.means[:-1].sum(dim=0), encoded.cls[:-1])


def calibrate(
    graphs: GraphFolder, reference: Backend, windows: Sequence[Window], clips: tuple[str, ...]
) -> int8.Int8Encoder:
    """Quantise the encoder of ``graphs`` with the ranges seen in ``windows``, and put it beside them.

    Args: reference: float32 backend of the same graphs; clips: names of the windows' files, for the record.
    Raises ImportError where NNCF is not installed, OSError where the cache cannot be written.
    """
    try:
        import nncf
    except ModuleNotFoundError as error:
        raise ImportError("calibration needs the package nncf: pip install 'mmadfer[export]'") from error
    import openvino

    inputs = [_named(sample) for sample in samples(windows, reference)]
    nncf.set_log_level(logging.WARNING)  # or it names every node that it leaves as it is
    plain = openvino_core().read_model(graphs.encoder)
    quantised = nncf.quantize(
        plain,
        nncf.Dataset(inputs),
        preset=nncf.QuantizationPreset.PERFORMANCE,
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(inputs),
        ignored_scope=nncf.IgnoredScope(names=_attention(plain)),
    )
    return int8.write(graphs, clips, lambda path: openvino.save_model(quantised, path, compress_to_fp16=False))


def _attention(model: Any) -> list[str]:
    """Return the names of attention's own products, of two activations: converting to int8 costs more than it saves."""
    products = (node for node in model.get_ops() if node.get_type_name() == "MatMul")
    return [
        node.get_friendly_name()
        for node in products
        if all(value.get_node().get_type_name() != "Constant" for value in node.input_values())
    ]


def _named(sample: Sample) -> dict[str, Any]:
    tensors = (sample.frames, sample.spectrogram, sample.kept_sum)
    return {name: tensor.numpy() for name, tensor in zip(ENCODER_INPUTS, tensors, strict=True)}


def check(ours: Backend, reference: Backend, windows: Sequence[Window]) -> Report:
    """Return how far ``ours`` is from ``reference`` over ``windows``, and how long each takes, measured in turn."""
    probability, same = 0.0, []
    times: dict[str, list[tuple[float, float]]] = {"exact": [], "step": []}
    for backend in (ours, reference):
        backend.warmup()
    for sample in samples(windows, reference):
        (q, plain), (p, quantised) = answer(reference, sample), answer(ours, sample)
        probability = max(probability, (p - q).abs().max().item())
        same.append(bool(p.argmax() == q.argmax()))
        times["step" if len(sample.old_cls) else "exact"].append((plain, quantised))
    medians = {name: (_median(0, pairs), _median(1, pairs)) for name, pairs in times.items()}
    return Report(probability, sum(same) / len(same), medians)


def _median(column: int, pairs: list[tuple[float, float]]) -> float:
    return statistics.median(pair[column] for pair in pairs)


def answer(backend: Backend, sample: Sample) -> tuple[torch.Tensor, float]:
    """Return the probabilities ``(C,)`` for ``sample``, and the time they took, s."""
    start = time.perf_counter()
    encoded = backend.encode(sample.frames, sample.spectrogram, sample.kept_sum)
    logits = backend.head(torch.cat([sample.old_cls.to(encoded.cls.device), encoded.cls]), encoded.audio_cls)
    return logits[0].softmax(-1), time.perf_counter() - start


def encoder_bytes(path: Path) -> int:
    """Return the size of a graph's file and of those beside it that hold its weights, bytes."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.stem}.*"))


if __name__ == "__main__":
    sys.exit(main())
