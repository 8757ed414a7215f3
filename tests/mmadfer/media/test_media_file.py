from __future__ import annotations

import shutil
import tracemalloc

import av
import numpy as np
import pytest

from mmadfer.media.media_file import AudioChunk, VideoFrame, open_media
from tests.support.made_media import gradient, tone, write_media


def times(count, fps=25.0):
    return [(k / fps, gradient(64, 48)) for k in range(count)]


@pytest.mark.parametrize(
    ("name", "video", "audio", "size", "rate", "frames"),
    [
        ("pyfeat_single_face.mp4", True, True, (640, 360), 44_100, 72),
        ("derived_asl_sorry_jfk_2s_48k.mp4", True, True, (640, 480), 48_000, 73),
        ("pyfeat_face_noface.mov", True, True, (960, 540), 44_100, 169),
        ("intel_asl_yes.mkv", True, False, (640, 480), 0, 65),
        ("jfk.flac", False, True, (0, 0), 44_100, 0),
        ("obama.jpg", True, False, (910, 1137), 0, 1),
    ],
)
def test_real_files_hold_what_ffprobe_counts(clips, name, video, audio, size, rate, frames):
    file = open_media(clips / name)
    assert (file.has_video, file.has_audio) == (video, audio)
    assert ((file.width, file.height), file.sample_rate) == (size, rate)
    assert sum(1 for _ in file.frames()) == frames
    assert (file.read_audio() is not None) == audio
    assert file.duration > 0


def test_sound_is_read_at_its_own_rate_and_scale(tmp_path):
    for rate in (8_000, 16_000, 44_100, 48_000, 96_000):
        for channels in (1, 2, 8):
            wave = tone(rate, 0.5, channels)
            file = open_media(write_media(tmp_path / f"{rate}_{channels}.mkv", waveform=wave, sample_rate=rate))
            assert (file.sample_rate, file.channels, file.has_video) == (rate, channels, False)
            heard = file.read_audio()
            difference = np.abs(heard - wave).max()
            assert difference < 1 / 32768, f"{rate} Hz, {channels} channels: largest difference {difference}"
            assert heard.dtype == np.float32


def test_one_frame(tmp_path):
    file = open_media(write_media(tmp_path / "one.mp4", times(1)))
    assert [time for time, _ in file.frames()] == [0.0]
    assert list(file.audio()) == [] and file.read_audio() is None


def test_uneven_frame_times_are_kept(tmp_path):
    uneven = [0.0, 0.03, 0.5, 0.52, 0.9, 2.0]
    file = open_media(write_media(tmp_path / "vfr.mp4", [(t, gradient(64, 48)) for t in uneven]))
    np.testing.assert_allclose([time for time, _ in file.frames()], uneven, atol=1e-3)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotation_metadata_is_honoured(tmp_path, turn):
    picture = gradient(96, 64)
    file = open_media(write_media(tmp_path / "phone.mp4", [(0.0, picture)], rotation=turn))
    expected = np.rot90(picture, turn // 90)  # both counter-clockwise
    (_, rgb), *_ = file.frames()
    assert (file.height, file.width) == expected.shape[:2] == rgb.shape[:2]
    difference = np.abs(rgb.astype(int) - expected).mean()
    assert difference < 10, f"mean difference from the turned picture {difference:.1f}"


def test_a_4k_file_streams_in_bounded_memory(tmp_path):
    frames = ((k / 25, gradient(3840, 2160)) for k in range(12))
    file = open_media(write_media(tmp_path / "4k.mp4", frames))
    assert (file.width, file.height) == (3840, 2160)
    tracemalloc.start()
    count = sum(1 for _ in file.packets())
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert count == 12
    assert peak < 4 * 3840 * 2160 * 3 / 2**20, f"peak {peak:.0f} MiB"


def test_packets_come_in_time_order_and_hold_everything(clips):
    file = open_media(clips / "derived_face_jfk_6s_44k.mp4")
    packets = list(file.packets())
    stamps = [p.time for p in packets]
    assert stamps == sorted(stamps)
    assert sum(isinstance(p, VideoFrame) for p in packets) == 196
    sound = np.concatenate([p.waveform for p in packets if isinstance(p, AudioChunk)], axis=1)
    np.testing.assert_array_equal(sound, file.read_audio())


def test_late_sound_keeps_its_time(tmp_path):
    path = write_media(tmp_path / "late.mkv", times(50), tone(16_000, 1.0), 16_000, audio_start=0.8)
    assert next(open_media(path).audio())[0] == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("name", "seconds"), [("intel_asl_thanks.mkv", 1.7), ("intel_asl_yes.mkv", 2.2)])
