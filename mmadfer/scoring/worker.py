"""One worker of a scoring run: a recogniser that answers one clip after another."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmadfer import cli
from mmadfer.files.names import original
from mmadfer.files.told import warnings_about
from mmadfer.files.trouble import FILE_TROUBLE, file_sentence
from mmadfer.outputs.schema import answer_row, failed_row
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.scoring.cores import claim_cores
from mmadfer.scoring.parts import encoded
from mmadfer.stream.hops import check_hop

_log = logging.getLogger(__name__)

_TRIES = 2
"""Of a clip whose worker dies: it may have been the victim of another, but must not end worker upon worker."""


@dataclass(frozen=True)
class Job:
    """What every worker of a run shares; arguments of `EmotionRecognizer.from_pretrained`, and how clips are played."""

    weights: str | None
    backend: str
    device: str
    precision: str
    hop: float | None
    """s; None: the weights' own."""
    voice_activity: bool = True
    """As of `EmotionRecognizer.stream`."""
    cores: int = 0
    """Of one worker, which share the machine's; 0: all there are."""
    run: str = ""
    """Tells one run from the others."""

    def __post_init__(self) -> None:
        if self.hop is not None:
            check_hop(self.hop)


class ScoreWorker:
    """Scores clips; the class that each actor of the pool is made of."""

    def __init__(self, job: Job) -> None:
        """Load the recogniser of ``job``. Where that fails, every clip is answered with the reason."""
        self._job = job
        self._cores = claim_cores(job.cores, job.run)
        if job.cores:
            torch.set_num_threads(job.cores)
        self._useless = ""
        try:
            self._recognizer = EmotionRecognizer.from_pretrained(job.weights, job.backend, job.device, job.precision)
            self._recognizer.warmup()
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            # Raised here, it would be tried again and again, and reach the user as a page of Ray's own words.
            self._useless = cli.sentence(error)

    def __call__(self, clip: Mapping[str, Any]) -> dict[str, Any]:
        """Score one clip: {"name": as `names.shown` gives it, "path": to open, also as bytes, "key": of its part}.

        Returns {"key", "part": Parquet bytes, "failed", "video_s": seconds scored, "busy_s": seconds it took,
        "notes": what is odd about the clip, a line each, "useless": why this worker can score nothing at all, else ""}.
        """
        if self._useless:
            return {"key": clip["key"], "part": b"", "failed": True, "video_s": 0.0, "busy_s": 0.0,
                    "notes": "", "useless": self._useless}  # fmt: skip
        start, name, path = time.perf_counter(), str(clip["name"]), os.fsdecode(clip["path"])
        recognizer, seconds, failed, notes = self._recognizer, 0.0, False, list[str]()
        tries = Path(tempfile.gettempdir()) / f"mmadfer-{self._job.run}-{clip['key']}"
        try:
            _count_try(tries)
            with warnings_about(path, original(name), notes.append):
                predictions = recognizer.predict_file(path, self._job.hop, voice_activity=self._job.voice_activity)
            rows = [answer_row(name, prediction, recognizer.info) for prediction in predictions]
            seconds = predictions[-1].time
        except FILE_TROUBLE as error:  # one clip's trouble is a row, not the end
            _log.debug("scoring %s", name, exc_info=True)
            rows = [failed_row(name, file_sentence(error, path, original(name)), recognizer.info)]
            failed = True
        tries.unlink(missing_ok=True)
        part = encoded(rows, recognizer.spec.labels, recognizer.describe())
        busy = time.perf_counter() - start
        return {"key": clip["key"], "part": part, "failed": failed, "video_s": seconds, "busy_s": busy,
                "notes": "\n".join(notes), "useless": ""}  # fmt: skip


def _count_try(tries: Path) -> None:
    """Add to the tries noted in a file, which outlives this process. Raises ValueError where they are used up."""
    with contextlib.suppress(OSError), open(tries, "ab") as file:  # a full disk for notes is no fault of the clip's
        if file.tell() >= _TRIES:
            raise ValueError(f"its worker died {_TRIES} times: it crashes the decoder, or memory is too short for it")
        file.write(b".")
