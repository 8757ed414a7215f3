"""What tests of recordings share: their sound, and how far it is from where it should be."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import av
import numpy as np


def decoded_sound(path: Path | str, rate: int) -> np.ndarray:
    """Return the first channel of a file's sound at ``rate`` Hz, from the file's own 0 s on."""
    resampler, pieces, begin = av.AudioResampler("fltp", "mono", rate), [np.zeros(0, np.float32)], None
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            begin = float(frame.time) if begin is None else begin
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
        pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    return np.concatenate([np.zeros(round(max(0.0, begin or 0.0) * rate), np.float32), *pieces])


def best_shift(heard: np.ndarray, played: np.ndarray, rate: int) -> float:
    """Return by how much ``heard`` is later than ``played``, s."""
    size = 1 << int(np.ceil(np.log2(len(heard) + len(played))))
    products = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(played, size)), size)
    best = int(np.argmax(products))
    return (best if best < size // 2 else best - size) / rate


def table(held: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    """Return the rows of a table in a recording."""
    return list(csv.DictReader(io.StringIO(held.read(name).decode(), newline="")))
