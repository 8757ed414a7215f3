"""The streaming step: in a sliding window only what is new, or has changed too much, is encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from mmadfer.backends import Backend
from mmadfer.preprocess import sound_input
from mmadfer.stream.kept import KeptFrame, KeptSound, coarse, context_change, match, renewed, sound_change
from mmadfer.stream.step_error import Response, allowed_shift, shift
from mmadfer.stream.window import Window
from mmadfer.types import Basis, State, WeightsInfo

__all__ = ["StreamingStep", "match"]

BREAKS = frozenset({State.NO_FACE, State.FACE_LOST, State.WINDOW_FILLING})
"""Under these the window's frames do not follow from the last window's: it is computed exactly, and so is the next."""
_REACH = 0.75
"""How far a kept frame may lie from its place in the window, in hops. Above 0.5, or an answer that took 5.5 hops would
find no frame in reach, encode all of them, take as long again, and so never catch up; below 1, the step of one hop."""
_SOUND_REACH = 8.0
"""How old the sound may be that an answer is given with, in hops, where the machine is behind. The sound is the larger
part of a step: with it at every answer a machine that is a little too slow falls back to one answer a second."""
_SOUND_COMPARED = 4.0
"""Sound is compared with later sound when it is at least so old, in hops: what a shorter time does says too little."""
_NEARLY_ALL = 0.75
"""Where more than this share of the frames would be encoded, all are: the rest costs little and leaves nothing open."""
_MARGIN = 0.8
"""Share of what an answer may be off by that is planned with, from the last answer; this one may be less sure."""
_FRAME_NOISE = 0.25
"""Difference between pictures that is none, grey levels averaged over the window's frames."""
_CONTEXT_NOISE = 0.02
_CONTEXT_ASSUMED = (0.4, 0.1)
"""Before anything is known: a sound that has gone 0.4 of its own length shifts logits by 0.04. That is three times what
the starter weights and random ones with gates of 0.3 do."""
_SOUND_NOISE = 0.05


@dataclass(frozen=True, eq=False)
class _Plan:
    """What an answer is to be given with, besides what is encoded for it."""

    frames: Mapping[int, KeptFrame] = field(default_factory=dict)
    """Slot -> kept frame; none: the pass is the exact one."""
    sound: KeptSound | None = None
    """None: it is encoded."""
    expected: float = 0.0
    """Shift that may come of frames and sound that are others than the window's."""


_EXACT = _Plan()


@dataclass(frozen=True, eq=False)
class _Pass:
    """One run of the model over a window."""

    frames: list[KeptFrame]
    """Those of the window."""
    fresh: frozenset[int]
    """Slots of the frames that were encoded."""
    sound: KeptSound
    logits: torch.Tensor
    """``(1, C)``"""


