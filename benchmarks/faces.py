"""What reading several faces costs: `python -m benchmarks.faces [--seconds 20] [--runs 3]`.

Four made heads stand still before the camera while a voice is heard; the same frames and sound are pushed in real time
to a stream that reads one of them and to one that reads four, in turn, and the process's own time is compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import mmadfer
from benchmarks.support.machine import in_words, machine, say
from mmadfer import cli
from mmadfer.stream.live import StreamListener
from mmadfer.types import Prediction
from tests.support.places import CLIPS
from tests.support.recordings import decoded_sound
from tests.support.two_faces import FPS, Scene, walk

MOST = 4
RATE = 44_100
"""Hz, of the clip with the voice."""


@dataclass(frozen=True)
class Cost:
    """One run."""

    busy: float
    """Share of one core that the process used."""
    chosen: float
    """Answers a second about the chosen face."""
    further: float
    """The same about each of the others; 0 where none is read."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the figures; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.faces", "What reading four faces costs, against one.")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each run, at least 5")
    parser.add_argument("--runs", type=int, default=3, help="runs of each kind, at least 1")
    return cli.run(parser, _measure, argv)


def _measure(arguments: argparse.Namespace) -> int:
    if not (arguments.seconds >= 5 and arguments.runs >= 1):
        raise ValueError(f"--seconds must be 5 or more and --runs 1 or more, got {arguments.seconds}, {arguments.runs}")
    say(in_words(machine()))
    frames, sound = four_heads(), voice()
    recognizer = mmadfer.EmotionRecognizer.from_pretrained("starter")
    try:
        one, four = [], []
        for _ in range(arguments.runs):  # side by side: what else the machine does meets both
            one.append(run(recognizer, frames, sound, 1, arguments.seconds))
            four.append(run(recognizer, frames, sound, MOST, arguments.seconds))
    finally:
        recognizer.close()
    for name, found in (("one face", one), ("four faces", four)):
        middle = [statistics.median(getattr(cost, part) for cost in found) for part in ("busy", "chosen", "further")]
        say(f"{name}: {middle[0]:.3f} of a core, {middle[1]:.1f} answers/s, {middle[2]:.1f}/s about each other face")
    say(f"ratio {ratio(one, four):.2f}")
    return 0


def ratio(one: Sequence[Cost], four: Sequence[Cost]) -> float:
    """Return how much more reading four costs than reading one; median over the pairs of runs."""
    return statistics.median(b.busy / a.busy for a, b in zip(one, four, strict=True))


def run(
    recognizer: mmadfer.EmotionRecognizer, frames: Sequence[np.ndarray], sound: np.ndarray, faces: int, seconds: float
) -> Cost:
    """Push ``frames`` (15 a second, over and over) and ``sound`` `(1, n)` at `RATE` in real time."""
    count = Count()
    piece = RATE // FPS
    with recognizer.stream(faces=faces, listener=count) as stream:
        begun, used, start = time.monotonic(), 0.0, 0.0
        for k in range(round(seconds * FPS)):
            time.sleep(max(0.0, begun + k / FPS - time.monotonic()))
            if k == 4 * FPS:  # the window is full, and everything warm
                count.chosen = count.further = 0
                used, start = time.process_time(), time.monotonic()
            stream.push_frame(k / FPS, frames[k % len(frames)])
            at = k * piece % (sound.shape[1] - piece)
            stream.push_audio(sound[:, at : at + piece], RATE, k / FPS)
        span = time.monotonic() - start
        used = time.process_time() - used
    return Cost(used / span, count.chosen / span, count.further / span / max(1, faces - 1))


class Count(StreamListener):
    """Counts answers."""

    def __init__(self) -> None:
        self.chosen = self.further = 0

    def on_result(self, prediction: Prediction) -> None:
        """Count one about the chosen face."""
        self.chosen += 1

    def on_further(self, prediction: Prediction) -> None:
        """Count one about another."""
        self.further += 1


def four_heads() -> list[np.ndarray]:
    """Return frames of 640 x 720 px with four heads, two above two; the lower ones are the upper ones in a mirror."""
    scene = Scene(CLIPS)
    pairs = scene.frames(walk(150, 160), walk(480, 470))
    return [np.concatenate([pair, pair[:, ::-1]]) for pair in pairs]


def voice() -> np.ndarray:
    """Return a voice, `(1, n)` float32 at `RATE`."""
    return decoded_sound(CLIPS / "jfk.flac", RATE)[None].astype(np.float32)


if __name__ == "__main__":
    raise SystemExit(main())
