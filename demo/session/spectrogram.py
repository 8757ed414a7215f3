"""The voice as columns of a picture, sent to the pages as the sound comes in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mmadfer.config import InputSpec
from mmadfer.sound.logmel import LogMel
from mmadfer.sound.loudness import channel_of, is_silent, levels
from mmadfer.stream.intake import Sound

from .protocol import Kind, pack

MEL_SECONDS = 0.1
"""Sound gathered before new spectrogram columns are sent: ten updates a second, whatever the model does."""
MEL_FLOOR, MEL_CEILING = -14.0, 4.0
"""Log-mel values drawn darkest and brightest: the quietest a 16-bit sample can say, and loud speech."""


class SpectrogramFeed:
    """Sound in, messages with new log-mel columns out; a column is `bins` bytes."""

    def __init__(self, spec: InputSpec, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._shift = spec.mel.frame_shift
        self._log_mel = LogMel(sample_rate, spec.mel)
        self._waiting: list[npt.NDArray[np.float32]] = []
        self._waiting_samples = 0
        self._columns = 0
        self._channels = self._channel = 0

    def takes(self, sound: Sound) -> bool:
        """Return whether ``sound`` can follow what came before: at the same rate, with as many channels."""
        return (self.sample_rate, self._channels or len(sound.samples)) == (sound.sample_rate, len(sound.samples))

    def push(self, sound: Sound) -> bytes | None:
        """Return the new columns as a message, once a tenth of a second has come together."""
        self._channels = len(sound.samples)
        self._waiting.append(sound.samples)
        self._waiting_samples += sound.samples.shape[1]
        if self._waiting_samples < MEL_SECONDS * self.sample_rate:
            return None
        columns = np.asarray(self._log_mel.push(self._listened_to(np.concatenate(self._waiting, axis=1))))
        self._waiting, self._waiting_samples = [], 0
        if not len(columns):
            return None
        shades = np.clip((columns - MEL_FLOOR) * (255.0 / (MEL_CEILING - MEL_FLOOR)), 0, 255).astype(np.uint8)
        end = sound.time + sound.samples.shape[1] / self.sample_rate
        message = pack(Kind.MEL, max(end - len(columns) * self._shift, 0.0), self._columns, shades.tobytes())
        self._columns += len(columns)
        return message

    def _listened_to(self, sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the channel `(1, n)` that the model listens to; in a pause the one that was heard last."""
        found = levels(sound, self.sample_rate)
        if not is_silent(found) or self._channel >= len(sound):
            self._channel = channel_of(found)
        return sound[self._channel : self._channel + 1]
