"""Writes a prepared set: shards of packed clips, each whole or not there, and the index over them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmadfer.config import MelSpec
from mmadfer.data.manifest import Clip
from mmadfer.data.prepared import (
    INDEX,
    JPEGS,
    MELS,
    SETTINGS,
    Place,
    PreparedSettings,
    index_entry,
    mel_bytes,
    shard_path,
)
from mmadfer.files.json_text import to_json
from mmadfer.files.whole import WholeFile, write_atomically
from mmadfer.preprocess import Waveform, spectrogram


@dataclass(frozen=True, eq=False)
class PackedClip:
    """A clip read from its files, ready to be written."""

    clip: Clip
    jpegs: Sequence[bytes]
    """Face crops in natural order."""
    log_mel: np.ndarray
    """`(n, bins)`, of `whole_log_mel`."""
    sample_rate: int = 0
    """Of the clip's own sound, Hz; 0 without sound."""
    fps: float = 0.0
    text_order: tuple[int, ...] = ()
    """Of `text_order`."""


def whole_log_mel(waveform: Waveform | None, sample_rate: int, mel: MelSpec | None = None) -> np.ndarray:
    """Return the normalised log-mel `(n, bins)` float32 of a whole sound, neither cut nor padded; n may be 0.

    Args: waveform: `(channels, samples)` or None. sample_rate: Hz. Raises ValueError as `preprocess.spectrogram` does.
    """
    mel = mel or MelSpec()
    samples = 0 if waveform is None else waveform.shape[-1]
    length, shift = mel.samples(mel.frame_length, sample_rate), mel.samples(mel.frame_shift, sample_rate)
    if waveform is None or samples < length:
        return np.zeros((0, mel.bins), dtype=np.float32)
    whole = dataclasses.replace(mel, frames=1 + (samples - length) // shift)
    return spectrogram(waveform, sample_rate, whole).numpy()


def text_order(names: Sequence[str]) -> tuple[int, ...]:
    """Return the positions of ``names``, given in natural order, as they sort as text; () where that is no change."""
    order = tuple(sorted(range(len(names)), key=names.__getitem__))
    return () if order == tuple(range(len(names))) else order


def start_set(folder: Path, settings: PreparedSettings) -> None:
    """Make ``folder`` with its settings, or see that it has the same ones, but for the labels, which no shard holds.

    Raises ValueError where it has others, OSError where it cannot be written.
    """
    path = folder / SETTINGS
    if path.is_file():
        try:
            found = PreparedSettings.from_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{folder} cannot be continued: {error}") from error
        ours, theirs = dataclasses.asdict(settings), dataclasses.asdict(found)
        other = [
            f"{key} {theirs[key]!r}, not {ours[key]!r}" for key in ours if key != "labels" and ours[key] != theirs[key]
        ]
        if other:
            raise ValueError(f"{folder} was prepared with {'; '.join(other)}; name another folder or delete this one")
    for part in (JPEGS, MELS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_atomically(path, settings.to_json().encode())


def write_shard(folder: Path, number: int, packed: Iterable[PackedClip]) -> list[dict[str, Any]]:
    """Write one shard from ``packed``, which is taken one by one, and return its index entries.

    Raises OSError where the disk is full; then neither of its files is there.
    """
    entries, offset, mel_offset = [], 0, 0
    with (
        WholeFile(shard_path(folder, JPEGS, number)) as pictures,
        WholeFile(shard_path(folder, MELS, number)) as sound,
    ):
        for item in packed:
            lengths = np.array([len(jpeg) for jpeg in item.jpegs], dtype=np.int64)
            place = Place(number, offset, lengths, mel_offset, item.text_order)
            entries.append(index_entry(item.clip, item.fps, len(item.log_mel), item.sample_rate, place))
            for jpeg in item.jpegs:
                pictures.write(jpeg)
            columns = mel_bytes(item.log_mel)
            sound.write(columns)
            offset, mel_offset = offset + int(lengths.sum()), mel_offset + len(columns)
        pictures.commit()
        sound.commit()
    return entries


def write_index(folder: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Write the index over all shards: from now on the folder can be read as a PreparedSet."""
    text = "".join(to_json(entry) + "\n" for entry in entries)
    write_atomically(folder / INDEX, text.encode())
