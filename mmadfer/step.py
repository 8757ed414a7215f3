"""The streaming step: in a sliding window only the frames that are new are encoded."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mmadfer.backends import Backend
from mmadfer.postprocess import State
from mmadfer.preprocess import frame_inputs, sound_input
from mmadfer.stream import Window

_BREAKS = frozenset({State.NO_FACE, State.FACE_LOST, State.WINDOW_FILLING})
"""Under these the window's frames do not follow from the last window's: it is computed exactly, and so is the next."""

_REACH = 0.75
"""How far a kept frame may lie from its place in the window, in hops. Above 0.5, or an answer that took 5.5 hops would
find no frame in reach, encode all of them, take as long again, and so never catch up; below 1, the step of one hop."""


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
    step leaves out; the sound itself is always encoded anew. Where the stream breaks off (a seek, a pause, a lost face)
    nothing fits, and the pass is the exact one.
    """

    def __init__(self, backend: Backend) -> None:
        """Args: backend: runs the model; other streams may share it."""
        self._backend = backend
        self._kept: list[_Frame] = []
        self.new_frames = 0
        """Frames encoded for the newest answer; ``spec.num_frames`` of them are an exact pass."""

    def reset(self) -> None:
        """Forget the kept frames: the next answer is exact."""
        self._kept = []

    def logits(self, window: Window) -> torch.Tensor:
        """Return the logits ``(1, C)`` for ``window``. Raises ValueError as `frame_inputs` and `sound_input` do."""
        spec, config = self._backend.spec, self._backend.config
        times = window.frame_times
        whole = len(set(times)) == spec.num_frames  # a short window repeats its last frame
        if not whole or _BREAKS.intersection(window.states):
            self.reset()
        kept = match(times, [frame.time for frame in self._kept], _REACH * spec.hop_seconds)
        if None not in kept and kept:
            kept[-1] = None  # the same frames with other sound: the graph takes one new frame at least
        old = {slot: self._kept[k] for slot, k in enumerate(kept) if k is not None}
        new = [slot for slot in range(len(times)) if slot not in old]
        if old:  # summed where they are: on a GPU they stay there
            kept_sum = torch.stack([frame.means for frame in old.values()]).sum(dim=0)
        else:
            kept_sum = torch.zeros(config.depth, config.bottleneck)
        encoded = self._backend.encode(
            frame_inputs([window.crops[slot] for slot in new], spec),
            sound_input(window.waveform, window.sample_rate, spec),
            kept_sum,
        )
        self.new_frames = len(encoded.cls)
        if not times:
            return self._backend.head(encoded.cls, encoded.audio_cls)
        fresh = {s: _Frame(times[s], encoded.cls[k], encoded.means[k]) for k, s in enumerate(new)}
        self._kept = [old.get(slot) or fresh[slot] for slot in range(len(times))]
        return self._backend.head(torch.stack([frame.cls for frame in self._kept]), encoded.audio_cls)


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
