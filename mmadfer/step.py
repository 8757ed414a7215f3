"""The streaming step: in a sliding window only the frames that are new are encoded."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mmadfer.backends import Backend
from mmadfer.postprocess import State
from mmadfer.preprocess import sound_input
from mmadfer.stream import Window

_BREAKS = frozenset({State.NO_FACE, State.FACE_LOST, State.WINDOW_FILLING})
"""Under these the window's frames do not follow from the last window's: it is computed exactly, and so is the next."""

_REACH = 0.75
"""How far a kept frame may lie from its place in the window, in hops. Above 0.5, or an answer that took 5.5 hops would
find no frame in reach, encode all of them, take as long again, and so never catch up; below 1, the step of one hop."""


_SOUND_REACH = 8.0
"""How old the sound may be that an answer is given with, in hops, where the machine is behind. The sound is the larger
part of a step: with it at every answer a machine that is a little too slow falls back to one answer a second."""


@dataclass(frozen=True, eq=False)
class _Sound:
    """The sound as last encoded."""

    end: float
    """End of its window, s."""
    absent: bool
    """Whether there was none."""
    cls: torch.Tensor
    """``(1, D)``"""
    means: torch.Tensor
    """``(depth, K)``"""


@dataclass(frozen=True, eq=False)
class _Frame:
    """One encoded frame."""

    time: float
    cls: torch.Tensor
    """``(D,)``"""
    means: torch.Tensor
    """``(depth, K)``"""


class StreamingStep:
    """The frames that one stream has encoded; its next window is answered from them and from the new ones.

    A frame of the window is taken from an earlier one that lies within 3/4 of a hop of it; the others are encoded:
    one in a steady stream, more where hops were missed. Kept frames saw the sound of their own time, which is what the
    step leaves out; the sound itself is encoded anew, except where the machine is behind: then frames are encoded with
    the last sound, up to 8 hops old, and so it catches up. Where the stream breaks off (a seek, a pause, a lost face)
    nothing fits, and the pass is the exact one.
    """

    def __init__(self, backend: Backend) -> None:
        """Args: backend: runs the model; other streams may share it."""
        self._backend = backend
        self._kept: list[_Frame] = []
        self._sound: _Sound | None = None
        self.new_frames = 0
        """Frames encoded for the newest answer; ``spec.num_frames`` of them are an exact pass."""
        self.new_sound = False
        """Whether the sound was encoded for the newest answer."""

    def reset(self) -> None:
        """Forget the kept frames: the next answer is exact."""
        self._kept, self._sound = [], None

    def logits(self, window: Window) -> torch.Tensor:
        """Return the logits ``(1, C)`` for ``window``. Raises ValueError as `Backend.frames` and `sound_input` do."""
        times = window.frame_times
        old = self._still_good(window)
        new = [slot for slot in range(len(times)) if slot not in old]
        frames = self._backend.frames([window.crops[slot] for slot in new])
        sound = self._still_heard(window, len(new)) if old else None
        self.new_sound = sound is None
        if sound is None:
            cls, means, sound = self._encode(window, frames, list(old.values()))
        else:
            cls, means = self._backend.encode_faces(frames, sound.means)
        self.new_frames = len(cls)
        if not times:
            return self._backend.head(cls, sound.cls)
        fresh = {s: _Frame(times[s], cls[k], means[k]) for k, s in enumerate(new)}
        self._kept, self._sound = [old.get(slot) or fresh[slot] for slot in range(len(times))], sound
        return self._backend.head(torch.stack([frame.cls for frame in self._kept]), sound.cls)

    def _still_good(self, window: Window) -> dict[int, _Frame]:
        """Return slot -> kept frame for the frames of ``window`` that need not be encoded."""
        spec = self._backend.spec
        whole = len(set(window.frame_times)) == spec.num_frames  # a short window repeats its last frame
        if not whole or not self._backend.config.keeps_frames or _BREAKS.intersection(window.states):
            self.reset()
        kept = match(window.frame_times, [frame.time for frame in self._kept], _REACH * spec.hop_seconds)
        if None not in kept and kept:
            kept[-1] = None  # the same frames with other sound: the graph takes one new frame at least
        return {slot: self._kept[k] for slot, k in enumerate(kept) if k is not None}

    def _still_heard(self, window: Window, new_frames: int) -> _Sound | None:
        """Return the sound as last encoded, where the machine is behind and it will do."""
        sound = self._sound
        behind = new_frames > 1 and self._backend.keeps_sound
        if sound is None or not behind or sound.absent != (window.waveform is None):
            return None
        return sound if 0 <= window.end - sound.end <= _SOUND_REACH * self._backend.spec.hop_seconds else None

    def _encode(
        self, window: Window, frames: torch.Tensor, old: list[_Frame]
    ) -> tuple[torch.Tensor, torch.Tensor, _Sound]:
        """Encode new frames ``(k, 3, S, S)`` and the sound; return the frames' CLS and means, and the sound."""
        spec, config = self._backend.spec, self._backend.config
        if old:  # summed where they are: on a GPU they stay there
            kept_sum = torch.stack([frame.means for frame in old]).sum(dim=0)
        else:
            kept_sum = torch.zeros(config.depth, config.context_width)
        encoded = self._backend.encode(frames, sound_input(window.waveform, window.sample_rate, spec), kept_sum)
        sound = _Sound(window.end, window.waveform is None, encoded.audio_cls, encoded.audio_means)
        return encoded.cls, encoded.means, sound


def match(times: list[float], kept: list[float], tolerance: float) -> list[int | None]:
    """Return for each of ``times`` the index of the nearest of ``kept`` within ``tolerance`` (s), or None.

    Both ascend, and so do the indices: none is used twice.
    """
    result: list[int | None] = []
    first = 0
    for time in times:
        near = min(range(first, len(kept)), key=lambda k: abs(kept[k] - time), default=None)
        if near is None or abs(kept[near] - time) > tolerance:
            result.append(None)
        else:
            result.append(near)
            first = near + 1
    return result