def test_the_length_of_pictures_that_are_stored_out_of_order(clips, name, seconds):
    assert open_media(clips / name).duration == pytest.approx(seconds, abs=0.002)


def test_duration_without_a_header(tmp_path):
    # As a browser records: written as it comes, so that the header cannot hold a duration.
    path = write_media(tmp_path / "live.mkv", times(55), tone(16_000, 2.2), 16_000, options={"live": "1"})
    with av.open(str(path)) as written:
        assert written.duration is None, "the file made for this test has a duration"
    assert open_media(path).duration == pytest.approx(2.2, abs=0.1)


def test_a_cover_picture_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(gradient(64, 48), format="rgb24").reformat(format="yuvj420p")
        container.mux(cover.encode(picture))
        container.mux(cover.encode())
        for k in range(16):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            block.sample_rate, block.pts = 16_000, 1024 * k
            container.mux(sound.encode(block))
        container.mux(sound.encode())
    with av.open(str(path)) as written:
        flag = written.streams.video[0].disposition & av.stream.Disposition.attached_pic
        assert flag, "the file made for this test has no cover"
    file = open_media(path)
    assert file.has_audio and not file.has_video and list(file.frames()) == []


def test_wrong_paths(tmp_path, clips):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*gone\.mp4"):
        open_media(tmp_path / "gone.mp4")
    with pytest.raises(ValueError, match="is not a file"):
        open_media(tmp_path)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match=r"empty\.mp4 is empty \(0 bytes\)"):
        open_media(tmp_path / "empty.mp4")
    with pytest.raises(ValueError, match=r"SOURCES\.md cannot be read as video or sound"):
        open_media(clips / "SOURCES.md")


def test_a_cut_mp4_is_refused_and_a_cut_mkv_ends_early(tmp_path, clips):
    for name in ("pyfeat_single_face.mp4", "intel_asl_yes.mkv"):
        data = (clips / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="damaged or cut short"):
        open_media(tmp_path / "pyfeat_single_face.mp4")
    count = sum(1 for _ in open_media(tmp_path / "intel_asl_yes.mkv").frames())
    assert 10 < count < 65


def test_damage_in_the_middle_is_left_out_and_logged(tmp_path, clips, caplog):
    path = tmp_path / "damaged.mp4"
    shutil.copy(clips / "derived_face_jfk_6s_44k.mp4", path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    path.chmod(0o644)
    path.write_bytes(data)
    file = open_media(path)
    assert 150 < sum(1 for _ in file.frames()) <= 196
    assert file.read_audio().shape[1] > 100_000


def test_random_bytes_never_raise_anything_but_value_errors(tmp_path, clips):
    rng = np.random.default_rng(1)
    good = (clips / "intel_asl_thanks.mkv").read_bytes()
    for k in range(20):
        data = bytearray(good)
        for place in rng.integers(0, len(data), 200 * (1 + k)):
            data[place] = rng.integers(0, 256)
        path = tmp_path / f"{k}.mkv"
        path.write_bytes(data)
        try:
            file = open_media(path)
        except ValueError as error:
            assert str(path) in str(error)
            continue
        for _ in file.packets():
            pass
