"""Sources on the server's side: a clip at its own pace, a camera that comes and goes; and the command line."""

from __future__ import annotations

import argparse
import dataclasses
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from demo import live
from demo.app import App
from demo.session.protocol import HEADER, Kind
from demo.session.session import Session
from mmadfer.config import InputSpec
from mmadfer.media.media_file import AudioChunk, MediaFile, VideoFrame
from mmadfer.sources.clip import ClipSource
from mmadfer.sources.local import CAMERA_GONE, Camera, Microphone
from mmadfer.sources.opening import open_source
from tests.support.fake_sources import FakeCamera, Recorded
from tests.support.live import FollowingRecognizer
from tests.support.waiting import until


def play(clip: Path, seconds: float, work: float = 0.0) -> Recorded:
    recorded, source = Recorded(work), ClipSource(clip)
    source.start(recorded)  # type: ignore[arg-type]
    time.sleep(seconds)
    source.close()
    return recorded


def test_a_clip_loops_at_its_own_pace_with_unbroken_sound(clips: Path) -> None:
    got = play(clips / "derived_asl_sorry_jfk_2s_48k.mp4", 5.5)
    times = np.array([frame.time for _, frame in got.frames])
    assert (len(times) - 1) / (times[-1] - times[0]) == pytest.approx(30, abs=4)
    late = np.array([arrival for arrival, _ in got.frames]) - times
    assert np.median(late) < 0.05, f"frames came {np.median(late):.3f} s late in the median"
    assert [frame.sequence for _, frame in got.frames] == list(range(len(times)))
    ends = [s.index + s.samples.shape[1] for s in got.sounds]
    assert [s.index for s in got.sounds[1:]] == ends[:-1]
    assert ends[-1] / 48_000 == pytest.approx(5.5, abs=0.7)


def test_a_clip_knows_how_far_it_was_at_any_moment(clips: Path) -> None:
    source, recorded = ClipSource(clips / "derived_asl_sorry_jfk_2s_48k.mp4"), Recorded()
    before = time.monotonic()
    source.start(recorded)
    assert until(lambda: len(recorded.frames) > 100, 10)
    source.close()
    times = [frame.time for _, frame in recorded.frames]
    positions = [source.position(moment) for moment in times]
    assert source.name == "derived_asl_sorry_jfk_2s_48k.mp4" and source.position(before - 1) is None
    assert all(position is not None and 0 <= position < 2.6 for position in positions)
    steps = np.diff(positions)
    begun_anew = steps < 0
    assert begun_anew.sum() in (1, 2)
    assert np.allclose(steps[~begun_anew], np.diff(times)[~begun_anew], atol=1e-6)


