"""What speed costs: the starter weights in each engine and by the streaming step, on the clips of the test part.

Each clip is a stream of two windows: a face of the test part that moves a little, silence, then a voice of its label,
which ends with the stream. Answers are those at its end: in the exact pass, and by the step, which has followed the
stream hop by hop and whose oldest frames were encoded before the voice began. That is the step at its worst.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks.support.machine import in_words, machine, say, write_json
from export.int8 import calibrate
from mmadfer import cli, metrics
from mmadfer.backends import Backend
from mmadfer.backends.openvino.backend import OpenVINOBackend
from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.config import InputSpec
from mmadfer.data.adapters.starter import RATE, Faces, Voice, read_faces, read_voices
from mmadfer.graphs.cache import graphs_of
from mmadfer.models.mma_dfer import MMADFER
from mmadfer.postprocess import softmax
from mmadfer.preprocess import model_inputs
from mmadfer.stream.step import StreamingStep
from mmadfer.stream.window import Window
from mmadfer.weights import checkpoint, store
from mmadfer.weights.catalogue import STARTER
from train.starter.motion import MILD, moving

Answer = Callable[[Window], torch.Tensor]
REFERENCE = "PyTorch fp32, exact"
_CALIBRATION = 64
"""Windows of the validation part, from which int8 takes its ranges."""


@dataclass(frozen=True)
class Row:
    """One engine, or the step in it."""

    name: str
    clips: int
    war: float
    uar: float
    war_lost: float
    """Against `REFERENCE`."""
    uar_lost: float
    agreement: float
    """Share of the clips with the same top class as `REFERENCE`."""
    mean_difference: float
    """Mean over the clips of the largest difference of a probability to `REFERENCE`."""
    quicker: float
    """Times as fast as `REFERENCE`: medians over the clips, whose engines take turns."""


def main(argv: Sequence[str] | None = None) -> int:
    """Score every engine, print the table and write the file; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.starter_engines", "What each engine and the step cost in accuracy.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with faces.npz and voices/")
    parser.add_argument("--weights", default=STARTER, metavar="FILE", help="file that train.starter wrote")
    parser.add_argument("--clips", type=int, default=0, metavar="N", help="clips to score; 0: all of the test part")
    parser.add_argument("--json", metavar="FILE", help="file to write the figures to")
    return cli.run(parser, _score, argv)


