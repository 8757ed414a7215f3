"""Which face is which from frame to frame: numbers that stay with the faces in view, by where they are and look.

How a face looks is a coarse picture of it and the histogram of its colours. That tells people apart who are seen
together for a while; it is no face recognition, and nothing of it outlives the stream. Its limits: people who look
alike (twins) are told apart by their movement alone, so that a hard cut may swap them; one of several who comes back
after `IdentitySpec.memory`, and anybody in quite another light, is somebody new; of more than `MOST` faces the largest
are followed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmadfer.faces.assignment import assign
from mmadfer.faces.crop import crop
from mmadfer.faces.runtimes import load_runtime
from mmadfer.types import Box

STEADY = 3
"""Frames in a row that have to show a face before it counts: a detector takes a pattern for a face now and then."""
MOST = 8
"""Faces that are followed at once."""
_SIDE = 32  # of the picture that a look is made of, px
_COARSE = 8  # of its shades, px
_BINS, _CHROMA = 10, [[-30.0, 40.0], [-30.0, 45.0]]  # of the colours' histogram: skin, hair and what is behind them
_NEW_LOOK = 0.1  # how much of a look each frame renews
_APART = 1.2  # sides between two faces below which one covers a part of the other: looks are not renewed
_COAST = 0.5  # s for which a face that is not seen is expected to move on
_FAR = 1.0  # what a jump costs, in units of the costs below
_LOOK_COST, _MOVE_COST = 4.0, 0.5


@dataclass(frozen=True)
class IdentitySpec:
    """When a face is the one that it was."""

    reach: float = 0.6
    """How far a face may move between two frames, in sides of its box."""
    speed: float = 1.5
    """How much further while it is not seen, in sides a second."""
    hold: float = 0.3
    """Time for which a face that is not found counts as in view, s."""
    near: float = 1.0
    """Time after which a lost face is known by its look alone, s."""
    memory: float = 10.0
    """Time after which it is forgotten, s."""
    alike: float = 0.18
    """Largest difference of looks (0 to 1) at which a face is known again wherever it is."""
    unlike: float = 0.32
    """Difference from which on a face that was lost and comes again is another."""

    def __post_init__(self) -> None:
        if min(self.reach, self.speed) <= 0 or not 0 <= self.hold <= self.near <= self.memory:
            raise ValueError(f"reach and speed must be positive and 0 <= hold <= near <= memory, got {self}")
        if not 0 < self.alike <= self.unlike < 1:
            raise ValueError(f"looks must have 0 < alike <= unlike < 1, got {self}")


class KnownFace:
    """One face as it is followed; changed by `Identities` alone."""

    def __init__(self, box: Box, look: np.ndarray, time: float) -> None:
        self.number: int | None = None
        """From 1 on, in the order of coming; None until the face counts."""
        self.box = box
        """Its crop box where it was seen last, px."""
        self.seen = time
        """When that was, s."""
        self.look = look
        self.is_settled = False
        """Whether `STEADY` frames in a row have ever shown it."""
        self._velocity = np.zeros(2)  # px/s
        self._row = 1

    @property
    def counts(self) -> bool:
        """Whether it has been there for long enough to be no error of the detector."""
        return self.number is not None

    def place(self, time: float) -> np.ndarray:
        """Return where its centre is expected, px."""
        return _center(self.box) + self._velocity * min(max(time - self.seen, 0.0), _COAST)

    def move(self, box: Box, look: np.ndarray, time: float, is_apart: bool) -> None:
        """Take in where it was found. Args: is_apart: nothing of its picture is another face's."""
        elapsed = time - self.seen
        if elapsed > 0:
            speed = (_center(box) - _center(self.box)) / elapsed
            self._velocity = self._velocity + 0.4 * (speed - self._velocity) if elapsed < _COAST else np.zeros(2)
        self.box, self.seen = box, time
        self._row += 1
        self.is_settled = self.is_settled or self._row >= STEADY
        if is_apart:
            self.look = self.look + max(_NEW_LOOK, 1 / self._row) * (look - self.look)

    def miss(self) -> None:
        """Take in that it was not found."""
        self._row = 0


