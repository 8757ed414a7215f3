from __future__ import annotations

import json
import warnings
import wave

import numpy as np
import pytest
import torch

from mmadfer.config import InputSpec, MelSpec
from mmadfer.preprocess import (
    as_waveform,
    clip_inputs,
    frame_indices,
    frame_to_tensor,
    model_inputs,
    resample,
    spectrogram,
)
from mmadfer.sound.logmel import LogMel, log_mel
from tests.support.made_media import tone

WAVS = ("mono16k_6s", "stereo44k_3s", "mono48k_5s", "mono22k_1s")


def read_wav(path):
    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return data.T.astype(np.float32) / 32768, file.getframerate()


def assert_close(ours, expected, tolerance):
    difference = np.abs(np.asarray(ours) - np.asarray(expected)).max()
    assert difference <= tolerance, f"largest difference {difference}, allowed {tolerance}"


def test_frame_indices_are_the_official_ones(golden):
    for count, indices in json.loads((golden / "test_indices.json").read_text()).items():
        assert frame_indices(int(count)) == indices, f"{count} frames"


@pytest.mark.parametrize("count", [0, -3])
def test_frame_indices_of_nothing(count):
    with pytest.raises(ValueError, match=f"at least 1, got {count}"):
        frame_indices(count)


@pytest.mark.parametrize("source", [224, 187])
@pytest.mark.parametrize("size", [112, 160, 224])
def test_frames_equal_the_official_transform(golden, source, size):
    data = np.load(golden / "frames.npz")
    assert_close(frame_to_tensor(data[f"source_{source}"], size), data[f"from{source}_to{size}"], 1 / 255)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        None,
    ],
)
def test_malformed_frames_are_refused(bad):
    with pytest.raises(ValueError, match=r"uint8 array of shape \(height, width, 3\)"):
        frame_to_tensor(bad, 112)


@pytest.mark.parametrize("name", WAVS)
@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_spectrogram_equals_the_official_loader(golden, name, convert):
    sound, rate = read_wav(golden / f"{name}.wav")
    assert_close(spectrogram(convert(sound), rate), np.load(golden / "fbank.npz")[name], 1e-4)


def test_only_the_left_channel_is_seen_but_all_set_the_mean():
    rate = 16_000
    stereo = tone(rate, 1.0, 2)
    other = np.stack([stereo[0], np.random.default_rng(0).uniform(-1, 1, rate).astype(np.float32)])
    other[1] += stereo[1].mean() - other[1].mean()
    assert_close(spectrogram(stereo, rate), spectrogram(other, rate), 1e-3)
    swapped = spectrogram(other[::-1].copy(), rate)
    assert (swapped - spectrogram(other, rate)).abs().max() > 0.1


@pytest.mark.parametrize("sound", [None, np.zeros((1, 0), np.float32), np.full((2, 100), 0.1, np.float32)])
def test_no_sound_and_too_little_is_all_padding(sound):
    assert_close(spectrogram(sound, 44_100), np.full((512, 128), 0.467), 1e-3)


def test_silence_is_not_padding():
    assert_close(spectrogram(np.zeros((1, 6 * 16_000), np.float32), 16_000), np.full((512, 128), -1.278), 1e-3)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 8])
def test_any_rate_and_channel_count_gives_finite_features(rate, channels):
    loud = np.clip(5 * tone(rate, 0.3, channels), -1, 1)  # clipped, as a microphone turned up too far
    features = spectrogram(loud, rate)
    assert features.shape == (512, 128) and features.dtype == torch.float32
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(value):
    sound = tone(16_000, 0.1)
    sound[0, 7] = value
    with pytest.raises(ValueError, match="not finite"):
        spectrogram(sound, 16_000)


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (np.zeros((1, 400), np.int16), "divide int16 by 32768"),
        (np.zeros((1, 1, 400), np.float32), r"shape \(channels, samples\)"),
    ],
)
def test_malformed_sound_is_refused(sound, message):
    with pytest.raises(ValueError, match=message):
        spectrogram(sound, 16_000)


def test_sound_of_any_strides_and_bytes_is_taken_without_a_warning():
    wave = np.linspace(-0.5, 0.5, 800, dtype=np.float32)[None]
    fixed = wave.copy()
    fixed.flags.writeable = False
    given = {"list": wave.tolist(), "read-only": fixed, "reversed": wave[:, ::-1].copy()[:, ::-1],
             "big-endian": wave.astype(">f4"), "double": wave.astype(np.float64)}  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, sound in given.items():
            np.testing.assert_array_equal(as_waveform(sound).numpy(), wave, err_msg=name)
            assert torch.equal(spectrogram(sound, 16_000), spectrogram(wave, 16_000)), name


def test_transposed_sound_is_refused():
    for sound in (np.zeros((65, 2), np.float32), torch.zeros(16_000, 2)):
        with pytest.raises(ValueError, match=r"at most 64 channels.*looks transposed.*\(channels, samples\)"):
            as_waveform(sound)


def test_frames_of_torch_and_read_only_ones():
    rgb = np.random.RandomState(0).randint(0, 256, (20, 24, 3), dtype=np.uint8)
    expected = frame_to_tensor(rgb, 16)
    assert torch.equal(frame_to_tensor(torch.from_numpy(rgb.copy()), 16), expected)
    fixed = rgb[:, ::-1]
    fixed.flags.writeable = False
    assert torch.equal(frame_to_tensor(fixed[:, ::-1], 16), expected)


