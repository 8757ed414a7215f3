"""The live protocol: whole videos through the window, the face detector and the streaming step of the app."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmadfer.config import InputSpec
from mmadfer.data.prepared import PreparedClip
from mmadfer.postprocess import trusted
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.types import Prediction, State

from .classes import ClassMap

_log = logging.getLogger(__name__)
_SLACK = 1e-6
"""Times that should be equal differ by rounding, s."""
_NAMED = 5


@dataclass
class LiveAnswers:
    """What the app would have said about each clip, and what stood in its way."""

    probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    """Clip id -> `(C,)`; those that cannot be read are not there."""
    windows: dict[str, int] = field(default_factory=dict)
    """Clip id -> windows whose probabilities were averaged."""
    latencies: list[float] = field(default_factory=list)
    """Of every window, ms."""
    never_shown: list[str] = field(default_factory=list)
    """Clips of which the app would have shown no label at all; scored by their last window."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Clip id -> what is wrong with its video."""


def video_paths(clips: Sequence[PreparedClip], root: str) -> list[Path]:
    """Return the video of each clip. Raises ValueError or FileNotFoundError naming the clips that have none."""
    without = [clip.clip_id for clip in clips if not clip.video]
    if without:
        raise ValueError(f"{_some(without)} of {len(clips)} clips have no video, which the live protocol plays")
    paths = [Path(root) / clip.video for clip in clips]
    missing = [clip.video for clip, path in zip(clips, paths, strict=True) if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{_some(missing)} of {len(clips)} videos are not in {root}; give the data set's own folder as --root"
        )
    return paths


def play(
    recognizer: EmotionRecognizer,
    clips: Iterable[tuple[PreparedClip, Path]],
    classes: ClassMap,
    hop: float | None,
    exact: bool,
    progress: Callable[[int], None],
) -> LiveAnswers:
    """Return the answers to ``clips``; a video that cannot be read is noted and left out.

    Args: hop: seconds between windows, the app's where None; exact: compute every window anew instead of by the
    streaming step; progress: called with 1 after each clip.
    """
    answers = LiveAnswers()
    for clip, path in clips:
        shown = WindowMean(clip, recognizer.spec)
        try:
            with recognizer.stream(path, exact=exact, hop=hop) as predictions:
                for prediction in predictions:
                    if prediction.time > shown.end:
                        break
                    shown.push(prediction)
                    answers.latencies.append(prediction.latency_ms)
            answers.probabilities[clip.clip_id] = np.mean([classes.probabilities(p) for p in shown.counted()], axis=0)
        except (OSError, ValueError) as error:
            answers.unreadable[clip.clip_id] = str(error)
            _log.warning("%s is left out: %s", clip.clip_id, error)
        else:
            answers.windows[clip.clip_id] = len(shown.counted())
            if shown.never_shown:
                answers.never_shown.append(clip.clip_id)
        progress(1)
    return answers


class WindowMean:
    """Which windows of one clip make its answer.

    They are those that lie wholly in the clip and whose label the app would show: the face, or whatever else the
    weights cannot do without, is there. Of a clip that is shorter than the window, or has no such window, it is the
    last one that would be shown at all; and where there is none of those either, the last one.
    """

    def __init__(self, clip: PreparedClip, spec: InputSpec) -> None:
        """Args: clip: its start and end count; spec: of the weights."""
        self._start, self._spec = clip.start, spec
        self.end = (np.inf if clip.end is None else clip.end) + _SLACK
        """Windows that end later do not count, s."""
        self._full: list[dict[str, float]] = []
        self._last_shown: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def push(self, prediction: Prediction) -> None:
        """Take the next window's answer."""
        if prediction.time <= self._start:
            return
        self._last = prediction.probabilities
        # Untrained weights are played too: what counts here is what the window holds.
        if not trusted([state for state in prediction.states if state is not State.UNTRAINED], self._spec):
            return
        self._last_shown = prediction.probabilities
        begins = prediction.time - self._spec.window_seconds
        inside = self._start == 0 or begins >= self._start - _SLACK
        if inside and State.WINDOW_FILLING not in prediction.states:
            self._full.append(prediction.probabilities)

    @property
    def never_shown(self) -> bool:
        """Whether the app would have shown no label at any time."""
        return not self._last_shown

    def counted(self) -> list[dict[str, float]]:
        """Return the probabilities to average. Raises ValueError where there was no window at all."""
        if not self._last:
            raise ValueError("the video holds neither a picture nor sound in the clip's span")
        return self._full or [self._last_shown or self._last]


def _some(names: Sequence[str]) -> str:
    more = f", ... ({len(names)}" if len(names) > _NAMED else f" ({len(names)}"
    return ", ".join(names[:_NAMED]) + more + ")"
