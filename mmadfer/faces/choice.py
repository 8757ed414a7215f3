"""Which of several faces is read: the one that was, until somebody chooses another or it has gone for good."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from mmadfer.config import InputSpec
from mmadfer.faces.detector import FaceDetector
from mmadfer.faces.identities import Identities, KnownFace
from mmadfer.faces.tracker import FaceTracker, TrackedFace, TrackerSpec, distance
from mmadfer.types import Box


@dataclass(frozen=True)
class ChoiceSpec:
    """How long the face that is read is waited for."""

    offer: float = 3.0
    """Time for which it has to be lost before another is offered, s."""
    other_after: float = 8.0
    """Time after which the only face in view is read instead, where the two were seen together, s."""
    stranger_after: float = 1.0
    """The same where they never were: somebody else sits down, or the film cuts, s."""


class FaceNews(str, Enum):
    """What has just happened to the face that is read."""

    CHOSEN = "chosen"
    """Somebody has chosen another."""
    TAKEN = "taken"
    """It had gone for good, and the only other face in view is read from now on."""
    GONE = "gone"
    """Somebody has chosen a face that is not in view any more: nothing changes."""


class ChoosingTracker(FaceTracker):
    """Follows the face that was read before, the largest at first, and reads another one only where that is told.

    Where one face alone is in view it does as `FaceTracker`. With others in view the face is known by its identity;
    while it is lost nobody takes its place. After `ChoiceSpec.offer` seconds another is offered (`offers`), for
    somebody to choose. Nobody has to: the only face that is left is taken up after a while. With each change
    `restarts` grows, and `news` says why.
    """

    def __init__(
        self,
        spec: InputSpec,
        detector: FaceDetector | None = None,
        settings: TrackerSpec | None = None,
        identities: Identities | None = None,
        choice: ChoiceSpec | None = None,
    ) -> None:
        """Args: as of `FaceTracker`; identities: own ones where None. choice: the defaults where None."""
        self.choice = choice or ChoiceSpec()
        self._wish: int | None = None
        self.news: FaceNews | None = None
        """Of the newest frame."""
        self.wished: int | None = None
        """The number that was asked for before it; None where nobody asked."""
        super().__init__(spec, detector, settings, identities or Identities())

    def reset(self) -> None:
        """Forget all faces: the next frame starts with its largest."""
        super().reset()
        self._chosen: KnownFace | None = None
        self._together: set[int] = set()  # numbers of the faces that were seen beside the chosen one
        self._alone_since = math.inf
        self._before: tuple[float, float] | None = None
        self.offers = False
        """Whether the face has been lost for long, and others are in view that may be chosen."""

    def update(self, rgb: np.ndarray, time: float) -> TrackedFace | None:
        """See `FaceTracker.update`. In a picture of another size the face is who is where it was."""
        resized = rgb.shape != self._shape and time >= self._seen and self._chosen is not None
        if resized and len(self.in_view) > 1 and self._chosen is not None:
            before = _place(self._chosen.box, self._shape[1], self._shape[0])
            self.reset()
            self._before, self._shape = before, rgb.shape
        return super().update(rgb, time)

    def choose(self, number: int) -> None:
        """Read the face of this number from the next frame on, if it is in view; callable from any thread."""
        self._wish = number

    @property
    def number(self) -> int | None:
        """Number of the face that is read, lost or not; None before there is one that counts."""
        return None if self._chosen is None else self._chosen.number

    def _choose(self, boxes: list[Box], time: float) -> Box | None:
        self.news = None
        self._take_wish()
        if self._chosen is None or not self._chosen.is_settled:
            box = self._nearest_to_before(boxes) or super()._choose(boxes, time)
            self._chosen = None if box is None else self._known.get(box)
            return box
        box = next((box for box in boxes if self._known.get(box) is self._chosen), None)
        if box is None:
            box = self._instead(boxes, time)
        else:
            self._together |= {face.number for face in self.in_view if face is not self._chosen and face.number}
            self._alone_since, self.offers = math.inf, False
        if box is not None and self._last is not None and self._is_a_jump(box, time):
            self._filter.reset()
        return box

    def _take_wish(self) -> None:
        self.wished, self._wish = self._wish, None
        wish = self.wished
        if wish is None or wish == self.number:
            return
        face = next((face for face in self.in_view if face.number == wish), None)
        if face is None:
            self.news = FaceNews.GONE
        else:
            self._change(face, FaceNews.CHOSEN)

    def _instead(self, boxes: list[Box], time: float) -> Box | None:
        """Return the box of who is read instead of the chosen face, which this frame does not show; mostly None."""
        assert self._chosen is not None
        lost = time - self._chosen.seen
        others = [face for face in self.in_view if face is not self._chosen]
        self.offers = lost >= self.choice.offer and bool(others)
        if len(others) != 1 or len(boxes) != 1:
            self._alone_since = math.inf
            return None
        (other,) = others
        self._alone_since = min(self._alone_since, time)
        met = other.number in self._together
        wait = self.choice.other_after if met else self.choice.stranger_after
        alone = time - self._alone_since
        if lost < wait or alone < self.choice.stranger_after or self._known.get(boxes[0]) is not other:
            return None
        self._change(other, FaceNews.TAKEN)
        return boxes[0]

    def _change(self, face: KnownFace, news: FaceNews) -> None:
        self._chosen, self.news = face, news
        self._together, self._alone_since, self.offers = set(), math.inf, False
        self._last, self._others = None, []  # nothing of the one before stands in for this one
        self._filter.reset()
        self.restarts += 1

    def _is_a_jump(self, box: Box, time: float) -> bool:
        """Return whether ``box`` lies so far from the last one, or so long after it, that nothing is smoothed."""
        assert self._last is not None
        return time - self._seen > self.settings.forget or distance(box, self._last.box) > self.settings.reach

    def _nearest_to_before(self, boxes: list[Box]) -> Box | None:
        """Return who is where the chosen face was, in the first frame of another size; None where nothing is known."""
        if self._before is None or not boxes:
            return None
        (x, y), (height, width) = self._before, self._shape[:2]
        self._before = None
        return min(boxes, key=lambda box: math.dist(_place(box, width, height), (x, y)))


def _place(box: Box, width: int, height: int) -> tuple[float, float]:
    """Return where the centre of ``box`` is, as shares of the frame."""
    return (box.x + box.width / 2) / width, (box.y + box.height / 2) / height
