"""Follows one face through a video: which of the faces it is, and its steady crop box."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from mmadfer.config import InputSpec
from mmadfer.faces.crop import crop, square_box
from mmadfer.faces.detector import Detection, FaceDetector
from mmadfer.faces.identities import Identities, KnownFace, look_of
from mmadfer.faces.one_euro import OneEuroFilter, OneEuroSpec
from mmadfer.types import Box

__all__ = ["Detection", "FaceDetector", "FaceTracker", "SteadyBox", "TrackedFace", "TrackerSpec", "crop"]


_SURE = 0.85
"""Below this score a face may be one that stands on its head: those get up to 0.8 as they are, and 0.9 turned round."""
_TURNED_BY = 0.1
"""A picture is turned round where its best face scores so much higher then."""
_TURNED_ALONE = 0.7
"""The same where the picture shows no face as it is."""
_TURN_EVERY = 2.0
"""Time between two looks at the picture turned round, s."""


@dataclass(frozen=True)
class TrackerSpec:
    """When a face counts as the one followed."""

    reach: float = 0.6
    """How far the followed face may move between two frames, in sides of its crop."""
    hold: float = 0.3
    """Time for which the last box stands in for a face that is not found, s."""
    forget: float = 1.0
    """Time after which another face is followed where the first has not come back, s."""
    smoothing: OneEuroSpec = field(default_factory=OneEuroSpec)

    def __post_init__(self) -> None:
        if self.reach <= 0 or not 0 <= self.hold <= self.forget:
            raise ValueError(f"reach must be positive and 0 <= hold <= forget, got {self}")


@dataclass(frozen=True)
class TrackedFace:
    """The followed face in one frame."""

    box: Box
    """The square crop box after the crop rule, px; it may reach over the frame's border."""
    score: float
    """The detector's score; of the last detection where this frame has none."""
    held: bool = False
    """Whether this frame's own face was not found, and the last box stands in for it."""
    known: KnownFace | None = None
    """Which of the faces of the stream it is; None where nobody asked."""


