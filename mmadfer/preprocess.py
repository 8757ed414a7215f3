"""THE input definition: arrays in, the model's tensors out. Data set, file, camera and microphone all call this.

Every number comes from `InputSpec` and `MelSpec`. Nothing here knows where its arrays come from.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from PIL import Image

from mmadfer.config import InputSpec, MelSpec
from mmadfer.sound.logmel import log_mel
from mmadfer.sound.loudness import sounding_channel

Waveform = np.ndarray | torch.Tensor

# Two rates whose exact ratio has larger terms are resampled by the nearest ratio with such terms: it differs by less
# than 2 millionths, far below a sound card's own error, and keeps the filter from growing to gigabytes.
_LARGEST_RATIO_TERM = 1000
_MOST_CHANNELS = 64


def frame_indices(num_frames: int, count: int = 16) -> list[int]:
    """Return which ``count`` frames of a clip with ``num_frames`` frames the model sees at test time.

    Longer clips are sampled at the middles of ``count`` equal parts; shorter ones repeat their last frame.
    Raises ValueError where there is no frame or none is asked for.
    """
    if num_frames < 1 or count < 1:
        raise ValueError(f"num_frames and count must be at least 1, got {num_frames} and {count}")
    if num_frames <= count:
        return [min(k, num_frames - 1) for k in range(count)]
    return [int(num_frames / (2 * count) + k * num_frames / count) for k in range(count)]


def frame_to_tensor(rgb: np.ndarray | torch.Tensor, size: int) -> torch.Tensor:
    """Return a face crop as the model takes it: `(3, size, size)` float32 in [0, 1].

    Args:
        rgb: `(height, width, 3)` uint8, NumPy or torch. It is resized by PIL's bilinear filter; its aspect is not kept.
        size: side of the result, px.

    Raises ValueError on an array of another shape or type, and on a size that is no whole number above 0.
    """
    try:
        size = operator.index(size)
    except TypeError as error:
        raise ValueError(f"the size of a frame must be a whole number of pixels, got {size!r}") from error
    if size < 1:
        raise ValueError(f"the size of a frame must be 1 pixel or more, got {size}")
    if isinstance(rgb, torch.Tensor):
        if rgb.dtype != torch.uint8:
            raise ValueError(f"a frame must be a uint8 array of shape (height, width, 3), got {rgb.dtype}")
        rgb = np.asarray(rgb.cpu())
    check_rgb(rgb)
    # A copy: torch warns of arrays that are read-only.
    channels_first = np.array(_resized(rgb, size).transpose(2, 0, 1), order="C")
    return torch.from_numpy(channels_first).to(torch.float32).div_(255.0)


def _resized(rgb: np.ndarray, size: int) -> np.ndarray:
    if rgb.shape[:2] == (size, size):
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((size, size), Image.Resampling.BILINEAR))


def check_rgb(rgb: np.ndarray) -> None:
    """Raise ValueError unless ``rgb`` is a non-empty uint8 array of shape `(height, width, 3)`."""
    shape, dtype = tuple(getattr(rgb, "shape", ())), getattr(rgb, "dtype", type(rgb).__name__)
    if len(shape) != 3 or shape[-1] != 3 or 0 in shape or dtype != np.uint8:
        raise ValueError(
            f"a frame must be a uint8 array of shape (height, width, 3), red first; got {dtype} of shape {shape}"
        )


def as_waveform(waveform: Waveform) -> torch.Tensor:
    """Return ``waveform`` as a float32 tensor `(channels, samples)`; one dimension is taken as mono.

    Raises ValueError on another shape, on whole numbers, and on values that are not finite.
    """
    tensor = waveform if isinstance(waveform, torch.Tensor) else _from_numpy(np.asarray(waveform))
    if tensor.dim() == 1:
        tensor = tensor[None]
    if tensor.dim() != 2 or tensor.shape[0] == 0:
        raise ValueError(f"a waveform must have the shape (channels, samples), got {tuple(tensor.shape)}")
    if tensor.shape[0] > _MOST_CHANNELS:
        raise ValueError(
            f"a waveform has at most {_MOST_CHANNELS} channels, got {tensor.shape[0]} in the shape "
            f"{tuple(tensor.shape)}; it looks transposed, and (channels, samples) is expected"
        )
    if not tensor.is_floating_point():
        raise ValueError(f"a waveform must be floating point in [-1, 1], got {tensor.dtype}; divide int16 by 32768")
    if not torch.isfinite(tensor).all():
        raise ValueError("the waveform holds values that are not finite numbers; replace them by zeros first")
    return tensor.to(torch.float32)


def _from_numpy(array: np.ndarray) -> torch.Tensor:
    """Return ``array`` as a tensor, whatever its order of bytes and strides; torch refuses some and warns of others."""
    if array.dtype.kind not in "fiub":
        raise ValueError(f"a waveform must be floating point in [-1, 1], got {array.dtype}")
    array = np.asarray(array, array.dtype.newbyteorder("="), order="C")
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def spectrogram(waveform: Waveform | None, sample_rate: int, mel: MelSpec | None = None) -> torch.Tensor:
    """Return the normalised log-mel input `(mel.frames, mel.bins)` float32 of a clip's sound.

    The sound is taken at the rate it has: resample before where the weights want another (`resample`). It is the first
    channel's, or the loudest one's where that carries next to nothing (`loudness.sounding_channel`).

    Args:
        waveform: `(channels, samples)` in [-1, 1], or None where there is no sound: all padding, as is sound that is
            shorter than one analysis frame.
        sample_rate: Hz.
        mel: settings; AudioMAE's where None.

    Raises ValueError on a malformed waveform or a rate too low for the mel bins.
    """
    mel = mel or MelSpec()
    features = torch.zeros(mel.frames, mel.bins)
    if waveform is not None and np.prod(np.shape(waveform)) > 0:
        sound = as_waveform(waveform)
        channel = sounding_channel(sound.numpy(), sample_rate)
        if channel:  # the only one that carries the sound is taken as if it were the only one that there is
            sound = sound[channel : channel + 1]
        # The mean is of the whole clip and of all its channels, though only the first frames and the left one are used.
        columns = log_mel(sound[:1] - sound.mean(), sample_rate, mel, limit=mel.frames)
        features[: len(columns)] = columns
    return (features - mel.mean) / (2.0 * mel.std)


def resample(waveform: Waveform, from_rate: int, to_rate: int) -> torch.Tensor:
    """Return ``waveform`` `(channels, samples)` taken at ``from_rate`` (Hz) as sampled at ``to_rate`` (Hz), float32.

    Raises ValueError where a rate is not positive or the waveform is malformed.
    """
    if from_rate <= 0 or to_rate <= 0:
        raise ValueError(f"sample rates must be positive, got {from_rate} and {to_rate} Hz")
    sound = as_waveform(waveform)
    if from_rate == to_rate or sound.shape[1] == 0:
        return sound
    from torchaudio.functional import resample as sinc_resample

    ratio = Fraction(to_rate, from_rate)
    if max(ratio.numerator, ratio.denominator) > _LARGEST_RATIO_TERM:
        bound = _LARGEST_RATIO_TERM if ratio < 1 else int(_LARGEST_RATIO_TERM / ratio)
        ratio = ratio.limit_denominator(max(1, bound))
    return sinc_resample(sound, ratio.denominator, ratio.numerator)


def grey(rgb: np.ndarray) -> np.ndarray:
    """Return the luma of ``rgb`` three times, in the shape it came."""
    return np.asarray(Image.fromarray(rgb).convert("L").convert("RGB"))


def frame_inputs(crops: Sequence[np.ndarray], spec: InputSpec) -> torch.Tensor:
    """Return face crops, uint8, as `(k, 3, S, S)` in [0, 1]; where there are none at all, the whole window in black.

    Raises ValueError on malformed arrays.
    """
    size = spec.image_size
    if not len(crops):
        return torch.zeros(spec.num_frames, 3, size, size)
    return torch.stack([frame_to_tensor(grey(crop) if spec.color == "grey" else crop, size) for crop in crops])


def frame_pixels(crop: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Return one face crop as `(S, S, 3)` uint8, for a device that makes `frame_inputs` of it.

    One of that size is returned as it is. Another is resized as `frame_to_tensor` does it, after its colours are taken
    away where ``spec.color`` is "grey": the luma of grey pixels is themselves, so the device may take it once more.

    Raises ValueError on a malformed array.
    """
    check_rgb(crop)
    if crop.shape[:2] == (spec.image_size, spec.image_size):
        return crop
    return _resized(grey(crop) if spec.color == "grey" else crop, spec.image_size)


