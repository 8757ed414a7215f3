"""``python -m mmadfer.predict FILE... [--csv OUT | --jsonl OUT | --out OUT.parquet]``: emotions over recorded clips."""

from __future__ import annotations

import argparse
import functools
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from mmadfer import cli
from mmadfer.backends import BACKENDS, PRECISIONS
from mmadfer.files.names import printable, shown
from mmadfer.files.told import warnings_about
from mmadfer.files.trouble import FILE_TROUBLE, file_sentence
from mmadfer.outputs.csv_file import CsvFile
from mmadfer.outputs.json_lines import JsonLines
from mmadfer.outputs.place import Place
from mmadfer.outputs.schema import answer_row, check_classes
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.scoring import crash_guard
from mmadfer.scoring.input_files import Clip, Found, find_clips, find_files
from mmadfer.stream.hops import check_hop
from mmadfer.types import Prediction, WeightsInfo
from mmadfer.weights import catalogue, store

_PROG = "python -m mmadfer.predict"
_LONGEST = 40
"""Of a name before a progress bar, characters."""
_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None, guard: bool = False) -> int:
    """Predict over the files named; returns the exit code.

    Args: guard: work in processes of their own (without --out), so that a file that crashes one does not end the rest;
    only for a process that has no threads yet.
    """
    parser = cli.Parser(cli.as_typed(_PROG), "Recognise emotions in clips: one line per hop.")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="video, sound or picture; with --out also folders; ./-x for a name that begins with -",
    )
    parser.add_argument("--csv", metavar="OUT", help="file to write; where none is named, or -, standard output")
    parser.add_argument("--jsonl", metavar="OUT", help="the same as JSON lines; - for standard output")
    parser.add_argument(
        "--out",
        metavar="OUT.parquet",
        help="score all clips by several workers into this file; run again to go on after an interruption",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="with --out: one a GPU, or per 4 cores, if not given")
    parser.add_argument("--address", help="with --out: of a Ray cluster, as HOST:PORT or auto; else this machine alone")
    store.add_argument(parser)
    parser.add_argument(
        "--hop", type=float, metavar="S", help="seconds between lines; window length / 16 where not given"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--backend", default="auto", choices=BACKENDS, help="engine that runs the model")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="precision of the encoders")
    parser.add_argument("--no-voice-activity", action="store_true", help="hear sound in which nobody speaks, too")
    return cli.run(parser, functools.partial(_predict, guard=guard), argv)


def _predict(arguments: argparse.Namespace, guard: bool) -> int:
    named = [option for option in ("csv", "jsonl", "out") if getattr(arguments, option) is not None]
    if len(named) > 1:
        raise ValueError(f"give either --{named[0]} or --{named[1]}, not both")
    if arguments.out is not None:
        return _score(arguments)
    if arguments.workers or arguments.address:
        raise ValueError("--workers and --address belong to --out; name a file to write with it")
    if arguments.hop is not None:
        check_hop(arguments.hop)
    # Before the model is loaded: a misspelt name should not cost half a minute.
    found = find_files(arguments.files)
    _place(arguments).check([*(clip.path for clip in found.clips), arguments.weights or ""])
    if not _tell(found):
        return cli.USAGE_ERROR
    clips = [clip for clip in found.clips if not clip.refused]
    work = functools.partial(_write_all, arguments, clips)
    if guard:
        code, failed = crash_guard.guarded(work, len(clips), functools.partial(_tell_death, clips))
    else:
        progress = crash_guard.Progress()
        code, failed = work(progress), progress.failed
    failed, total = failed + len(found.clips) - len(clips), len(found.clips)
    if code or not failed:
        return code
    if total > 1:
        sys.stderr.write(f"{failed} of {total} files failed, as said above\n")
    return cli.USAGE_ERROR


def _write_all(arguments: argparse.Namespace, clips: Sequence[Clip], progress: crash_guard.Progress) -> int:
    """Write the lines of all clips that ``progress`` has not seen."""
    recognizer = EmotionRecognizer.from_pretrained(
        arguments.weights, arguments.backend, arguments.device, arguments.precision
    )
    more = progress.begun > 0
    if not more:
        sys.stderr.write(f"{printable(recognizer.describe())}\n")
        _warn(recognizer.info)
    labels = recognizer.spec.labels
    check_classes(labels)  # before the place is opened, which empties it
    with _place(arguments).open(more) as lines:
        table = CsvFile(lines, labels, heading=not more) if arguments.jsonl is None else JsonLines(lines, labels)
        for clip in clips[progress.begun :]:
            progress.begin()
            if not _write(table, clip, _with_progress(recognizer, clip, arguments), recognizer.info):
                progress.fail()
    return 0


def _place(arguments: argparse.Namespace) -> Place:
    if arguments.jsonl is not None:
        return Place("--jsonl", arguments.jsonl)
    return Place("--csv") if arguments.csv is None else Place("--csv", arguments.csv)


def _tell_death(clips: Sequence[Clip], item: int | None, how: str) -> None:
    sys.stderr.write("\n")  # after a bar that stands still
    if item is None:
        _say(f"the process ended before it came to a file ({how}); is memory too short for the weights?")
    else:
        _say(
            f"{shown(clips[item].name)} cannot be scored, for it ended the process ({how}): it crashes the decoder, or "
            "memory is too short for it; convert it with another program"
        )


def _write(table: CsvFile | JsonLines, clip: Clip, answers: Iterator[Prediction], info: WeightsInfo) -> bool:
    """Write the lines of ``clip``; where it fails, say so, keep what was written and return False."""
    while True:
        try:
            prediction = next(answers, None)
        except FILE_TROUBLE as error:  # the other files go on
            _log.debug("scoring %s", clip.name, exc_info=True)
            _say(file_sentence(error, clip.path, clip.name))
            return False
        if prediction is None:
            return True
        row = answer_row(shown(clip.name), prediction, info)
        table.write(row)  # its errors are no fault of the clip's and end the run


def _score(arguments: argparse.Namespace) -> int:
    try:
        from mmadfer.scoring import run
        from mmadfer.scoring.parts import parts_folder
        from mmadfer.scoring.worker import Job
    except ModuleNotFoundError as error:
        raise ImportError(f"--out needs the package {error.name}: pip install 'mmadfer[train]'") from error
    engine = arguments.backend, arguments.device, arguments.precision
    job = Job(arguments.weights, *engine, arguments.hop, not arguments.no_voice_activity)
    run.check_name(arguments.out)
    out = Path(arguments.out)
    found = find_clips(arguments.files, besides=(out, parts_folder(out)))
    if not _tell(found):
        return cli.USAGE_ERROR
    done = run.score(found.clips, out, job, arguments.workers, arguments.address, _warn)
    refused = sum(bool(clip.refused) for clip in found.clips)
    sys.stderr.write(f"{done or 'all clips were scored before'}\n{shown(out)}: {len(found.clips)} clips\n")
    failed = refused + (done.failed if done else 0)
    if failed:
        _say(f"{failed} clips failed; the column error says why")
    return cli.USAGE_ERROR if failed else 0


def _tell(found: Found) -> bool:
    """Say what was left out and what is refused; return whether anything is left."""
    for line in found.lines():
        sys.stderr.write(f"{line}\n")
    refused = [clip.refused for clip in found.clips if clip.refused]
    for reason in refused:
        _say(reason)
    return len(refused) < len(found.clips)


def _say(sentence: str) -> None:
    sys.stderr.write(f"{cli.as_typed(_PROG)}: {sentence}\n")


def _warn(info: WeightsInfo) -> None:
    if words := catalogue.caveat(info):
        sys.stderr.write(f"{words}\n")


def _with_progress(recognizer: EmotionRecognizer, clip: Clip, arguments: argparse.Namespace) -> Iterator[Prediction]:
    voice_activity = not arguments.no_voice_activity
    bar_format = "{desc} {percentage:3.0f}% |{bar}| {n:.1f}/{total:.1f} s [{elapsed}<{remaining}]"
    with tqdm(desc=_short(clip.name), unit="s", total=0.0, bar_format=bar_format) as bar:

        def show(done: float, total: float) -> None:
            bar.total = total
            bar.update(done - bar.n)

        with warnings_about(clip.path, clip.name, lambda text: bar.write(text, file=sys.stderr)):
            yield from recognizer.stream(
                clip.path, exact=True, hop=arguments.hop, progress=show, voice_activity=voice_activity
            )


def _short(name: str) -> str:
    """Return the file's name without its folders, cut to fit before a bar."""
    last = shown(Path(name).name)
    return last if len(last) <= _LONGEST else f"{last[: _LONGEST // 2]}…{last[-_LONGEST // 2 :]}"


def start(argv: Sequence[str] | None = None) -> int:
    """Run `main` as a process's only work; returns the exit code."""
    return main(argv, guard=True)


if __name__ == "__main__":
    sys.exit(start())