class FaceTracker:
    """Follows one face: the largest at first, then the nearest to where it was. One per stream; not thread-safe.

    A face that is not found keeps its box for ``hold`` seconds. Other people's faces do not take its place before
    ``forget`` seconds, but a face where none was before does at once: the person moved fast, or the film cut.

    The detector takes faces that stand on their heads for upright ones, mouth for eyes. So where it is not sure, the
    picture is looked at turned round, too, now and then; the boxes of such faces are tilted by about 180 degrees.
    """

    restarts = 0
    """How often another person was taken up, whose pictures are not to be mixed with those before."""

    def __init__(
        self,
        spec: InputSpec,
        detector: FaceDetector | None = None,
        settings: TrackerSpec | None = None,
        identities: Identities | None = None,
    ) -> None:
        """Args: spec: whether to level the eyes. detector: an own one where None. settings: the defaults where None.

        identities: numbers all faces in view; None: nobody wants to know.
        """
        self.spec = spec
        self.settings = settings or TrackerSpec()
        self._detector = detector or FaceDetector()
        self._filter = OneEuroFilter(self.settings.smoothing)
        self._identities = identities
        self._known: dict[Box, KnownFace | None] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the face: the next frame starts with its largest."""
        self._filter.reset()
        self._last: TrackedFace | None = None
        self._seen = -math.inf
        self._others: list[Box] = []
        self._shape: tuple[int, ...] = ()
        self._turned = False
        self._turn_next = -math.inf
        self._known = {}
        self.in_view: list[KnownFace] = []
        """The faces that count in the newest frame, by their numbers; empty where nobody asked for them."""
        if self._identities is not None:
            self._identities.reset()

    def close(self) -> None:
        """Free the detector."""
        self._detector.close()

    def update(self, rgb: np.ndarray, time: float) -> TrackedFace | None:
        """Return the followed face in the next frame, or None where it shows none.

        Args:
            rgb: `(height, width, 3)` uint8.
            time: of the frame, s.
        """
        if time < self._seen or rgb.shape != self._shape:  # a looping file, a turned phone: what is known holds no more
            self.reset()
        self._shape = rgb.shape
        found = self._find(rgb, time)
        faces = {box: score for box, score in found.items() if _is_centred_in(box, rgb.shape)}
        self._identify(rgb, list(faces), time)
        box = self._choose(list(faces), time)
        if box is None:
            return self._held(time)
        self._others = [other for other in faces if other is not box]
        self._seen = time
        self._last = TrackedFace(self._smoothed(box, time), faces[box], known=self._known.get(box))
        return self._last

    def _identify(self, rgb: np.ndarray, boxes: list[Box], time: float) -> None:
        """Find out whose the ``boxes`` are."""
        if self._identities is not None:
            looks = [look_of(rgb, box) for box in boxes]
            self._known = dict(zip(boxes, self._identities.update(boxes, looks, time), strict=True))
            self.in_view = self._identities.in_view(time)

    def _find(self, rgb: np.ndarray, time: float) -> dict[Box, float]:
        """Return the crop boxes and scores of the faces in ``rgb``, the way up it is or turned round."""
        found = self._look(rgb, self._turned)
        best = max(found.values(), default=0.0)
        if best >= _SURE or time < self._turn_next:
            return found
        self._turn_next = time + _TURN_EVERY
        other = self._look(rgb, not self._turned)
        if max(other.values(), default=0.0) < (best + _TURNED_BY if found else _TURNED_ALONE):
            return found
        self._turned, self._last, self._others = not self._turned, None, []
        return other

    def _look(self, rgb: np.ndarray, turned: bool) -> dict[Box, float]:
        faces = self._detector.detect(rgb, turned) if turned else self._detector.detect(rgb)
        return {square_box(face, self.spec.level_eyes): face.score for face in faces}

    def _choose(self, boxes: list[Box], time: float) -> Box | None:
        if self._last is None or time - self._seen > self.settings.forget:
            self._filter.reset()
            return max(boxes, key=lambda box: box.width, default=None)
        last = self._last.box
        near = [box for box in boxes if self._is_followed(box, last)]
        if near:
            return min(near, key=lambda box: distance(box, last))
        new = [box for box in boxes if all(distance(box, other) > self.settings.reach for other in self._others)]
        if new:
            self._filter.reset()
        return max(new, key=lambda box: box.width, default=None)

    def _is_followed(self, box: Box, last: Box) -> bool:
        moved = distance(box, last)
        return moved <= self.settings.reach and all(moved <= distance(box, other) for other in self._others)

    def _held(self, time: float) -> TrackedFace | None:
        if self._last is None or time - self._seen > self.settings.hold:
            return None
        return TrackedFace(self._last.box, self._last.score, held=True, known=self._last.known)

    def _smoothed(self, box: Box, time: float) -> Box:
        if time - self._seen > self.settings.hold:
            self._filter.reset()
        steady = steadied(self._filter, box, time)
        return steady if self.spec.level_eyes else replace(steady, angle=180.0 * self._turned)


class SteadyBox:
    """The smoothed box of one face that somebody else follows."""

    def __init__(self, settings: OneEuroSpec) -> None:
        self._filter = OneEuroFilter(settings)

    def reset(self) -> None:
        """Begin anew: nothing is smoothed into what came before."""
        self._filter.reset()

    def push(self, box: Box, time: float) -> Box:
        """Return the box of the next frame, smoothed. Args: time: s."""
        return steadied(self._filter, box, time)


def steadied(by: OneEuroFilter, box: Box, time: float) -> Box:
    """Return a square ``box`` as the filter of its face smooths it. Args: time: of the frame, s."""
    center_x, center_y, side = box.x + box.width / 2, box.y + box.height / 2, box.width
    # The angle is smoothed in radians: a turn by one moves the crop's rim by about its size.
    value = np.array([center_x, center_y, side, math.radians(box.angle)])
    center_x, center_y, side, turn = by.push(time, value, np.array([side, side, side, 1.0])).tolist()
    return Box(center_x - side / 2, center_y - side / 2, side, side, math.degrees(turn))


def distance(box: Box, other: Box) -> float:
    """Return the distance of two boxes' centres, in sides of ``other``."""
    across = box.x + box.width / 2 - other.x - other.width / 2
    down = box.y + box.height / 2 - other.y - other.height / 2
    return math.hypot(across, down) / other.width


def _is_centred_in(box: Box, shape: tuple[int, ...]) -> bool:
    """Return whether the centre of ``box`` lies in a frame of ``shape``; so does any smoothed box between such ones."""
    return 0 <= box.x + box.width / 2 <= shape[1] and 0 <= box.y + box.height / 2 <= shape[0]