class Identities:
    """The faces of one stream. Not thread-safe."""

    def __init__(self, settings: IdentitySpec | None = None) -> None:
        """Args: settings: the defaults where None."""
        self.settings = settings or IdentitySpec()
        self.reset()

    def reset(self) -> None:
        """Forget all faces: the next one is number 1."""
        self._faces: list[KnownFace] = []
        self._numbers = 0
        self._first_time = -math.inf  # of the first frame that shows any

    def update(self, boxes: Sequence[Box], looks: Sequence[np.ndarray], time: float) -> list[KnownFace | None]:
        """Return whose the boxes of the next frame are; None for those beyond `MOST`.

        Args: boxes: crop boxes, px. looks: of each, from `look_of`. time: of the frame, s, not before the last one.
        """
        self._faces = [face for face in self._faces if time - face.seen <= self._kept_for(face)]
        if boxes and not self._numbers:
            self._first_time = time
        kept = self._largest(boxes)
        costs = np.array([[self._cost(face, boxes[k], looks[k], time) for k in kept] for face in self._faces])
        found: dict[int, KnownFace] = {kept[k]: self._faces[row] for row, k in assign(costs)}
        self._take_only_one(found, kept, looks)
        apart = {k: all(_distance(boxes[k], box) > _APART for i, box in enumerate(boxes) if i != k) for k in kept}
        for k in kept:
            if k in found:
                found[k].move(boxes[k], looks[k], time, apart[k])
            else:
                found[k] = KnownFace(boxes[k], looks[k], time)
                self._faces.append(found[k])
        for face in self._faces:
            if face.seen < time:
                face.miss()
        for k in kept:
            found[k] = self._counted(found[k], apart[k], time)
        return [found.get(k) for k in range(len(boxes))]

    def in_view(self, time: float) -> list[KnownFace]:
        """Return the faces that count and are in view, by their numbers; one that was missed a moment ago is."""
        near = [face for face in self._faces if face.counts and time - face.seen <= self.settings.hold]
        return sorted(near, key=lambda face: face.number or 0)

    def _kept_for(self, face: KnownFace) -> float:
        """Return for how long a face is known after it was seen, s; the only one comes back whenever it likes."""
        if not face.counts:
            return self.settings.hold
        return self.settings.memory if len(self._faces) > 1 else math.inf

    def _largest(self, boxes: Sequence[Box]) -> list[int]:
        """Return which boxes are followed: those near known faces first, then the largest."""
        if len(boxes) <= MOST:
            return sorted(range(len(boxes)), key=lambda k: -boxes[k].width)
        taken = [min((_distance(boxes[k], face.box) for face in self._faces), default=9.0) for k in range(len(boxes))]
        order = sorted(range(len(boxes)), key=lambda k: (taken[k] > self.settings.reach, -boxes[k].width))
        return order[:MOST]

    def _cost(self, face: KnownFace, box: Box, look: np.ndarray, time: float) -> float:
        """Return how badly ``box`` fits ``face``; infinite where it does not."""
        s, lost = self.settings, time - face.seen
        difference = unlikeness(face.look, look)
        limit = s.reach + s.speed * lost
        moved = float(np.linalg.norm(_center(box) - face.place(time))) / max(box.width, face.box.width, 1e-6)
        is_near = lost <= s.near and moved <= limit and abs(math.log(_ratio(box, face.box))) <= 0.7
        if is_near and (lost <= s.hold or difference < s.unlike):
            return _MOVE_COST * moved / limit + _LOOK_COST * difference
        return _FAR + _LOOK_COST * difference if difference <= s.alike else math.inf

    def _take_only_one(self, found: dict[int, KnownFace], kept: list[int], looks: Sequence[np.ndarray]) -> None:
        """Where one face is known and one is there, it is that one unless it looks quite different: it moved fast."""
        if len(kept) == 1 and not found and len(self._faces) == 1:
            (face,) = self._faces
            if unlikeness(face.look, looks[kept[0]]) < self.settings.unlike:
                found[kept[0]] = face

    def _counted(self, face: KnownFace, is_apart: bool, time: float) -> KnownFace:
        """Return ``face``, numbered once it counts: the stream's first ones at once, others when they have stayed.

        One that was half hidden as it came may be one that was lost, which shows later: then that one is returned.
        """
        if face.number is not None or not (time <= self._first_time or (face.is_settled and is_apart)):
            return face
        lost = {known: self._cost(known, face.box, face.look, time) for known in self._faces if known.number}
        lost = {known: cost for known, cost in lost.items() if known.seen < time and cost < math.inf}
        if lost:
            known = min(lost, key=lost.__getitem__)
            known.move(face.box, face.look, time, is_apart)
            self._faces.remove(face)
            return known
        self._numbers += 1
        face.number = self._numbers
        return face


def look_of(rgb: np.ndarray, box: Box) -> np.ndarray:
    """Return how the face in ``box`` looks: float32 of a fixed length. Args: as of `crop`."""
    cv2 = load_runtime("cv2")
    if min(box.width, box.height) < 2:
        return np.zeros(_BINS * _BINS + _COARSE * _COARSE, np.float32)
    lab = cv2.cvtColor(crop(rgb, box, _SIDE), cv2.COLOR_RGB2LAB).astype(np.float32)
    chroma = np.clip(lab[..., 1:].reshape(-1, 2) - 128, *np.array(_CHROMA).T)
    colors = np.histogram2d(chroma[:, 0], chroma[:, 1], bins=_BINS, range=_CHROMA)[0].astype(np.float32)
    colors = np.sqrt(cv2.GaussianBlur(colors, (3, 3), 0.8)).ravel()
    shades = cv2.resize(lab[..., 0], (_COARSE, _COARSE), interpolation=cv2.INTER_AREA).ravel()
    return np.concatenate([_unit(colors), _unit(shades - shades.mean())]).astype(np.float32)


def unlikeness(look: np.ndarray, other: np.ndarray) -> float:
    """Return how different two looks are: 0 for one picture, about 0.1 for one person, 0.3 and more for two."""
    colors = slice(0, _BINS * _BINS)
    shades = slice(_BINS * _BINS, None)
    alike = sum(float(_unit(look[part]) @ _unit(other[part])) for part in (colors, shades)) / 2
    return min(1.0, max(0.0, 1.0 - alike)) if look.any() or other.any() else 0.0


def _unit(values: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(values))
    return values / length if length > 1e-6 else np.zeros_like(values)


def _center(box: Box) -> np.ndarray:
    return np.array([box.x + box.width / 2, box.y + box.height / 2])


def _distance(box: Box, other: Box) -> float:
    """Return the distance of two boxes' centres, in sides of the larger one."""
    return float(np.linalg.norm(_center(box) - _center(other))) / max(box.width, other.width, 1e-6)


def _ratio(box: Box, other: Box) -> float:
    return max(box.width, 1e-6) / max(other.width, 1e-6)
