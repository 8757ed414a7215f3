"""The network that tells a voice from other sound: Silero VAD's, for 16 kHz, in NumPy."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE = 16_000
"""Sample rate that it hears, Hz."""
CHUNK = 512
"""Samples that one answer is about."""
CONTEXT = 64
"""Samples before them that it hears again."""
WEIGHTS = Path(__file__).parent.parent / "assets" / "silero_vad.safetensors"

_TRANSFORM, _TRANSFORM_HOP, _PIECES = 256, 128, 4
_PLACES = np.arange(_TRANSFORM) + _TRANSFORM_HOP * np.arange(_PIECES)[:, None]
"""Where the transform's pieces lie `(4, 256)` in a chunk with its context and its mirrored end."""
_STRIDES = (1, 2, 2, 1)
"""Of the four convolutions over time."""
_WIDTH = 128
"""Of the recurrent state."""

Array = npt.NDArray[np.float32]


class VoiceWeights:
    """The network's numbers, laid out for products from the left; shared by all streams."""

    def __init__(self, tensors: dict[str, Array]) -> None:
        """Args: tensors: as `WEIGHTS` names them."""
        self.transform = np.ascontiguousarray(tensors["stft_conv.weight"][:, 0].T)
        """`(256, 2 * 129)`: real and imaginary parts."""
        self.convolutions = [
            (_unrolled(tensors[f"conv{k}.weight"]), tensors[f"conv{k}.bias"]) for k in range(1, len(_STRIDES) + 1)
        ]
        gates = np.concatenate((tensors["lstm_cell.weight_ih"], tensors["lstm_cell.weight_hh"]), axis=1)
        self.gates = np.ascontiguousarray(gates.T)
        """`(input + state, 4 * 128)`: input, forget, cell and output gate."""
        self.gates_bias = tensors["lstm_cell.bias_ih"] + tensors["lstm_cell.bias_hh"]
        self.last = tensors["final_conv.weight"][0, :, 0].copy()
        self.last_bias = tensors["final_conv.bias"][0]


@functools.lru_cache(maxsize=1)
def voice_weights() -> VoiceWeights:
    """Return the weights of the package, read at the first call."""
    from safetensors.numpy import load_file

    return VoiceWeights(load_file(WEIGHTS))


class VoiceNetwork:
    """One stream's ear: chunks in, how surely somebody speaks in each out. It remembers what it has heard.

    Every chunk is computed alone, in arrays of one shape, so that answers do not depend on how many came at once.
    """

    def __init__(self) -> None:
        self._weights = voice_weights()
        self.reset()

    def reset(self) -> None:
        """Forget the sound so far."""
        self._state = np.zeros(_WIDTH, np.float32)
        self._cell = np.zeros(_WIDTH, np.float32)
        self._before = np.zeros(CONTEXT, np.float32)

    def push(self, chunk: Array) -> float:
        """Return the probability that somebody speaks in the next 32 ms. Args: chunk: `(512,)` at 16 kHz."""
        assert chunk.shape == (CHUNK,)
        heard = np.concatenate((self._before, chunk), dtype=np.float32)
        self._before = heard[-CONTEXT:]
        features = self._spectrum(np.concatenate((heard, heard[-2 : -CONTEXT - 2 : -1])))
        for (kernel, bias), stride in zip(self._weights.convolutions, _STRIDES, strict=True):
            features = np.maximum(_neighbours(features, stride) @ kernel + bias, 0)
        self._remember(features[0])
        rest = np.maximum(self._state, 0) @ self._weights.last + self._weights.last_bias
        return float(_sigmoid(rest))

    def _spectrum(self, heard: Array) -> Array:
        """Return the magnitudes `(4, 129)` of ``heard`` `(640,)`."""
        parts = heard[_PLACES] @ self._weights.transform
        bins = parts.shape[1] // 2
        return np.sqrt(parts[:, :bins] ** 2 + parts[:, bins:] ** 2)

    def _remember(self, features: Array) -> None:
        """Let the recurrent state take in ``features`` `(128,)`."""
        gates = np.concatenate((features, self._state)) @ self._weights.gates + self._weights.gates_bias
        take, keep, new, show = gates.reshape(4, _WIDTH)
        self._cell = _sigmoid(keep) * self._cell + _sigmoid(take) * np.tanh(new)
        self._state = _sigmoid(show) * np.tanh(self._cell)


def _unrolled(kernel: Array) -> Array:
    """Return a convolution's weights `(out, in, 3)` as a matrix `(3 * in, out)` for `_neighbours`."""
    return np.ascontiguousarray(kernel.transpose(2, 1, 0).reshape(-1, len(kernel)))


def _neighbours(features: Array, stride: int) -> Array:
    """Return each ``stride``-th row of `(n, d)` between its neighbours `(m, 3 * d)`; beyond the ends are zeros."""
    count, width = features.shape
    padded = np.zeros((count + 2, width), np.float32)
    padded[1:-1] = features
    return np.concatenate([padded[k : k + count : stride] for k in range(3)], axis=1)


def _sigmoid(values: Array) -> Array:
    # By tanh, which does not overflow.
    return np.float32(0.5) * np.tanh(np.float32(0.5) * values) + np.float32(0.5)
