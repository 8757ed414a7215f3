"""Which frames of a clip, and which stretch of its sound, the model sees: in training, at test time, in each order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmadfer.config import InputSpec, MelSpec
from mmadfer.data.prepared import PreparedClip
from mmadfer.preprocess import frame_indices

ORDERS = ("text", "natural")
WHOLE, FIRST, SECOND = "whole", "first", "second"
VIEWS = (WHOLE, FIRST, SECOND)


@dataclass(frozen=True)
class Sampling:
    """How a clip is sampled; the defaults are the published rules, quirks included (paper, section 4.1)."""

    train: bool
    """Draw frames at random, else the test-time rule."""
    order: str = "text"
    """"text": frames in the order in which their distributed file names sort as text, and only as many as the set's
    lists count (MAFW: one fewer); or "natural": all of them, as filmed."""
    tail: bool = False
    """Let the last n % 16 frames be drawn too."""
    span: bool = False
    """Frames and sound of the same span, as long as the log-mel; else frames of the whole clip, sound of its start."""
    view: str = WHOLE
    """At test time, "first" or "second" of the two clips of the 2-clip protocol; else "whole"."""

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"the order of frames must be one of {', '.join(ORDERS)}; got {self.order!r}")
        if self.view not in VIEWS:
            raise ValueError(f"the view of a clip must be one of {', '.join(VIEWS)}; got {self.view!r}")
        if self.train and self.view != WHOLE:
            raise ValueError(f"the two clips of the 2-clip protocol are for test time, got {self.view!r} in training")
        if self.span and self.order != "natural":
            raise ValueError(
                "a span of a clip is a stretch of time, so its frames must be in natural order; "
                f"got the order {self.order!r}: set it to natural, or span to false"
            )


@dataclass(frozen=True)
class Picked:
    """What `pick` chose of a clip."""

    positions: tuple[int, ...]
    """Frames, in the order in which the model gets them."""
    first_column: int = 0
    """Of the log-mel."""


def train_indices(n: int, rng: np.random.Generator, count: int = 16, tail: bool = False) -> list[int]:
    """Return ``count`` frames drawn from a clip with ``n`` frames: one from each of ``count`` parts of equal length.

    The parts are n // count long, so that the last n % count frames are never drawn; with ``tail`` they share the whole
    clip as evenly as whole frames allow. Shorter clips are sampled as at test time.
    Raises ValueError where there is no frame or none is asked for.
    """
    if n < count or count < 1:
        return frame_indices(n, count)
    ends = np.arange(count + 1) * n // count if tail else np.arange(count + 1) * (n // count)
    return rng.integers(ends[:-1], ends[1:]).tolist()


def two_clip_indices(n: int, count: int = 16) -> tuple[list[int], list[int]]:
    """Return the frames of the two clips of the 2-clip protocol, both spread over the whole of ``n`` frames.

    They lie a quarter and three quarters into each of the ``count`` equal parts in whose middle the one clip of the
    usual protocol lies. Clips of up to ``count`` frames give those twice. Raises ValueError as `frame_indices` does.
    """
    if n <= count:
        return frame_indices(n, count), frame_indices(n, count)
    first, second = ([int((4 * k + quarter) * n / (4 * count)) for k in range(count)] for quarter in (1, 3))
    return first, second


def pick(
    sampling: Sampling, clip: PreparedClip, spec: InputSpec, rng: np.random.Generator, listed: Sequence[int]
) -> Picked:
    """Return which frames of ``clip``, which has some, and the sound from where on, are taken by ``sampling``.

    Args: spec: says how many frames and log-mel columns the model takes; rng: drawn from in training alone; listed:
    of `listed_frames`, used for the order "text" alone.
    """
    start, length, column = 0, len(listed) if sampling.order == "text" else clip.num_frames, 0
    if sampling.span:
        start, length, column = _span(sampling, clip, spec.mel, rng)
    if sampling.train:
        indices = train_indices(length, rng, spec.num_frames, sampling.tail)
    elif sampling.view == WHOLE:
        indices = frame_indices(length, spec.num_frames)
    else:
        indices = two_clip_indices(length, spec.num_frames)[sampling.view == SECOND]
    if sampling.order == "text":
        return Picked(tuple(listed[k] for k in indices), column)
    return Picked(tuple(start + k for k in indices), column)


def listed_frames(text_order: Sequence[int], uncounted: int) -> Sequence[int]:
    """Return the natural positions that the set's lists count, in ``text_order``; the first one counts always."""
    return text_order[: max(1, len(text_order) - uncounted)]


def _span(sampling: Sampling, clip: PreparedClip, mel: MelSpec, rng: np.random.Generator) -> tuple[int, int, int]:
    """Return the first frame, the number of frames and the first log-mel column of the span that is taken.

    In training it lies anywhere in the clip; at test time in the middle, at the start or at the end, by the view.
    """
    fps = clip.fps
    if fps <= 0 and clip.mel_frames:  # not known: the frames are spread over the sound
        fps = clip.num_frames / mel_seconds(clip.mel_frames, mel)
    length = max(1, int(mel_seconds(mel.frames, mel) * fps)) if fps > 0 else clip.num_frames
    room = clip.num_frames - length
    if room <= 0:
        return 0, clip.num_frames, 0
    start = int(rng.integers(room + 1)) if sampling.train else {WHOLE: room // 2, FIRST: 0, SECOND: room}[sampling.view]
    return start, length, round(start / fps / mel.frame_shift)


def mel_seconds(columns: int, mel: MelSpec) -> float:
    """Return how much sound ``columns`` log-mel columns are made of, s: 5.135 for the 512 that the model takes."""
    return (columns - 1) * mel.frame_shift + mel.frame_length
