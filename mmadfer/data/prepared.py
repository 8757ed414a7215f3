"""A prepared data set: face crops as JPEG bytes, and log-mel features, both ready to be read at random."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmadfer.config import MelSpec
from mmadfer.data.manifest import Clip
from mmadfer.files.json_text import json_lines, to_json

FORMAT = "mmadfer-prepared-1"
"""Version of the folder's layout; a reader refuses one that it does not know."""
SETTINGS, INDEX, MANIFEST, REPORT = "settings.json", "index.jsonl", "manifest.jsonl", "report.json"
JPEGS, MELS = "shards", "mels"
_MEL_TYPE = np.dtype("<f2")


@dataclass(frozen=True)
class PreparedSettings:
    """How a set was prepared; all clips of one folder share it."""

    name: str
    """Of the data set."""
    labels: tuple[str, ...]
    """Class names in the order of the class indices."""
    image_size: int = 224
    """Side of the square face crops, px."""
    sample_rate: int = 0
    """Rate that all sound was resampled to before the log-mel, Hz; 0 where each file kept its own."""
    quality: int = 95
    """JPEG quality of crops that had to be made or resized."""
    level_eyes: bool = True
    """Whether the crops are turned until the eyes are level."""
    mel: MelSpec = field(default_factory=MelSpec)
    uncounted_frames: int = 0
    """Crops of each clip, the last by the text of their names, that the set's own lists do not count (MAFW: 1)."""

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"a set needs labels that differ from each other, got {self.labels}")
        if self.image_size < 1 or not 1 <= self.quality <= 100:
            raise ValueError(
                f"the size must be 1 px or more, the JPEG quality 1 to 100, got {self.image_size} and {self.quality}"
            )
        if self.uncounted_frames < 0:
            raise ValueError(f"uncounted_frames must be 0 or more, got {self.uncounted_frames}")
        if self.sample_rate != 0 and self.sample_rate < 8000:
            raise ValueError(
                f"the sample rate must be 8000 Hz or more, or 0 for each file's own; got {self.sample_rate}"
            )

    def to_json(self) -> str:
        """Return the settings as JSON text."""
        return to_json({"format": FORMAT, **dataclasses.asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> PreparedSettings:
        """Return the settings written by `to_json`. Raises ValueError where the text holds none."""
        try:
            values: dict[str, Any] = json.loads(text)
            form = values.pop("format", "not given")
            if form != FORMAT:
                raise ValueError(f"its format is {form}, expected {FORMAT}; prepare the set again")
            values["labels"], values["mel"] = tuple(values["labels"]), MelSpec(**values["mel"])
            return cls(**values)
        except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"its settings cannot be read ({error})") from error


@dataclass(frozen=True)
class PreparedClip:
    """What is known of one clip of a prepared set."""

    clip_id: str
    label: str
    splits: dict[str, str]
    """Name of a fold -> "train", "validation" or "test"."""
    num_frames: int
    """Face crops."""
    fps: float
    """Pictures per second; 0 where it is not known."""
    mel_frames: int
    """Columns of the log-mel; 0 without sound."""
    sample_rate: int
    """Of the clip's own sound, Hz; 0 without sound."""
    video: str = ""
    """Path relative to the data set's root; empty where there is none."""
    speaker: str = ""
    start: float = 0.0
    """Where the clip starts in its video, s."""
    end: float | None = None
    """Where it ends, s; None for the video's end."""

    @property
    def has_sound(self) -> bool:
        """Whether there is any log-mel column."""
        return self.mel_frames > 0


@dataclass(frozen=True)
class Place:
    """Where a clip's data lie in the shards."""

    shard: int
    offset: int
    """Of the first JPEG, bytes."""
    lengths: np.ndarray
    """Bytes of each JPEG, in natural order; they follow each other."""
    mel_offset: int
    """Bytes."""
    text_order: tuple[int, ...] = ()
    """See `PreparedSet.text_order`; empty for the natural order."""


def index_entry(clip: Clip, fps: float, mel_frames: int, sample_rate: int, place: Place) -> dict[str, Any]:
    """Return the index line of a packed clip; `read_entry` reads it. Arguments as of PreparedClip."""
    known = PreparedClip(
        clip_id=clip.clip_id,
        label=clip.label,
        splits=clip.splits,
        num_frames=len(place.lengths),
        fps=fps,
        mel_frames=mel_frames,
        sample_rate=sample_rate,
        video=clip.video,
        speaker=clip.speaker,
        start=clip.start,
        end=clip.end,
    )
    where = {**vars(place), "lengths": place.lengths.tolist(), "text_order": list(place.text_order)}
    return {"clip": dataclasses.asdict(known), "place": where}


def read_entry(entry: dict[str, Any]) -> tuple[PreparedClip, Place]:
    """Return what `index_entry` wrote."""
    where = entry["place"]
    lengths = np.array(where["lengths"], dtype=np.int64)
    place = Place(where["shard"], where["offset"], lengths, where["mel_offset"], tuple(where["text_order"]))
    return PreparedClip(**entry["clip"]), place


def shard_path(folder: Path, kind: str, number: int) -> Path:
    """Return the file of shard ``number``; ``kind`` is `JPEGS` or `MELS`."""
    return folder / kind / f"{number:05d}.bin"


class PreparedSet:
    """A folder that `python -m train.prepare` made. It keeps no file open, so any process or thread may read it."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Read the index. Raises OSError or ValueError in one sentence where the folder is no finished prepared set."""
        self.folder = Path(folder)
        if not (self.folder / SETTINGS).is_file():
            raise FileNotFoundError(f"{folder} is no prepared set: it has no {SETTINGS}; make one with train.prepare")
        if not (self.folder / INDEX).is_file():
            raise FileNotFoundError(f"{folder} is not finished: it has no {INDEX}; run train.prepare again to go on")
        try:
            self.settings = PreparedSettings.from_json((self.folder / SETTINGS).read_text(encoding="utf-8"))
            lines = json_lines((self.folder / INDEX).read_text(encoding="utf-8"))
            entries = [read_entry(json.loads(line)) for line in lines]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder} cannot be read as a prepared set: {error}") from error
        self.clips = [clip for clip, _ in entries]
        self._places = [place for _, place in entries]
        self._label_indices = {label: index for index, label in enumerate(self.labels)}

    @property
    def name(self) -> str:
        """Of the data set, such as "dfew"."""
        return self.settings.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the class indices."""
        return self.settings.labels

    @property
    def image_size(self) -> int:
        """Side of the square face crops, px."""
        return self.settings.image_size

    @property
    def uncounted_frames(self) -> int:
        """Crops of each clip that the set's own lists do not count."""
        return self.settings.uncounted_frames

    @property
    def sample_rate(self) -> int:
        """Rate that the log-mel was computed at, Hz; 0 where that is each clip's own."""
        return self.settings.sample_rate

    @property
    def mel(self) -> MelSpec:
        """Settings of the log-mel."""
        return self.settings.mel

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds that any clip has a part in; numbers in their order."""
        names = {fold for clip in self.clips for fold in clip.splits}
        return tuple(sorted(names, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name)))

    def indices(self, fold: str, part: str) -> list[int]:
        """Return the clips of ``part`` ("train", "validation" or "test") in ``fold``, as indices into `clips`.

        Raises ValueError where there is no such fold.
        """
        if fold not in self.folds:
            raise ValueError(f"{self.name} has no fold {fold!r}; it has {', '.join(self.folds) or 'none'}")
        return [index for index, clip in enumerate(self.clips) if clip.splits.get(fold) == part]

    def label_index(self, i: int) -> int:
        """Return the class index of clip ``i``."""
        return self._label_indices[self.clips[i].label]

    def jpegs(self, i: int, positions: Sequence[int]) -> list[bytes]:
        """Return the face crops at ``positions`` of clip ``i``, in natural order from 0 on, as JPEG bytes.

        Raises OSError where the shard cannot be read, IndexError where there is no such position.
        """
        place = self._places[i]
        ends = np.cumsum(place.lengths)
        path = shard_path(self.folder, JPEGS, place.shard)
        with open(path, "rb", buffering=0) as file:
            pieces = [
                os.pread(file.fileno(), int(place.lengths[k]), place.offset + int(ends[k] - place.lengths[k]))
                for k in positions
            ]
        if any(len(piece) != place.lengths[k] for piece, k in zip(pieces, positions, strict=True)):
            raise ValueError(f"{path} is cut short; delete the prepared set and make it again")
        return pieces

    def text_order(self, i: int) -> list[int]:
        """Return the natural positions of clip ``i`` in the order in which its distributed file names sort as text.

        MAFW's frames are named 0.jpg, 1.jpg, ... 10.jpg, which sorts as 0, 1, 10, ...; padded names keep their order.
        """
        return list(self._places[i].text_order) or list(range(self.clips[i].num_frames))

    def log_mel(self, i: int) -> np.ndarray:
        """Return the normalised log-mel of the whole sound of clip ``i``: `(n, bins)` float16; n is 0 without sound.

        Raises OSError where the shard cannot be read.
        """
        shape = (self.clips[i].mel_frames, self.mel.bins)
        size = shape[0] * shape[1] * _MEL_TYPE.itemsize
        path = shard_path(self.folder, MELS, self._places[i].shard)
        with open(path, "rb", buffering=0) as file:
            data = os.pread(file.fileno(), size, self._places[i].mel_offset)
        if len(data) != size:
            raise ValueError(f"{path} is cut short; delete the prepared set and make it again")
        return np.frombuffer(data, dtype=_MEL_TYPE).reshape(shape)


def mel_bytes(columns: np.ndarray) -> bytes:
    """Return normalised log-mel columns `(n, bins)` as `PreparedSet.log_mel` reads them."""
    return columns.astype(_MEL_TYPE).tobytes()