class StreamingStep:
    """The frames that one stream has encoded; its next window is answered from them and from the new ones.

    A frame of the window is taken from an earlier one that lies within 3/4 of a hop of it; the others are encoded:
    one in a steady stream, more where hops were missed. Two things are left out: a kept frame may be the neighbour of
    the one that the window names, and it saw the sound of its own time. The sound itself is encoded anew, except where
    the machine is behind: then frames are encoded with the last sound, up to 8 hops old, and so it catches up. Where
    the stream breaks off (a seek, a pause, a lost face), and where sound begins or ends to be heard (`Window.heard`),
    nothing fits, and the pass is the exact one.

    What is left out is bounded. Whatever is encoded twice, as all is while the window fills, shows how far the answer
    moves for frames and sound that have changed by so much; from that follows what each answer may be off by. Where
    that is more than 0.02 of a probability, frames whose picture has changed most are encoded anew, then the sound,
    then everything; what has not been seen yet counts as too much.
    """

    def __init__(self, backend: Backend, info: WeightsInfo | None = None) -> None:
        """Args: backend: runs the model; other streams may share it. info: how its logits become probabilities."""
        self._backend = backend
        self._info = info or WeightsInfo()
        self._basis: Basis | None = None
        self._by_frames = Response(_FRAME_NOISE)
        self._by_context = Response(_CONTEXT_NOISE, _CONTEXT_ASSUMED)
        self._by_sound = Response(_SOUND_NOISE)
        self.reset()
        self.new_frames = 0
        """Frames encoded for the newest answer; ``spec.num_frames`` of them are an exact pass."""
        self.new_sound = False
        """Whether the sound was encoded for the newest answer."""

    def reset(self) -> None:
        """Forget the kept frames: the next answer is exact."""
        self._kept: list[KeptFrame] = []
        self._sounds: deque[KeptSound] = deque()
        self._last: torch.Tensor | None = None
        self._context_shift = 0.0

    def logits(self, window: Window, spectrogram: torch.Tensor | None = None) -> torch.Tensor:
        """Return the logits ``(1, C)`` for ``window``. Raises ValueError as `Backend.frames` and `sound_input` do.

        Args: spectrogram: what `sound_input` makes of the window's sound, where somebody has asked already.
        """
        spec = self._backend.spec
        self._basis = Basis.of(window.states)
        heard = window.heard(spec)
        if self._sounds and self._sounds[-1].absent != (heard is None):
            self.reset()  # what is kept saw another kind of sound: how far that moves an answer was never seen
        if spectrogram is None:
            spectrogram = sound_input(heard, window.sample_rate, spec)
        near = self._near(window)
        plan = self._plan(window, near, coarse(spectrogram))
        found = self._run(window, spectrogram, plan)
        if plan.frames and self._is_too_far(found, plan):
            plan = _EXACT
            found = self._run(window, spectrogram, plan)
        self.new_frames = len(found.fresh) or spec.num_frames  # without a face, all of them are black
        self.new_sound = plan.sound is None
        if found.logits.isfinite().all():
            self._learn(found, near, exact=not plan.frames)
            self._keep(window, found)
        else:
            self.reset()  # what is kept may be at fault, and would spoil all that comes
        return found.logits

    def _allowed(self, logits: torch.Tensor | None) -> float:
        return allowed_shift(logits, self._info, self._basis)

    def _near(self, window: Window) -> dict[int, KeptFrame]:
        """Return slot -> kept frame, for the slots of ``window`` near which one lies."""
        if not self._backend.config.keeps_frames:
            return {}
        tolerance = _REACH * self._backend.spec.hop_seconds
        places = match(window.frame_times, [frame.time for frame in self._kept], tolerance)
        return {slot: self._kept[k] for slot, k in enumerate(places) if k is not None}

    def _plan(self, window: Window, near: Mapping[int, KeptFrame], heard: torch.Tensor) -> _Plan:
        """Return what of ``near`` and of the last sound will do. Args: heard: the window's log-mel, coarsely."""
        count = self._backend.spec.num_frames
        whole = len(set(window.frame_times)) == count  # a short window repeats its last frame
        if not whole or not near or BREAKS.intersection(window.states):
            return _EXACT
        budget = _MARGIN * self._allowed(self._last)
        sound = self._still_heard(window, heard, budget / 2) if count - len(near) > 1 else None
        by_sound = self._by_sound.expect(sound_change(sound.coarse, heard)) if sound else 0.0
        # The newest frame is always encoded: the graph takes one at least.
        frames = {slot: frame for slot, frame in near.items() if len(near) < count or slot < count - 1}
        frames, by_frames = self._bearable(window, frames, budget - by_sound - self._context_shift)
        if len(frames) < (1 - _NEARLY_ALL) * count:
            return _EXACT
        return _Plan(frames, sound, by_frames + by_sound)

    def _bearable(
        self, window: Window, frames: dict[int, KeptFrame], budget: float
    ) -> tuple[dict[int, KeptFrame], float]:
        """Return those of ``frames`` that may shift the answer by ``budget`` at most, and by how much they may."""
        changes = {
            slot: frame.differs_from(window.frame_times[slot], window.crops[slot]) / self._backend.spec.num_frames
            for slot, frame in frames.items()
        }
        left = sorted(changes, key=changes.__getitem__)
        expected = self._by_frames.expect(sum(changes.values()))
        while left and changes[left[-1]] > 0 and expected > budget:
            left.pop()
            expected = self._by_frames.expect(sum(changes[slot] for slot in left))
        return {slot: frames[slot] for slot in left}, expected

    def _still_heard(self, window: Window, heard: torch.Tensor, budget: float) -> KeptSound | None:
        """Return the sound as last encoded, where it will do: it may shift the answer by ``budget`` at most."""
        if not self._sounds or not self._backend.keeps_sound:
            return None
        sound = self._sounds[-1]
        age = (window.end - sound.end) / self._backend.spec.hop_seconds
        usable = 0 <= age <= _SOUND_REACH
        return sound if usable and self._by_sound.expect(sound_change(sound.coarse, heard)) <= budget else None

    def _run(self, window: Window, spectrogram: torch.Tensor, plan: _Plan) -> _Pass:
        """Encode what ``plan`` does not keep, and answer. Args: spectrogram: the window's ``(1, 1, 512, 128)``."""
        times = window.frame_times
        new = [slot for slot in range(len(times)) if slot not in plan.frames]
        inputs = self._backend.frames([window.crops[slot] for slot in new])
        if plan.sound is None:
            cls, means, sound = self._encode(window, inputs, spectrogram, list(plan.frames.values()))
        else:
            sound = plan.sound
            cls, means = self._backend.encode_faces(inputs, sound.means)
        if not times:
            return _Pass([], frozenset(), sound, self._backend.head(cls, sound.cls))
        fresh = {s: KeptFrame(times[s], window.crops[s], cls[k], means[k], sound.means) for k, s in enumerate(new)}
        frames = [plan.frames.get(slot) or fresh[slot] for slot in range(len(times))]
        return _Pass(frames, frozenset(new), sound, self._head(frames, sound))

    def _encode(
        self, window: Window, frames: torch.Tensor, spectrogram: torch.Tensor, old: Sequence[KeptFrame]
    ) -> tuple[torch.Tensor, torch.Tensor, KeptSound]:
        """Encode new frames ``(k, 3, S, S)`` and the sound; return the frames' CLS and means, and the sound."""
        config = self._backend.config
        if old:  # summed where they are: on a GPU they stay there
            kept_sum = torch.stack([frame.means for frame in old]).sum(dim=0)
        else:
            kept_sum = torch.zeros(config.depth, config.context_width)
        encoded = self._backend.encode(frames, spectrogram, kept_sum)
        absent = window.heard(self._backend.spec) is None
        sound = KeptSound(window.end, absent, encoded.audio_cls, encoded.audio_means, coarse(spectrogram))
        return encoded.cls, encoded.means, sound

    def _head(self, frames: Sequence[KeptFrame], sound: KeptSound) -> torch.Tensor:
        return self._backend.head(torch.stack([frame.cls for frame in frames]), sound.cls)

    def _is_too_far(self, found: _Pass, plan: _Plan) -> bool:
        """Return whether an answer may be off by more than the limit, now that its sound and its logits are known."""
        if not found.logits.isfinite().all():
            return True
        count = self._backend.spec.num_frames
        by_context = self._by_context.expect(context_change(list(plan.frames.values()), found.sound, count))
        return plan.expected + by_context > self._allowed(found.logits)

    def _learn(self, found: _Pass, near: Mapping[int, KeptFrame], exact: bool) -> None:
        """Compare what was encoded twice: how far would the answer be off with what was kept before?"""
        again = {slot: near[slot] for slot in found.fresh if slot in near}
        changed = {
            slot: old.differs_from(found.frames[slot].time, found.frames[slot].crop) for slot, old in again.items()
        }
        others = {slot: again[slot] for slot, change in changed.items() if change > 0}
        if others:
            change = sum(changed.values()) / self._backend.spec.num_frames
            self._by_frames.observe(change, self._shift_with(found, others))
        same = {slot: old for slot, old in again.items() if slot not in others}
        if exact and same:
            change = context_change(list(same.values()), found.sound, self._backend.spec.num_frames)
            self._by_context.observe(change, self._shift_with(found, same))
        self._learn_sound(found)

    def _shift_with(self, found: _Pass, old: Mapping[int, KeptFrame]) -> float:
        """Return how far the answer would lie from the one ``found`` with ``old`` in their slots."""
        frames = [old.get(slot, frame) for slot, frame in enumerate(found.frames)]
        return shift(self._head(frames, found.sound), found.logits, self._info)

    def _learn_sound(self, found: _Pass) -> None:
        """Compare the answer with what sound of some time ago would have made of it, as where the machine is behind."""
        if not self._backend.keeps_sound or found.sound in self._sounds or not found.frames:
            return
        for old in self._sounds:  # the oldest first
            age = (found.sound.end - old.end) / self._backend.spec.hop_seconds
            if _SOUND_COMPARED <= age <= _SOUND_REACH:
                moved = shift(self._head(found.frames, old), found.logits, self._info)
                self._by_sound.observe(sound_change(old.coarse, found.sound.coarse), moved)
                return

    def _keep(self, window: Window, found: _Pass) -> None:
        """Note what the next window may be answered with."""
        spec = self._backend.spec
        self._last = found.logits
        self._kept = renewed(self._kept, found.frames, window.start - spec.hop_seconds, window.end)
        old = [frame for slot, frame in enumerate(found.frames) if slot not in found.fresh]
        self._context_shift = self._by_context.expect(context_change(old, found.sound, spec.num_frames))
        if found.sound not in self._sounds:
            self._sounds.append(found.sound)
        while not 0 <= window.end - self._sounds[0].end <= _SOUND_REACH * spec.hop_seconds:
            self._sounds.popleft()