def _score(arguments: argparse.Namespace) -> int:
    path = store.resolve(arguments.weights)
    info, about = checkpoint.load_model(path).info, machine()
    say(f"{info.name}; {in_words(about)}\n")
    faces, voices = read_faces(arguments.data, "test"), read_voices(arguments.data, "test")
    with tempfile.TemporaryDirectory() as home, mock.patch.dict(os.environ, {"MMADFER_HOME": home}):
        calibration = (read_faces(arguments.data, "validation"), read_voices(arguments.data, "validation"))
        engines = load_engines(lambda: checkpoint.load_model(path), *calibration)
        labels, logits, times = run(engines, faces, voices, arguments.clips)
    rows = table(labels, {name: softmax(values, info.temperature) for name, values in logits.items()}, times)
    say(
        "| engine | clips | accuracy | UAR | accuracy lost | UAR lost | same answer | mean difference | times as fast |"
    )
    say("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        say(line(row))
    if arguments.json:
        write_json(arguments.json, about, rows=rows)
    return 0


def load_engines(load: Callable[[], MMADFER], faces: Faces, voices: Sequence[Voice]) -> dict[str, Answer | Backend]:
    """Return name -> engine; backends are scored exactly and by the step.

    Args: load: loads the model anew; faces and voices: of the validation part, for int8.
    """
    graphs = graphs_of(load())
    reference = OpenVINOBackend(graphs, "fp32")
    spec = reference.spec
    windows = [stream[-1] for stream, _ in itertools.islice(streams(spec, faces, voices, _CALIBRATION), _CALIBRATION)]
    calibrate(graphs, reference, windows, ("validation part of the starter data",))
    return {
        "PyTorch fp32": PyTorchBackend(load(), "cpu", "fp32"),
        "OpenVINO fp32": reference,
        "OpenVINO bf16": OpenVINOBackend(graphs, "bf16"),
        "OpenVINO int8": OpenVINOBackend(graphs, "int8"),
        "FP16 (PyTorch on the CPU)": half(load()),
    }


def half(model: MMADFER) -> Answer:
    """Return the exact pass with the encoders in FP16, as a TensorRT engine has them, computed by PyTorch on the CPU.

    It tells what the rounding costs, not how fast such an engine is, nor what its own kernels add.
    """
    for module in (model.face, model.audio, model.fusion, model.adapters):
        module.half()

    def answer(window: Window) -> torch.Tensor:
        inputs = model_inputs(window.crops, window.heard(model.spec), window.sample_rate, model.spec)
        with torch.inference_mode():
            cls, audio_cls = model.encode(*(tensor.half() for tensor in inputs))[:2]
            return model.head(cls.float(), audio_cls.float())

    return answer


def streams(
    spec: InputSpec, faces: Faces, voices: Sequence[Voice], clips: int = 0
) -> Iterator[tuple[list[Window], int]]:
    """Yield each clip as the windows of its stream, one a hop, and its label; ``clips`` of them, 0: all."""
    of_label = [[voice for voice in voices if voice.label == label] for label in range(len(spec.labels))]
    count = min(clips or len(faces.labels), len(faces.labels))
    for index in np.linspace(0, len(faces.labels) - 1, count).astype(int):
        label = int(faces.labels[index])
        rng = np.random.default_rng(int(index))
        voice = of_label[label][rng.integers(len(of_label[label]))]
        yield _stream(spec, faces.images[index], voice.sound, rng), label


def _stream(spec: InputSpec, image: np.ndarray, voice: np.ndarray, rng: np.random.Generator) -> list[Window]:
    frames, hop = spec.num_frames, spec.hop_seconds
    clip = moving(torch.from_numpy(image[None]), 2 * frames, MILD, [rng])[0, ..., None].expand(-1, -1, -1, 3).numpy()
    sound = np.zeros((1, round(2 * spec.window_seconds * RATE)), np.float32)
    heard = voice[:, -sound.shape[1] :]
    sound[:, sound.shape[1] - heard.shape[1] :] = heard
    windows = []
    for first in range(frames + 1):
        start, end = first * hop, (first + frames) * hop
        windows.append(
            Window(
                end=end,
                start=start,
                crops=list(clip[first : first + frames]),
                frame_times=[(first + k + 1) * hop for k in range(frames)],
                waveform=sound[:, round(start * RATE) : round(end * RATE)],
                sample_rate=RATE,
                face=None,
                states=(),
                face_lost_s=0.0,
                version=first,
            )
        )
    return windows


def run(
    engines: dict[str, Answer | Backend], faces: Faces, voices: Sequence[Voice], clips: int = 0
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, list[float]]]:
    """Return the labels, and for each way of answering the logits `(N, C)` and the times that the answers took, s."""
    spec = next(engine.spec for engine in engines.values() if isinstance(engine, Backend))
    labels: list[int] = []
    logits: dict[str, list[np.ndarray]] = {}
    times: dict[str, list[float]] = {}
    for windows, label in streams(spec, faces, voices, clips):
        labels.append(label)
        for name, engine in engines.items():
            if isinstance(engine, Backend):
                step = StreamingStep(engine)
                for window in windows[:-1]:
                    step.logits(window)
                ways: dict[str, Answer] = {", exact": StreamingStep(engine).logits, ", by the step": step.logits}
            else:
                ways = {", exact": engine}
            for way, answer in ways.items():
                start = time.perf_counter()
                logits.setdefault(name + way, []).append(answer(windows[-1])[0].numpy())
                times.setdefault(name + way, []).append(time.perf_counter() - start)
    return np.array(labels), {name: np.stack(values) for name, values in logits.items()}, times


def table(labels: np.ndarray, found: dict[str, np.ndarray], times: dict[str, list[float]]) -> list[Row]:
    """Return a row for each way of answering. Args: found: name -> probabilities `(N, C)`."""
    reference = found[REFERENCE]
    top = reference.argmax(axis=1)
    war, uar = metrics.war(labels, top), metrics.uar(labels, top)
    usual = statistics.median(times[REFERENCE])
    rows = []
    for name, values in found.items():
        answers = values.argmax(axis=1)
        own = (metrics.war(labels, answers), metrics.uar(labels, answers))
        rows.append(
            Row(
                name,
                len(labels),
                *own,
                war - own[0],
                uar - own[1],
                float((answers == top).mean()),
                float(np.abs(values - reference).max(axis=1).mean()),
                usual / statistics.median(times[name]),
            )
        )
    return rows


def line(row: Row) -> str:
    """Return ``row`` as Markdown, shares in %."""
    shares = (row.war, row.uar, row.war_lost, row.uar_lost, row.agreement)
    in_percent = " | ".join(f"{100 * share:.1f}" for share in shares)
    return f"| {row.name} | {row.clips} | {in_percent} | {row.mean_difference:.4f} | {row.quicker:.1f} |"


if __name__ == "__main__":
    sys.exit(main())
