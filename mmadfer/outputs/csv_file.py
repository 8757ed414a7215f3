"""Predictions as CSV, and the place that it is written to."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from mmadfer.files.names import ENCODABLE, shown
from mmadfer.media.suffixes import is_media
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.types import Prediction

_NO_TABLES = (".parquet", ".safetensors", ".pth", ".pt", ".onnx")


def check_place(path: str | None, inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raise ValueError or OSError in one sentence where no CSV should or can be written to ``path``.

    Args: path: None: standard output; inputs: files that are read, which must not be overwritten, by whatever name.
    """
    if path is None:
        out: TextIO | None = sys.stdout
        if out is None:  # as a shell's >&- makes it
            raise OSError("standard output is closed; name a file with --csv")
        return
    place = Path(path)
    if not path:
        raise ValueError('--csv got an empty name; name a file to write (is a variable empty, as in "$OUT"?)')
    if place.is_dir():
        raise ValueError(f"--csv {shown(path)} is a folder; name a file to write")
    if not place.parent.is_dir():
        raise FileNotFoundError(f"--csv: there is no folder {shown(place.parent)}; make it, or name another place")
    if any(_same(path, name) for name in inputs):
        raise ValueError(f"--csv {shown(path)} would overwrite the clip of that name; name another file")
    if place.is_file() and (is_media(place) or place.suffix.lower() in _NO_TABLES):
        raise ValueError(f"--csv {shown(path)} would overwrite a file that is no table; name another file")
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise PermissionError(f"--csv {shown(path)} cannot be written (Permission denied); name another place")


def _same(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    with contextlib.suppress(OSError, ValueError):  # one of the two is not there
        return os.path.samefile(one, other)  # also through a link of either kind
    return False


@contextlib.contextmanager
def open_place(path: str | None, more: bool = False) -> Iterator[TextIO]:
    """Open ``path`` to write to, or standard output; with ``more`` after what is there."""
    if path is None:
        with _standard_output() as out:
            yield out
        return
    try:
        file = open(path, "a" if more else "w", newline="", encoding="utf-8", errors=ENCODABLE)  # noqa: SIM115 - below
    except OSError as error:
        raise OSError(f"--csv {shown(path)} cannot be written ({error.strerror}); name another place") from error
    try:
        yield file
    except BaseException:
        with contextlib.suppress(OSError):  # on a full disk closing fails, too; that was said
            file.close()
        raise
    file.close()


@contextlib.contextmanager
def _standard_output() -> Iterator[TextIO]:
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper):
        yield out
        return
    errors = out.errors
    out.reconfigure(errors=ENCODABLE)  # a terminal without Unicode should not end the run
    try:
        yield out
    except OSError:
        # What is still in the buffer would fail once more when the process ends, in Python's own words.
        with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), out.fileno())
        raise
    finally:
        out.reconfigure(errors=errors)


class CsvTable:
    """Predictions as CSV, flushed line by line. The label is left out where it may not be shown as one."""

    def __init__(self, out: TextIO, recognizer: EmotionRecognizer, place: str, heading: bool = True) -> None:
        """Write the ``heading`` to ``out``; class columns follow the recogniser's labels. ``place``: it, in words."""
        self._out, self._place = out, place
        self._weights = shown(recognizer.info.name) if recognizer.info.trained else "UNTRAINED"
        self._labels = recognizer.spec.labels
        self._writer = csv.writer(out, lineterminator="\n")
        box = ("face_x", "face_y", "face_width", "face_height")
        if heading:
            self._row("file", "time_s", "label", *self._labels, *box, "has_audio", "states", "latency_ms", "weights")

    def write(self, name: str, prediction: Prediction) -> None:
        """Write one line about the file that the user named ``name``. Raises OSError where there is no more room."""
        face = prediction.face
        box = (face.x, face.y, face.width, face.height) if face else ("", "", "", "")
        self._row(
            shown(name),
            f"{prediction.time:.3f}",
            prediction.label if prediction.trusted else "",
            *(f"{prediction.probabilities[label]:.4f}" for label in self._labels),
            *(f"{value:.1f}" if value != "" else "" for value in box),
            int(prediction.has_audio),
            "; ".join(prediction.states),
            f"{prediction.latency_ms:.0f}",
            self._weights,
        )

    def _row(self, *cells: object) -> None:
        try:
            self._writer.writerow(cells)
            self._out.flush()
        except BrokenPipeError as error:
            raise OSError(f"{self._place} was closed by its reader; the rest is not scored") from error
        except OSError as error:
            raise OSError(
                f"{self._place} cannot be written ({error.strerror}); make room or name another place with --csv. The "
                "lines before are kept"
            ) from error