def sound_input(waveform: Waveform | None, sample_rate: int, spec: InputSpec) -> torch.Tensor:
    """Return `spectrogram` as `(1, 1, frames, bins)`, of sound resampled where ``spec.sample_rate`` (Hz) differs."""
    if waveform is not None:
        waveform = resample(waveform, sample_rate, spec.sample_rate)
    return spectrogram(waveform, spec.sample_rate, spec.mel)[None, None]


def model_inputs(
    crops: Sequence[np.ndarray], waveform: Waveform | None, sample_rate: int, spec: InputSpec
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the model takes: `(1, T, 3, S, S)` frames in [0, 1] and a `(1, 1, frames, bins)` spectrogram.

    Args:
        crops: the T = ``spec.num_frames`` face crops, sampled already, uint8; none at all gives black frames.
        waveform: `(channels, samples)`, or None where there is no sound: the constant of padding.
        sample_rate: of the waveform, Hz; resampled where ``spec.sample_rate`` differs.

    Raises ValueError on another number of crops and on malformed arrays.
    """
    if len(crops) not in (0, spec.num_frames):
        raise ValueError(f"expected {spec.num_frames} face crops or none, got {len(crops)}")
    return frame_inputs(crops, spec)[None], sound_input(waveform, sample_rate, spec)


def clip_inputs(
    crops: Sequence[np.ndarray], waveform: Waveform | None, sample_rate: int, spec: InputSpec
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `model_inputs` of one whole clip, all of whose face crops and sound are at hand: the data-set path.

    Args:
        crops: every face crop of the clip in order, uint8; the test-time rule picks ``spec.num_frames`` of them.
        waveform: the clip's whole sound `(channels, samples)`, or None.
        sample_rate: of the waveform, Hz.
    """
    picked = [crops[i] for i in frame_indices(len(crops), spec.num_frames)] if len(crops) else []
    return model_inputs(picked, waveform, sample_rate, spec)
