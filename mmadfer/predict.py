"""``python -m mmadfer.predict FILE... [--csv OUT | --out OUT.parquet]``: emotions over recorded clips."""

from __future__ import annotations

import argparse
import contextlib
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from mmadfer import catalogue, cli, weights
from mmadfer.backends import BACKENDS, PRECISIONS
from mmadfer.config import WeightsInfo
from mmadfer.postprocess import Prediction
from mmadfer.recognizer import EmotionRecognizer


def main(argv: Sequence[str] | None = None) -> int:
    """Predict over the files named; returns the exit code."""
    parser = cli.Parser("python -m mmadfer.predict", "Recognise emotions in clips: one line per hop.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="video, or sound alone; with --out also folders")
    parser.add_argument("--csv", metavar="OUT", help="file to write; standard output where not given")
    parser.add_argument(
        "--out",
        metavar="OUT.parquet",
        help="score all clips by several workers into this file; run again to go on after an interruption",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="with --out: one a GPU, or per 4 cores, if not given")
    parser.add_argument("--address", help="with --out: of a Ray cluster, as HOST:PORT or auto; else this machine alone")
    weights.add_argument(parser)
    parser.add_argument(
        "--hop", type=float, metavar="S", help="seconds between lines; window length / 16 where not given"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--backend", default="auto", choices=BACKENDS, help="engine that runs the model")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="precision of the encoders")
    return cli.run(parser, _predict, argv)


def _predict(arguments: argparse.Namespace) -> int:
    if arguments.out:
        return _score(arguments)
    if arguments.workers or arguments.address:
        raise ValueError("--workers and --address belong to --out; name a file to write with it")
    for name in arguments.files:  # before the model is loaded: a misspelt name should not cost half a minute
        if Path(name).is_dir():
            raise ValueError(f"{name} is a folder; score its clips with --out results.parquet")
        if not Path(name).is_file():
            raise FileNotFoundError(f"there is no file {name}")
        if arguments.csv and Path(arguments.csv).resolve() == Path(name).resolve():
            raise ValueError(f"--csv {arguments.csv} would overwrite the clip of that name; name another file")
    recognizer = EmotionRecognizer.from_pretrained(
        arguments.weights, arguments.backend, arguments.device, arguments.precision
    )
    sys.stderr.write(f"{recognizer.describe()}\n")
    _warn(recognizer.info)
    failed = False
    with _open_output(arguments.csv) as out:
        table = CsvTable(out, recognizer)
        for name in arguments.files:
            try:
                for prediction in _with_progress(recognizer, name, arguments.hop):
                    table.write(name, prediction)
            except (OSError, ValueError) as error:  # the other files go on; what was written stays
                sys.stderr.write(f"python -m mmadfer.predict: {cli.sentence(error)}\n")
                failed = True
    return cli.USAGE_ERROR if failed else 0


def _score(arguments: argparse.Namespace) -> int:
    if arguments.csv:
        raise ValueError("give either --csv or --out, not both")
    try:
        from mmadfer import scoring
        from mmadfer.score_worker import Job
    except ModuleNotFoundError as error:
        raise ImportError(f"--out needs the package {error.name}: pip install 'mmadfer[train]'") from error
    job = Job(arguments.weights, arguments.backend, arguments.device, arguments.precision, arguments.hop)
    clips, left_out = scoring.find_clips(arguments.files)
    if left_out:
        counts = ", ".join(f"{count} {suffix}" for suffix, count in left_out.most_common())
        sys.stderr.write(f"no clips by their names, left out: {counts}\n")
    done = scoring.score(clips, arguments.out, job, arguments.workers, arguments.address, _warn)
    sys.stderr.write(f"{done or 'all clips were scored before'}\n{arguments.out}: {len(clips)} clips\n")
    if done and done.failed:
        sys.stderr.write(f"python -m mmadfer.predict: {done.failed} clips failed; the column error says why\n")
        return cli.USAGE_ERROR
    return 0


def _warn(info: WeightsInfo) -> None:
    if words := catalogue.caveat(info):
        sys.stderr.write(f"{words}\n")


@contextlib.contextmanager
def _open_output(path: str | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    with open(path, "w", newline="", encoding="utf-8") as file:
        yield file


def _with_progress(recognizer: EmotionRecognizer, name: str, hop: float | None) -> Iterator[Prediction]:
    bar_format = "{desc} {percentage:3.0f}% |{bar}| {n:.1f}/{total:.1f} s [{elapsed}<{remaining}]"
    with tqdm(desc=Path(name).name, unit="s", total=0.0, bar_format=bar_format) as bar:

        def show(done: float, total: float) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield from recognizer.iter_file(name, hop, show)


class CsvTable:
    """Predictions as CSV, flushed line by line. The label is left out where it may not be shown as one."""

    def __init__(self, out: TextIO, recognizer: EmotionRecognizer) -> None:
        """Write the header to ``out``; class columns follow the recogniser's labels."""
        self._out = out
        self._weights = recognizer.info.name if recognizer.info.trained else "UNTRAINED"
        self._labels = recognizer.spec.labels
        self._writer = csv.writer(out, lineterminator="\n")
        box = ("face_x", "face_y", "face_width", "face_height")
        self._writer.writerow(
            ("file", "time_s", "label", *self._labels, *box, "has_audio", "states", "latency_ms", "weights")
        )

    def write(self, name: str, prediction: Prediction) -> None:
        """Write one line."""
        face = prediction.face
        box = (face.x, face.y, face.width, face.height) if face else ("", "", "", "")
        self._writer.writerow(
            (
                name,
                f"{prediction.time:.3f}",
                prediction.label if prediction.trusted else "",
                *(f"{prediction.probabilities[label]:.4f}" for label in self._labels),
                *(f"{value:.1f}" if value != "" else "" for value in box),
                int(prediction.has_audio),
                "; ".join(prediction.states),
                f"{prediction.latency_ms:.0f}",
                self._weights,
            )
        )
        self._out.flush()


if __name__ == "__main__":
    sys.exit(main())
