"""The streaming step against the exact pass, hop by hop over files: `python -m benchmarks.streaming CLIP...`.

Each clip is played with its own sound, and then with sounds that change abruptly, made of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.support.abrupt_sound import face_windows, made_sounds, voice_of, with_sound
from benchmarks.support.machine import machine, say
from benchmarks.support.models import load
from mmadfer import cli
from mmadfer.backends import BACKENDS, Backend, load_backend
from mmadfer.backends.base import PRECISIONS
from mmadfer.config import InputSpec
from mmadfer.media import media_file
from mmadfer.stream.hops import file_windows
from mmadfer.stream.step import BREAKS, StreamingStep
from mmadfer.stream.step_error import LIMIT
from mmadfer.stream.window import Window

SOUNDS = ("both", "own", "abrupt")
"""What is played: each clip's own sound, made ones that change abruptly, or first the one and then the others."""


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
    steady: bool = True
    """Whether the window was full and showed a face: else the pass is exact whatever it holds."""

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
    exact_share: float | None
    """Share of exact passes among the hops whose window was full and showed a face; None where there were none."""
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
    sounds = "own: the clip's; abrupt: made ones that change abruptly, under its faces; both"
    parser.add_argument("--sounds", default="both", choices=SOUNDS, help=sounds)
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
    abrupt: list[Summary] = []
    for clip in arguments.clips:
        for sound, windows in streams(clip, backend.spec, arguments.every, arguments.sounds):
            hops = list(measure(backend, windows))
            name = f"{Path(clip).name}: {sound}" if sound else Path(clip).name
            measured.append((summary(name, hops, backend.spec), hops))
            abrupt += [measured[-1][0]] if sound else []
            say(line(measured[-1][0]))
    if abrupt:
        say(f"\n{verdict(abrupt)}")
    if arguments.json:
        clips = [
            {**dataclasses.asdict(found), "every_hop": [dataclasses.asdict(hop) for hop in hops]}
            for found, hops in measured
        ]
        content = {"model": kind, "engine": backend.description, "machine": about, "clips": clips}
        Path(arguments.json).write_text(json.dumps(content, indent=2), encoding="utf-8")
    return 0


def streams(clip: str, spec: InputSpec, every: int = 1, sounds: str = "both") -> Iterator[tuple[str, Iterable[Window]]]:
    """Yield (what the sound does, the windows of one in ``every`` hops) for ``clip`` as it is ("") and `made_sounds`.

    Args: sounds: one of `SOUNDS`. Raises OSError or ValueError for an unreadable file.
    """
    hop = every * spec.hop_seconds
    if sounds != "abrupt":
        yield "", file_windows(media_file.open_media(clip), spec, hop)
    faces = face_windows(clip, spec, hop) if sounds != "own" else []
    if faces:
        for name, sound in made_sounds(voice_of(clip, spec.sample_rate), spec.sample_rate).items():
            yield name, (with_sound(window, sound, spec.sample_rate) for window in faces)


def measure(backend: Backend, windows: Iterable[Window]) -> Iterator[Hop]:
    """Yield each of ``windows``, those of one stream in order, answered both ways."""
    stream = StreamingStep(backend)
    for window in windows:
        step, step_s = _answer(stream, window)
        exact, exact_s = _answer(StreamingStep(backend), window)  # without a memory: the exact pass
        steady = not BREAKS.intersection(window.states)
        yield Hop(window.end, stream.new_frames, exact, step, exact_s, step_s, steady)


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
    steady = [hop.new_frames >= spec.num_frames for hop in hops if hop.steady]

    def over(values: Sequence[float]) -> float | None:
        return float(np.mean(values)) if len(values) else None

    return Summary(
        clip,
        len(hops),
        len(stepped),
        exact_share=over(steady),
        agreement=over([hops[k].agrees for k in stepped]),
        mean=over([hops[k].difference for k in stepped]),
        most=max((hops[k].difference for k in stepped), default=None),
        natural=over(changes),
        new_frames=dict(sorted(counts.items())),
        exact_ms=1000 * float(np.median([hop.exact_s for hop in hops])),
        step_ms=1000 * float(np.median([hops[k].step_s for k in stepped])) if stepped else None,
    )


def verdict(abrupt: Sequence[Summary]) -> str:
    """Return in words the largest error over clips whose sound changes abruptly, and whether it is within the limit."""
    worst = max(abrupt, key=lambda found: found.most or 0.0)
    most = worst.most or 0.0
    met = "met" if most <= LIMIT else "MISSED"
    return f"where the sound changes abruptly: off by {most:.4f} at most ({worst.clip}); limit {LIMIT}: {met}"


HEADER = (
    "| clip | hops | steps | exact of full windows | same top class | probability off by, mean / most "
    "| natural change from hop to hop | new frames: hops | exact / step median ms |\n" + 9 * "|---" + "|"
)


def line(found: Summary) -> str:
    """Return ``found`` as a line of the Markdown table."""
    frames = ", ".join(f"{count}: {hops}" for count, hops in found.new_frames.items())
    if found.steps:
        off = f"{found.mean:.5f} / {found.most:.5f} | {found.natural:.5f}"
        cells = f"{found.agreement:.1%} | {off} | {frames} | {found.exact_ms:.0f} / {found.step_ms:.0f}"
    else:
        cells = f"- | - | - | {frames} | {found.exact_ms:.0f} / -"
    whole = "-" if found.exact_share is None else f"{found.exact_share:.0%}"
    return f"| {found.clip} | {found.hops} | {found.steps} | {whole} | {cells} |"


if __name__ == "__main__":
    sys.exit(main())
