"""The test that matters most: what the model sees live is, to the bit, what it is trained on."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from mmadfer.config import InputSpec
from mmadfer.faces.tracker import FaceTracker, crop
from mmadfer.media.media_file import AudioChunk, VideoFrame, open_media
from mmadfer.preprocess import clip_inputs, model_inputs
from mmadfer.stream.window import AVWindow

CLIPS = [
    "derived_face_jfk_6s_44k.mp4",  # 6.5 s, longer than the window
    "derived_asl_sorry_jfk_2s_48k.mp4",  # 48 kHz, resampled for weights of 44.1 kHz
    "pyfeat_single_face.mp4",
    "pyfeat_face_noface.mov",  # the face leaves, the sound begins late
    "intel_asl_yes.mkv",  # no sound
    "jfk.flac",  # no picture
]


def spec_for(seconds, sample_rate=44_100, level_eyes=True):
    return InputSpec(image_size=112, window_seconds=seconds, sample_rate=sample_rate, level_eyes=level_eyes)


@functools.cache
def data_set_crops(path, level_eyes):
    """Return (time, face crop) of each frame of a file that shows a face."""
    spec = spec_for(3.0, level_eyes=level_eyes)
    tracker = FaceTracker(spec)
    followed = [(time, rgb, tracker.update(rgb, time)) for time, rgb in open_media(path).frames()]
    tracker.close()
    return [(time, crop(rgb, face.box, spec.image_size)) for time, rgb, face in followed if face is not None]


def data_set_inputs(path, spec, start, end):
    """Return the tensors of a file's (``start``, ``end``] as a data set makes them: everything at hand at once."""
    file = open_media(path)
    crops = [picture for time, picture in data_set_crops(path, spec.level_eyes) if start < time <= end]
    sound = file.read_audio()
    if sound is not None:
        begins = next(file.audio())[0]
        last = round((end - begins) * file.sample_rate)
        length = round((end - start) * file.sample_rate)
        sound = sound[:, max(0, last - length) : max(0, last)]
    return clip_inputs(crops, sound, file.sample_rate, spec)


def pieces(path, sizes, seed=0):
    """Yield the file frame by frame, its sound cut anew into pieces of ``sizes`` samples, each before its frames."""
    rng = np.random.default_rng(seed)
    index = 0
    for packet in open_media(path).packets():
        if isinstance(packet, VideoFrame):
            yield packet
            continue
        at = 0
        while at < packet.waveform.shape[1]:
            size = int(rng.choice(sizes))
            time = packet.time + at / packet.sample_rate
            yield index + at, AudioChunk(time, packet.waveform[:, at : at + size], packet.sample_rate)
            at += size
        index += packet.waveform.shape[1]


def live_inputs(path, spec, end, sizes):
    """Return the tensors of the window that ends at ``end``, pushed as camera and microphone would."""
    window = AVWindow(spec)
    try:
        for item in pieces(path, sizes):
            if isinstance(item, VideoFrame):
                if item.time > end:
                    break
                window.push_frame(item.time, item.rgb)
            else:
                index, chunk = item
                window.push_audio(chunk.waveform, chunk.sample_rate, chunk.time, index)
        view = window.window(end)
        return model_inputs(view.crops, view.waveform, view.sample_rate, spec)
    finally:
        window.close()


def assert_equal(live, trained):
    for name, ours, expected in zip(("frames", "spectrogram"), live, trained, strict=True):
        assert torch.equal(ours, expected), f"{name}: largest difference {(ours - expected).abs().max()}"


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("sizes", [(1, 2, 7, 160), (1, 333, 1024, 48_000)], ids=str)
def test_a_whole_clip(clips, name, sizes):
    end = open_media(clips / name).duration + 0.1
    spec = spec_for(12.0)
    live = live_inputs(clips / name, spec, end, sizes)
    assert_equal(live, data_set_inputs(clips / name, spec, end - 12.0, end))
    has_face, has_sound = name != "jfk.flac", name != "intel_asl_yes.mkv"
    assert bool(live[0].any()) == has_face and (live[1].std() > 0.01) == has_sound


@pytest.mark.parametrize("sample_rate", [44_100, 48_000, 16_000])
@pytest.mark.parametrize("end", [2.0, 4.4, 6.21])
def test_a_later_window_of_a_longer_clip(clips, end, sample_rate):
    path, spec = clips / "derived_face_jfk_6s_44k.mp4", spec_for(3.0, sample_rate)
    live = live_inputs(path, spec, end, (1, 100, 441, 5_000))
    assert_equal(live, data_set_inputs(path, spec, end - 3.0, end))


@pytest.mark.parametrize("level_eyes", [True, False])
def test_a_window_in_which_the_face_leaves(clips, level_eyes):
    path, spec = clips / "pyfeat_face_noface.mov", spec_for(3.0, level_eyes=level_eyes)
    live = live_inputs(path, spec, 3.6, (64, 1024))
    assert_equal(live, data_set_inputs(path, spec, 0.6, 3.6))


def test_the_comparison_notices_one_lost_sample_and_one_lost_frame(clips):
    path, spec = clips / "pyfeat_single_face.mp4", spec_for(2.0)
    trained = data_set_inputs(path, spec, 0.3, 2.3)
    window = AVWindow(spec)
    frames = [p for p in open_media(path).packets() if isinstance(p, VideoFrame) and p.time <= 2.3]
    for frame in frames[:-1]:
        window.push_frame(frame.time, frame.rgb)
    sound = open_media(path).read_audio()
    window.push_audio(np.delete(sound, 60_000, axis=1), 44_100, 0.0)
    view = window.window(2.3)
    window.close()
    live = model_inputs(view.crops, view.waveform, view.sample_rate, spec)
    assert not torch.equal(live[0], trained[0])
    assert not torch.equal(live[1], trained[1])