def test_a_slow_consumer_gets_fewer_frames_and_no_drift(clips: Path) -> None:
    got = play(clips / "intel_asl_sorry.mkv", 4.0, work=0.15)
    lags = [arrival - frame.time for arrival, frame in got.frames]
    assert len(got.frames) < 4 * 12
    assert max(lags[len(lags) // 2 :]) < 0.35, f"frames came up to {max(lags):.2f} s late"
    assert got.states[0] == {"camera": "", "microphone": "The clip has no sound"}


def test_sound_alone_is_a_source_too(clips: Path) -> None:
    got = play(clips / "jfk.flac", 1.0)
    assert not got.frames and got.sounds
    assert got.states[0]["camera"] == "The clip has no video"


def test_a_clip_that_cannot_be_read_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no clip")
    with pytest.raises(ValueError, match=r"clip\.mp4"):
        open_source(str(tmp_path / "clip.mp4"))


def test_a_watched_clip_sends_its_frames_with_their_boxes(clips: Path) -> None:
    session, sent = Session(InputSpec(image_size=112), preview=True), []
    session.send = lambda *messages, slot=None: sent.append(messages)  # type: ignore[assignment, misc]
    source = ClipSource(clips / "pyfeat_single_face.mp4")
    source.start(session)
    assert until(lambda: sum(len(m) == 2 for m in sent) > 5, 20)
    source.close()
    session.stop()
    words, picture = next(m for m in reversed(sent) if len(m) == 2)
    kind, moment, sequence = HEADER.unpack_from(picture)
    assert (kind, moment, sequence) == (Kind.PREVIEW, words["time"], words["sequence"])
    assert words["box"] is not None
    assert picture[HEADER.size :].startswith(b"\xff\xd8")


def given(source: ClipSource, duration: float, *items: VideoFrame | AudioChunk) -> None:
    """Let ``source`` play ``items`` under a header that says ``duration`` (s)."""

    class Made(MediaFile):
        def packets(self) -> Iterator[VideoFrame | AudioChunk]:
            return iter(items)

    fields = {f.name: getattr(source._media, f.name) for f in dataclasses.fields(MediaFile)}
    source._media = Made(**{**fields, "duration": duration})


def still(moment: float) -> VideoFrame:
    return VideoFrame(moment, np.full((48, 64, 3), 90, np.uint8))


def test_a_clip_cut_short_starts_anew_soon_after_its_last_frame(clips: Path) -> None:
    source, recorded = ClipSource(clips / "derived_asl_sorry_jfk_2s_48k.mp4"), Recorded()
    given(source, 60.0, AudioChunk(0.0, np.ones((1, 4_800), np.float32), 48_000), still(0.0), still(0.1))
    source.start(recorded)  # type: ignore[arg-type]
    assert until(lambda: len(recorded.frames) > 4, 5), "the clip waits for what its header promises"
    source.close()
    assert max(s.samples.shape[1] for s in recorded.sounds) <= 24_000


def test_silence_comes_as_it_passes(clips: Path) -> None:
    source, recorded = ClipSource(clips / "derived_asl_sorry_jfk_2s_48k.mp4"), Recorded()
    given(source, 3.0, still(0.0), still(3.0))
    source.start(recorded)  # type: ignore[arg-type]
    assert until(lambda: recorded.sounds)
    time.sleep(1.0)
    source.close()
    ends = [s.index + s.samples.shape[1] for s in recorded.sounds]
    assert 30_000 < ends[-1] < 3 * 48_000 and [0, *ends[:-1]] == [s.index for s in recorded.sounds]


def test_a_clip_that_fails_says_so_and_is_tried_again(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmadfer.sources.clip.RETRY", 0.1)
    source, recorded, tries = ClipSource(clips / "derived_asl_sorry_jfk_2s_48k.mp4"), Recorded(), []
    packets = MediaFile.packets

    def broken_twice(media: MediaFile) -> Iterator[VideoFrame | AudioChunk]:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise (OSError, ValueError)[len(tries) - 1]("the disk has gone")
        return packets(media)

    monkeypatch.setattr(MediaFile, "packets", broken_twice)
    source.start(recorded)  # type: ignore[arg-type]
    assert until(lambda: recorded.frames and recorded.states[-1]["camera"] == "", 10)
    source.close()
    words = [state["camera"] for state in recorded.states]
    assert "the disk has gone" in words[1] and "the disk has gone" in words[2]
    assert tries[1] - tries[0] > 0.09
    assert recorded.frames[0][0] - recorded.frames[0][1].time < 0.5


def test_a_camera_is_tried_again_when_it_is_missing_and_when_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmadfer.sources.local.RETRY", 0.05)
    cameras = [FakeCamera(0), FakeCamera(3), FakeCamera(0), FakeCamera(5)]
    waiting, opened, recorded, stop = iter(cameras), [], Recorded(), threading.Event()

    def open_camera() -> FakeCamera:
        opened.append(next(waiting, FakeCamera(0)))
        return opened[-1]

    thread = threading.Thread(target=Camera(recorded, stop, open_camera).run)  # type: ignore[arg-type]
    thread.start()
    assert until(lambda: len(opened) > 4)
    stop.set()
    thread.join(5)
    words = [state["camera"] for state in recorded.states]
    assert words[:5] == ["No camera found on this machine", "", CAMERA_GONE, CAMERA_GONE, ""]
    assert [frame.sequence for _, frame in recorded.frames] == list(range(8))
    assert recorded.frames[0][1].image[0, 0].tolist() == [0, 0, 255]  # type: ignore[index, union-attr]
    assert all(camera.released for camera in opened)


def test_sound_lost_by_the_sound_card_shows_as_a_jump_of_the_index() -> None:
    recorded = Recorded()
    microphone = Microphone(recorded, threading.Event())  # type: ignore[arg-type]
    fine, overflow = argparse.Namespace(input_overflow=False), argparse.Namespace(input_overflow=True)
    block = np.zeros((480, 2), np.float32)
    for adc, status in ((1.0, fine), (1.01, fine), (1.52, overflow), (1.53, fine), (1.57, fine), (2.08, fine)):
        microphone.take(block, adc, adc, status, 48_000)
    # 0.5 s lost and told, 30 ms of jitter, 0.5 s lost and not told
    assert [sound.index for sound in recorded.sounds] == [0, 480, 24_960, 25_440, 25_920, 51_840]
    assert recorded.sounds[0].samples.shape == (2, 480)


@pytest.mark.parametrize("shape", [(1, 2), (480, 1), (480, 2)])
def test_sound_stays_what_it_was_when_the_sound_cards_buffer_is_used_again(shape: tuple[int, int]) -> None:
    recorded, buffer = Recorded(), np.full(shape, 0.5, np.float32)
    microphone = Microphone(recorded, threading.Event())  # type: ignore[arg-type]
    microphone.take(buffer, 1.0, 1.0, argparse.Namespace(input_overflow=False), 48_000)
    buffer[:] = 1e31
    assert (recorded.sounds[0].samples == 0.5).all()
    assert recorded.sounds[0].samples.shape == shape[::-1]


def test_a_jump_of_the_sound_cards_clock_does_not_silence_the_microphone() -> None:
    session = Session(InputSpec(image_size=112))
    microphone = Microphone(session, threading.Event())
    fine, block = argparse.Namespace(input_overflow=False), np.full((48_000, 1), 0.5, np.float32)
    for captured, adc in ((10.0, 10.0), (11.0, 500.0), (14.0, 503.0)):
        microphone.take(block, captured, adc, fine, 48_000)
    assert until(lambda: session.counters.sound_seconds == 3.0)
    view = session.window()
    session.stop()
    assert view is not None and view.end == pytest.approx(15.0)
    assert session.counters.index_gaps == 1


BAD_ARGUMENTS = {
    "no such file": (["--source", "nowhere.mp4"], "no file nowhere.mp4"),
    "camera to everyone": (["--source", "local", "--share"], "--share"),
    "port": (["--port", "99999"], "--port must be 1 to 65535"),
    "port in words": (["--port", "http"], "--port"),
    "sessions": (["--max-sessions", "0"], "--max-sessions must be 1 or more"),
    "no face": (["--faces", "0"], "--faces must be 1 to 4"),
    "too many faces": (["--faces", "5"], "--faces must be 1 to 4"),
    "faces in words": (["--faces", "all"], "--faces"),
    "smoothing": (["--smoothing", "nan"], "--smoothing must be 0 to 60"),
    "weights": (["--weights", "nowhere.pth"], "nowhere.pth"),
    "empty weights": (["--weights", ""], "--weights must name"),
    "backend": (["--backend", "abacus"], "'openvino'"),
    "precision": (["--precision", "fp8"], "'bf16'"),
    "device": (["--device", "tpu"], "choose auto, cpu, cuda or cuda:N"),
    "host": (["--host", "nowhere.invalid"], "'nowhere.invalid' is not known"),
    "another machine's host": (["--host", "192.0.2.1"], "name an address of this machine"),
    "unknown": (["--nonsense"], "--nonsense"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_wrong_arguments_end_with_one_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = live.main(arguments)
    except SystemExit as error:
        code = int(error.code or 0)
    said = capsys.readouterr().err
    assert code == 2
    assert words in said and said.count("\n") == 1, said


def test_a_port_that_is_taken_ends_with_one_sentence_before_anything_starts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App(load=FollowingRecognizer)
    port = app.launch().rstrip("/").rsplit(":", 1)[1]
    monkeypatch.delattr("demo.app.App")
    try:
        assert live.main(["--port", port]) == 2
    finally:
        app.close()
    said = capsys.readouterr().err
    assert f"--port {port} is taken" in said and "Traceback" not in said


def test_help_names_every_option_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        live.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for option in ("source", "weights", "device", "backend", "host", "port", "share", "max-sessions", "smoothing"):
        assert f"--{option}" in said
    assert "default: 4" in said and "seconds" in said
