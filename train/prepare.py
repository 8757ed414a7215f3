"""``python -m train.prepare SET ROOT --out FOLDER``: a data set as distributed to one that training reads fast."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mmadfer import cli
from mmadfer.data.adapters.sets import SETS, list_clips
from mmadfer.data.lists.listing import Finding, Listing, natural
from mmadfer.data.manifest import Clip, write_manifest
from mmadfer.data.prepared import INDEX, JPEGS, MANIFEST, MELS, REPORT, PreparedSet, PreparedSettings, shard_path
from mmadfer.data.shards import start_set, write_index
from mmadfer.files.json_text import to_json
from mmadfer.files.names import ENCODABLE, printable, shown
from mmadfer.files.whole import write_atomically

from .preparing.packing import Task
from .preparing.report import make_report, report_text
from .preparing.shard_work import RECORDS, Job, Record, Shard, finished, make_shards, record_path, shards


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare a data set; returns the exit code."""
    parser = cli.Parser(
        cli.as_typed("python -m train.prepare"),
        "Pack a data set's face crops and log-mel features for training. Run it again to go on after an interruption.",
    )
    parser.add_argument("set", choices=SETS, metavar="SET", help=f"one of {', '.join(SETS)} (your own videos)")
    parser.add_argument("root", metavar="ROOT", type=Path, help="folder that the set was unpacked into")
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="folder to write")
    parser.add_argument("--workers", metavar="N", type=int, default=os.cpu_count() or 1, help="processes; 1: this one")
    parser.add_argument("--size", metavar="PX", type=int, default=224, help="side of the face crops, px")
    parser.add_argument(
        "--sample-rate",
        metavar="HZ",
        default="native",
        help="rate of the sound, Hz; native: each file its own",
    )
    parser.add_argument("--quality", metavar="Q", type=int, default=95, help="JPEG quality of new crops, 1 to 100")
    parser.add_argument("--faces", metavar="FOLDER", default="", help="folder in ROOT with the face crops, where moved")
    parser.add_argument(
        "--labels",
        metavar="A,B,...",
        default="",
        help="classes of your own videos, in order; all that occur if not given",
    )
    return cli.run(parser, _prepare, argv)


def _prepare(arguments: argparse.Namespace) -> int:
    if arguments.workers < 1:
        raise ValueError(f"--workers must be 1 or more, got {arguments.workers}")
    labels = [label for label in arguments.labels.split(",") if label.strip()]
    listing = list_clips(arguments.set, arguments.root, arguments.faces, labels)
    if not listing.clips:
        raise ValueError(f"no clip of {arguments.root} can be used: {_first_reasons(listing.findings)}")
    settings = PreparedSettings(
        name=arguments.set,
        labels=listing.labels,
        image_size=arguments.size,
        sample_rate=_sample_rate(arguments.sample_rate),
        quality=arguments.quality,
        level_eyes=listing.level_eyes,
        uncounted_frames=listing.uncounted_frames,
    )
    job = Job(arguments.root.absolute(), arguments.out.absolute(), settings, listing.unpadded_frames)
    with _alone(job.folder):
        report = prepare(job, listing, arguments.workers)
    encoding = sys.stdout.encoding or "utf-8"
    print(report.encode(encoding, ENCODABLE).decode(encoding))
    return 0


def _sample_rate(text: str) -> int:
    if text == "native":
        return 0
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"--sample-rate must be native or a number of Hz, got {text!r}")
    return int(text)


def prepare(job: Job, listing: Listing, workers: int) -> str:
    """Write the set of ``job``, or what is missing of it, and return the report as text.

    Raises OSError or ValueError in one sentence where it cannot be written, or no clip can be used.
    """
    start_set(job.folder, job.settings)
    (job.folder / RECORDS).mkdir(exist_ok=True)
    clips = sorted(listing.clips, key=lambda clip: natural(clip.clip_id))
    write_manifest(clips, job.folder / MANIFEST)
    work = shards([Task(clip, listing.frame_counts.get(clip.clip_id)) for clip in clips])
    records = _records(job, work, len(clips), workers)
    findings = [finding for record in records for finding in record.findings]
    if not any(record.entries for record in records):
        raise ValueError(f"none of the {len(clips)} clips can be used: {_first_reasons(findings)}")
    _remove_others(job.folder, len(work))
    known = {clip.clip_id: clip for clip in clips}
    write_index(job.folder, (_up_to_date(entry, known) for record in records for entry in record.entries))
    report = make_report(listing, PreparedSet(job.folder), findings)
    write_atomically(job.folder / REPORT, (to_json(report, indent=1) + "\n").encode())
    return report_text(report)


def _up_to_date(entry: dict[str, Any], known: dict[str, Clip]) -> dict[str, Any]:
    """Return an index entry with label, splits and speaker as the lists have them now."""
    clip = known[entry["clip"]["clip_id"]]
    return {**entry, "clip": {**entry["clip"], "label": clip.label, "splits": clip.splits, "speaker": clip.speaker}}


def _records(job: Job, work: list[Shard], clips: int, workers: int) -> list[Record]:
    records = {shard.number: record for shard in work if (record := finished(job, shard)) is not None}
    missing = [shard for shard in work if shard.number not in records]
    if missing:
        # While shards change, the old index does not fit them.
        (job.folder / INDEX).unlink(missing_ok=True)
    with tqdm(desc=job.settings.name, unit="clip", total=clips) as bar:
        bar.update(sum(len(shard.tasks) for shard in work if shard.number in records))
        for shard, record in make_shards(job, missing, workers):
            records[shard.number] = record
            bar.update(len(shard.tasks))
    return [records[shard.number] for shard in work]


def _first_reasons(findings: Sequence[Finding]) -> str:
    reasons = [f"{shown(f.clip_id)}: {f.kind} ({printable(f.detail)})" for f in findings if f.left_out]
    return "; ".join(reasons[:3]) + (" ..." if len(reasons) > 3 else "")


def _remove_others(folder: Path, count: int) -> None:
    """Remove shards that the set no longer has."""
    keep = {path for k in range(count) for path in _shard_files(folder, k)}
    for part in (JPEGS, MELS, RECORDS):
        for path in (folder / part).iterdir():
            if path not in keep:
                path.unlink()


def _shard_files(folder: Path, number: int) -> tuple[Path, ...]:
    return (*(shard_path(folder, kind, number) for kind in (JPEGS, MELS)), record_path(folder, number))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs out of ``folder``; the system lifts the lock when this process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"another train.prepare is at work in {folder}; wait until it has ended") from error
        yield


if __name__ == "__main__":
    sys.exit(main())
