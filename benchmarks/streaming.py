"""The streaming step against the exact pass, hop by hop over files: `python -m benchmarks.streaming CLIP...`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.engine_process import set_gates
from benchmarks.machine import machine, say
from mmadfer import checkpoint, cli, media, weights
from mmadfer.backends import BACKENDS, Backend, load_backend
from mmadfer.backends.base import PRECISIONS
from mmadfer.config import InputSpec
from mmadfer.model import MMADFER, untrained_model
from mmadfer.recognizer import file_windows
from mmadfer.step import StreamingStep
from mmadfer.stream import Window


@dataclasses.dataclass(frozen=True)
class Hop:
    """One window, answered both ways."""

    time: float
    """End of the window, s."""
    new_frames: int
    """Frames that the streaming step encoded; all of them are an exact pass."""
    exact: list[float]
    """Probabilities."""
    step: list[float]
    exact_s: float
    """Time that the exact pass took, s."""
    step_s: float

    @property
    def difference(self) -> float:
        """Largest difference of a probability."""
        return float(np.abs(np.subtract(self.exact, self.step)).max())

    @property
    def agrees(self) -> bool:
        """Whether the most probable class is the same."""
        return int(np.argmax(self.exact)) == int(np.argmax(self.step))


@dataclasses.dataclass(frozen=True)
class Summary:
    """All hops of one clip. Means and maxima are over the steps alone: at an exact pass nothing can differ."""

    clip: str
    hops: int
    steps: int
    """Hops that were no exact pass."""
    agreement: float | None
    """Share of steps whose most probable class is the exact pass's; None where there were no steps."""
    mean: float | None
    """Mean of the hops' largest difference of a probability."""
    most: float | None
    natural: float | None
    """Mean over the same hops of the largest change of an exact probability since the hop before."""
    new_frames: dict[int, int]
    """Frames encoded at a hop -> how many hops."""
    exact_ms: float
    """Median over all hops, ms."""
    step_ms: float | None


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table and write the file; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.streaming", "The streaming step against the exact pass over files.")
    parser.add_argument("clips", nargs="+", metavar="CLIP", help="video, or sound alone")
    parser.add_argument(
        "--weights", help="file, or a name of `python -m mmadfer.weights list`; untrained where not given"
    )
    parser.add_argument("--size", type=int, default=224, metavar="PX", help="face size of untrained weights")
    parser.add_argument("--gate", type=float, default=0.3, help="gates of untrained weights")
    parser.add_argument("--backend", default="auto", choices=BACKENDS, help="engine that runs the model")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="precision of the encoders")
    every = "hops from one answer to the next; above 1 as on a machine that is so many times too slow"
    parser.add_argument("--every", type=int, default=1, metavar="N", help=every)
    parser.add_argument("--json", metavar="FILE", help="file to write the figures of every hop to")
    return cli.run(parser, _measure_all, argv)


def _measure_all(arguments: argparse.Namespace) -> int:
    if arguments.every < 1:
        raise ValueError(f"--every must be 1 or more, got {arguments.every}")
    for clip in arguments.clips:  # before the model is loaded
        if not Path(clip).is_file():
            raise FileNotFoundError(f"there is no file {clip}")
    model = load(arguments.weights, arguments.size, arguments.gate)
    about = machine()
    kind = model.info.name if model.info.trained else f"{model.info.name} weights, gates {arguments.gate}"
    backend = load_backend(model, arguments.backend, arguments.device, arguments.precision)
    del model
    backend.warmup()
    say(f"{kind}, {backend.spec.image_size} px, {backend.description}, {about['cores']} cores, load {about['load']}\n")
    say(HEADER)
    measured: list[tuple[Summary, list[Hop]]] = []
    for clip in arguments.clips:
        hops = list(measure(backend, clip, arguments.every))
        measured.append((summary(Path(clip).name, hops, backend.spec), hops))
        say(line(measured[-1][0]))
    if arguments.json:
        clips = [
            {**dataclasses.asdict(found), "every_hop": [dataclasses.asdict(hop) for hop in hops]}
            for found, hops in measured
        ]
        content = {"model": kind, "engine": backend.description, "machine": about, "clips": clips}
        Path(arguments.json).write_text(json.dumps(content, indent=2), encoding="utf-8")
    return 0


def load(name_or_path: str | None, size: int, gate: float) -> MMADFER:
    """Return the weights named, or untrained ones for faces of ``size`` px with their gates set to ``gate``."""
    if name_or_path is not None:
        return checkpoint.load_model(weights.resolve(name_or_path))
    model = untrained_model(InputSpec(image_size=size))
    set_gates(model, gate)
    return model


def measure(backend: Backend, clip: str, every: int = 1) -> Iterator[Hop]:
    """Yield one in ``every`` hops of ``clip``. Raises OSError or ValueError for an unreadable file."""
    stream = StreamingStep(backend)
    for window in file_windows(media.open_media(clip), backend.spec, every * backend.spec.hop_seconds):
        step, step_s = _answer(stream, window)
        exact, exact_s = _answer(StreamingStep(backend), window)  # without a memory: the exact pass
        yield Hop(window.end, stream.new_frames, exact, step, exact_s, step_s)


def _answer(stream: StreamingStep, window: Window) -> tuple[list[float], float]:
    """Return the probabilities and the time they took, s; at temperature 1, which leaves nothing hidden."""
    start = time.perf_counter()
    values: torch.Tensor = stream.logits(window)[0].softmax(-1)
    return values.tolist(), time.perf_counter() - start


def summary(clip: str, hops: Sequence[Hop], spec: InputSpec) -> Summary:
    """Return what ``hops`` of the file ``clip`` come to."""
    stepped = [k for k, hop in enumerate(hops) if hop.new_frames < spec.num_frames]
    changes = [np.abs(np.subtract(hops[k].exact, hops[k - 1].exact)).max() for k in stepped if k > 0]
    counts = Counter(hop.new_frames for hop in hops)

    def over(values: Sequence[float]) -> float | None:
        return float(np.mean(values)) if len(values) else None

    return Summary(
        clip,
        len(hops),
        len(stepped),
        agreement=over([hops[k].agrees for k in stepped]),
        mean=over([hops[k].difference for k in stepped]),
        most=max((hops[k].difference for k in stepped), default=None),
        natural=over(changes),
        new_frames=dict(sorted(counts.items())),
        exact_ms=1000 * float(np.median([hop.exact_s for hop in hops])),
        step_ms=1000 * float(np.median([hops[k].step_s for k in stepped])) if stepped else None,
    )


HEADER = (
    "| clip | hops | steps | same top class | probability off by, mean / most | natural change from hop to hop "
    "| new frames: hops | exact / step median ms |\n|---|---|---|---|---|---|---|---|"
)


def line(found: Summary) -> str:
    """Return ``found`` as a line of the Markdown table."""
    frames = ", ".join(f"{count}: {hops}" for count, hops in found.new_frames.items())
    if found.steps:
        off = f"{found.mean:.5f} / {found.most:.5f} | {found.natural:.5f}"
        cells = f"{found.agreement:.1%} | {off} | {frames} | {found.exact_ms:.0f} / {found.step_ms:.0f}"
    else:
        cells = f"- | - | - | {frames} | {found.exact_ms:.0f} / -"
    return f"| {found.clip} | {found.hops} | {found.steps} | {cells} |"


if __name__ == "__main__":
    sys.exit(main())
