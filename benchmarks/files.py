"""Made files of every kind, read by the library: right, told in words, or wrong: `python -m benchmarks.files`.

"Right": the pictures that the maker put in, in order, upright and at their times, and the sound where it was put.
"Told": one sentence (ValueError or OSError) that names the file, or a warning. "Wrong" is anything else.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.support.file_cases import Case, Holds, cases, sources
from benchmarks.support.made_files import number_of, onsets_of
from mmadfer.files.names import shown
from mmadfer.media.media_file import MediaFile, open_media

SLACK = 0.06
"""Times may differ by this, s: encoders begin up to 50 ms before the sound, and containers round."""
LONGEST = 60.0
"""A file that takes longer than this, s, is wrong."""


@dataclass(frozen=True)
class Verdict:
    """What became of one file."""

    kind: str
    name: str
    verdict: str
    """"right", "told" or "wrong"; "not made" where the encoder is not there."""
    words: str


class _Warnings(logging.Handler):
    """Keeps what the library warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def judge(case: Case, path: Path) -> Verdict:
    """Read the made file ``path`` of ``case`` and say what became of it."""
    handler, start = _Warnings(), time.monotonic()
    logger = logging.getLogger("mmadfer")
    logger.addHandler(handler)
    try:
        faults = _differences(open_media(path), case.holds or Holds())
    except (OSError, ValueError) as error:
        sentence = str(error)
        named = path.name in sentence or shown(path.name) in sentence
        good = case.holds is None and named and "\n" not in sentence.replace(path.name, "")
        return Verdict(case.kind, case.name, "told" if good else "wrong", sentence)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return Verdict(case.kind, case.name, "wrong", f"{type(error).__name__}: {error}")
    finally:
        logger.removeHandler(handler)
    told = "; ".join(handler.messages)
    if time.monotonic() - start > LONGEST:
        return Verdict(case.kind, case.name, "wrong", f"it took {time.monotonic() - start:.0f} s")
    if case.holds is None:
        return Verdict(case.kind, case.name, "told" if told else "wrong", told or "read without a word")
    return Verdict(case.kind, case.name, "wrong" if faults else "right", "; ".join(faults) or told)


def _differences(file: MediaFile, holds: Holds) -> list[str]:
    """Return how what is read of ``file`` differs from what it holds; empty where it does not."""
    times, numbers, shapes = [], [], set()
    for moment, rgb in file.frames():
        times.append(moment)
        numbers.append(number_of(rgb))
        shapes.add(rgb.shape[:2])
    faults = []
    if tuple(numbers) != holds.numbers and (holds.numbers != (-1,) or len(numbers) != 1):
        faults.append(f"pictures {numbers[:5]}.. ({len(numbers)}), not {holds.numbers[:5]}.. ({len(holds.numbers)})")
    elif times:
        expected = holds.start + np.arange(len(times)) / holds.fps
        off = float(np.abs(np.array(times) - expected).max())
        if off > SLACK:
            faults.append(f"pictures up to {off:.3f} s off")
    if holds.shape and shapes != {holds.shape}:
        faults.append(f"pictures of {shapes}, not {holds.shape}")
    return faults + _sound_differences(file, holds.onsets)


def _sound_differences(file: MediaFile, expected: tuple[float, ...]) -> list[str]:
    sound = file.read_span() if file.has_audio else None
    if sound is None:
        return ["no sound"] if expected else []
    onsets = onsets_of(sound, file.sample_rate)
    if len(onsets) != len(expected):
        return [f"sound gets loud at {onsets}, not {expected}"]
    off = max((abs(a - b) for a, b in zip(onsets, expected, strict=True)), default=0.0)
    return [f"sound up to {off:.3f} s off"] if off > SLACK else []


def run(kinds: Iterable[str] | None = None, every: int = 1) -> list[Verdict]:
    """Make and judge the files. Args: kinds: only these. every: only each n-th of a kind."""
    found: list[Verdict] = []
    counts = Counter[str]()
    with tempfile.TemporaryDirectory(prefix="mmadfer-files-") as temporary:
        folder = Path(temporary)
        sources(folder)
        for case in cases(folder):
            counts[case.kind] += 1
            if (kinds is not None and case.kind not in kinds) or (counts[case.kind] - 1) % every:
                continue
            place = folder / f"{len(found):03d}"
            place.mkdir()
            path = place / case.name
            try:
                case.make(path)
            except (subprocess.CalledProcessError, OSError, KeyError) as error:
                reason = getattr(error, "stderr", b"") or str(error).encode()
                found.append(Verdict(case.kind, case.name, "not made", reason.decode(errors="replace").strip()[-200:]))
            else:
                found.append(judge(case, path))
    return found


def main() -> int:
    """Print the table; returns 1 where a file was read wrongly."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every verdict to this file")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th file of a kind (default: 1)")
    arguments = parser.parse_args()
    found = run(every=arguments.every)
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for verdict in found:
        table[verdict.kind][verdict.verdict] += 1
        if verdict.verdict in ("wrong", "not made"):
            print(f"{verdict.verdict}: {verdict.kind}, {shown(verdict.name)}: {verdict.words}")
    columns = ("right", "told", "wrong", "not made")
    print(f"{'':28}" + "".join(f"{name:>10}" for name in columns))
    for kind, counts in table.items():
        print(f"{kind:28}" + "".join(f"{counts[name]:10}" for name in columns))
    total = Counter(verdict.verdict for verdict in found)
    print(f"{'all':28}" + "".join(f"{total[name]:10}" for name in columns))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(verdict) for verdict in found], indent=1), encoding="utf-8")
    return 1 if total["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