@pytest.mark.parametrize("size", [16.5, "16", None, 0, -1])
def test_a_size_that_is_no_size_is_refused(size):
    with pytest.raises(ValueError, match="the size of a frame must be"):
        frame_to_tensor(np.zeros((16, 16, 3), np.uint8), size)


def test_too_low_a_rate_is_refused():
    with pytest.raises(ValueError, match="40 Hz is too low"):
        spectrogram(np.zeros((1, 400), np.float32), 40)


@pytest.mark.parametrize("name", WAVS)
@pytest.mark.parametrize("pieces", ["one sample", "uneven", "ten milliseconds", "halves"])
def test_growing_log_mel_is_bit_equal_to_the_whole(golden, name, pieces):
    sound, rate = read_wav(golden / f"{name}.wav")
    sound = sound[:, : int(1.1 * rate)]
    whole = log_mel(sound, rate)
    rng = np.random.default_rng(3)
    sizes = {
        "one sample": lambda: 1,
        "uneven": lambda: int(rng.integers(0, 4000)),
        "ten milliseconds": lambda: rate // 100,
        "halves": lambda: sound.shape[1] // 2 + 1,
    }[pieces]
    if pieces == "one sample":
        sound = sound[:, : int(0.36 * rate)]  # more than one block of analysis frames
        whole = log_mel(sound, rate)
    stream, columns, at = LogMel(rate), [], 0
    while at < sound.shape[1]:
        size = sizes()
        columns.append(stream.push(sound[:, at : at + size]))
        at += size
    grown = torch.cat(columns)
    assert len(grown) == len(whole) > 30
    assert torch.equal(grown, whole), f"largest difference {(grown - whole).abs().max()}"


def test_log_mel_agrees_with_one_call_of_kaldi(golden):
    from torchaudio.compliance.kaldi import fbank

    sound, rate = read_wav(golden / "mono16k_6s.wav")
    expected = fbank(
        torch.from_numpy(sound),
        htk_compat=True,
        sample_frequency=rate,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=128,
        dither=0.0,
        frame_shift=10,
    )
    assert_close(log_mel(sound, rate), expected, 1e-5)


def test_growing_log_mel_starts_anew_and_stays_small():
    stream = LogMel(16_000)
    sound = tone(16_000, 5.0)
    first = stream.push(sound)
    stream.push(sound[:, :777])
    stream.reset()
    assert torch.equal(stream.push(sound), first)
    assert stream._tail.numel() < 16_000 * 0.4


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000, 96_000, 192_000, 22_254])
def test_resampling_keeps_a_tone(rate):
    heard = resample(tone(rate, 1.0, 2), rate, 44_100)
    expected = tone(44_100, 1.0, 2)
    assert abs(heard.shape[1] - 44_100) <= 1
    middle = slice(4_000, 40_000)
    assert_close(heard[:, middle], expected[:, middle], 0.01)


def test_resampling_by_an_awkward_ratio_stays_small():
    heard = resample(tone(47_999, 1.0), 47_999, 44_100)
    assert_close(heard[:, 4_000:20_000], tone(44_100, 1.0)[:, 4_000:20_000], 0.01)


def test_equal_rates_change_nothing():
    sound = tone(44_100, 0.1)
    assert_close(resample(sound, 44_100, 44_100), sound, 0)
    with pytest.raises(ValueError, match="must be positive, got 0 and 44100"):
        resample(sound, 0, 44_100)


def crops(count, size=112):
    return [np.full((size, size, 3), (k, 2 * k, 255 - k), np.uint8) for k in range(count)]


def test_model_inputs_have_the_models_shapes_and_resample():
    spec = InputSpec(image_size=112)
    frames, features = model_inputs(crops(16), tone(48_000, 3.0, 2), 48_000, spec)
    assert frames.shape == (1, 16, 3, 112, 112) and features.shape == (1, 1, 512, 128)
    assert_close(frames[0, 5, :, 0, 0], np.array([5, 10, 250]) / 255, 1e-6)
    assert_close(features[0, 0], spectrogram(resample(tone(48_000, 3.0, 2), 48_000, 44_100), 44_100), 0)


def test_missing_modalities_are_black_and_padding():
    spec = InputSpec(image_size=112)
    frames, features = model_inputs([], None, 0, spec)
    assert frames.abs().max() == 0
    assert_close(features, np.full((1, 1, 512, 128), MelSpec().padding), 1e-6)
    with pytest.raises(ValueError, match="expected 16 face crops or none, got 3"):
        model_inputs(crops(3), None, 0, spec)


def test_grey_input_repeats_one_channel():
    frames, _ = model_inputs(crops(16), None, 0, InputSpec(image_size=112, color="grey"))
    assert torch.equal(frames[:, :, 0], frames[:, :, 1]) and torch.equal(frames[:, :, 0], frames[:, :, 2])
    assert_close(frames[0, 9, 0, 0, 0] * 255, 0.299 * 9 + 0.587 * 18 + 0.114 * 246, 1)


def test_a_whole_clip_is_sampled_by_the_test_time_rule():
    spec = InputSpec(image_size=112)
    frames, _ = clip_inputs(crops(70), None, 0, spec)
    assert (frames[0, :, 0, 0, 0] * 255).round().int().tolist() == frame_indices(70)
    assert clip_inputs([], None, 0, spec)[0].abs().max() == 0
