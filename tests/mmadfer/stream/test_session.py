"""`EmotionStream`: frames and sound in, answers out; live or over what was recorded, each apart from the others."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
import time
import weakref
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmadfer
from mmadfer.media.media_file import AudioChunk, VideoFrame, open_media
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.stream.hops import file_windows
from mmadfer.stream.session import CLOSED
from mmadfer.types import State
from tests.support.live import FollowingRecognizer
from tests.support.waiting import until

RATE = 16_000
CLIP = "derived_face_jfk_6s_44k.mp4"
GREY = np.full((48, 64, 3), 128, np.uint8)


class Follower(FollowingRecognizer):
    """A recogniser whose `stream` is the real one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._closed, self._worker, self._lock, self._live = False, None, threading.Lock(), weakref.WeakSet()

    stream = EmotionRecognizer.stream
    _shared_worker = EmotionRecognizer._shared_worker

    def close(self) -> None:
        if self._worker is not None:
            self._worker.stop()


@pytest.fixture
def recognizer():
    made = Follower(image_size=32)
    yield made
    made.close()


@pytest.fixture(scope="module")
def starter():
    made = EmotionRecognizer.from_pretrained(backend="pytorch", device="cpu", precision="fp32")
    yield made
    made.close()


def feed(stream: mmadfer.EmotionStream, seconds: float = 1.0, start: float = 100.0, level: int = 128) -> None:
    """Push frames and sound of so many seconds, one after the other as a camera would, in real time."""
    for number in range(round(15 * seconds)):
        if stream.closed:
            return
        moment = start + number / 15
        stream.push_frame(moment, np.full((48, 64, 3), level, np.uint8))
        stream.push_audio(np.full(RATE // 15, 0.1, np.float32), RATE, moment)
        time.sleep(1 / 15)


def test_what_is_pushed_is_answered_by_callback_iteration_and_latest(recognizer):
    seen = []
    with recognizer.stream(on_result=seen.append) as stream:
        assert stream.latest() is None
        feed(stream, 1.0)
        first = next(stream)
        assert until(lambda: stream.latest() and stream.latest().time > 100.9)
        assert seen and seen[0] == first and seen[-1] == stream.latest()
    rest = list(stream)  # what waits can still be read after the end, and then it ends
    assert [first, *rest] == seen


def test_a_live_stream_gives_the_models_own_answer_to_its_newest_window(starter, clips):
    file = open_media(clips / CLIP)
    with starter.stream(exact=True) as stream:
        for packet in file.packets():
            if isinstance(packet, VideoFrame):
                stream.push_frame(packet.time, packet.rgb)
                while stream.intake._frame is not None:
                    time.sleep(0.001)  # so that none replaces another, and the windows are equal
            else:
                stream.push_audio(packet.waveform, packet.sample_rate, packet.time)
        assert until(lambda: stream.latest() is not None and stream.window().end == stream.latest().time)
        found = stream.latest()
    windows = file_windows(file, starter.spec, found.time)
    expected = starter.predict(next(windows))
    off = max(abs(found.probabilities[k] - v) for k, v in expected.probabilities.items())
    assert found.time == pytest.approx(expected.time) and off < 1e-6, f"off by {off:.1e}"
    assert found.states == expected.states


def test_files_and_what_they_hold_get_the_same_answers(starter, clips):
    expected = starter.predict_file(clips / CLIP, hop=0.5)
    packets = open_media(clips / CLIP).packets()
    for source in (clips / CLIP, str(clips / CLIP), [clips / CLIP], packets):
        with starter.stream(source, exact=True, hop=0.5) as stream:
            found = [(p.time, p.probabilities) for p in stream]
        assert found[:11] == [(p.time, p.probabilities) for p in expected[:11]]
    with starter.stream([clips / CLIP, clips / "jfk.flac"], hop=1.0) as stream:
        names = [(Path(stream.current).name, p.time, State.NO_FACE in p.states) for p in stream]
    assert names[0] == (CLIP, 1.0, False)
    assert next(name for name in names if name[0] == "jfk.flac") == ("jfk.flac", 1.0, True)


def test_a_recorded_stream_can_leave_a_file_early_and_tells_its_progress(starter, clips):
    steps: list[tuple[float, ...]] = []
    files = [clips / CLIP, clips / "jfk.flac"]
    with starter.stream(files, hop=1.0, progress=lambda *done: steps.append(done)) as stream:
        assert next(stream).time == 1.0
        stream.reset()
        assert State.NO_FACE in next(stream).states
        assert stream.latest().time == 1.0
    assert steps[0] == (1.0, pytest.approx(6.5, abs=0.1))
    assert list(stream) == []


def test_async_for_reads_live_and_recorded_streams_beside_other_work(recognizer, clips):
    async def main():
        ticks, live, recorded = 0, [], []

        async def watch(stream, found, count):
            async for prediction in stream:
                found.append(prediction.time)
                if len(found) == count:
                    break

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        with recognizer.stream() as pushed, recognizer.stream(clips / CLIP, hop=1.0) as file:
            pusher = asyncio.create_task(asyncio.to_thread(feed, pushed, 1.5))
            ticking = asyncio.create_task(tick())
            await asyncio.wait_for(asyncio.gather(watch(pushed, live, 4), watch(file, recorded, 99)), 60)
            await pusher
            ticking.cancel()
        assert len(live) == 4 and recorded[:3] == [1.0, 2.0, 3.0] and ticks > 20
        async for _ in pushed:  # closed: what waits, and then the end
            pass
        assert await anext_or_none(file) is None

    async def anext_or_none(stream):
        try:
            return await stream.__anext__()
        except StopAsyncIteration:
            return None

    asyncio.run(main())


def test_waiting_ends_when_the_stream_is_closed_elsewhere(recognizer):
    stream = recognizer.stream()
    threading.Timer(0.2, stream.close).start()
    assert list(stream) == []

    async def wait():
        other = recognizer.stream()
        threading.Timer(0.2, other.close).start()
        return [p async for p in other]

    assert asyncio.run(asyncio.wait_for(wait(), 10)) == []


def test_closing_twice_is_closing_once_and_using_after_is_one_sentence(recognizer, clips):
    live, file = recognizer.stream(), recognizer.stream(clips / CLIP)
    for stream in (live, file):
        stream.close()
        stream.close()
        assert list(stream) == []
        for use in (lambda s=stream: s.push_frame(1.0, GREY), lambda s=stream: s.push_audio(np.zeros(9), RATE)):
            with pytest.raises(ValueError, match=f"^{re.escape(CLOSED)}$"):
                use()
    with pytest.raises(ValueError, match="this stream is closed"):
        live.reset()
    with pytest.raises(ValueError, match="reads from a source"):
        recognizer.stream(clips / CLIP).push_frame(1.0, GREY)


@pytest.mark.parametrize(
    ("push", "words"),
    [
        (lambda s: s.push_frame(1.0, GREY.astype(np.float32)), "uint8"),
        (lambda s: s.push_frame(1.0, GREY[..., 0]), "height"),
        (lambda s: s.push_frame(float("nan"), GREY), "finite"),
        (lambda s: s.push_audio(np.zeros((2, 3, 4)), RATE), "channels"),
        (lambda s: s.push_audio(np.zeros(4), 0), "0 Hz"),
        (lambda s: s.push_audio(np.zeros(4), RATE, float("inf")), "finite"),
    ],
)
def test_malformed_input_is_refused_at_once_and_the_stream_goes_on(push, words, recognizer):
    with recognizer.stream() as stream:
        with pytest.raises(ValueError, match=words):
            push(stream)
        feed(stream, 0.3)
        assert next(stream).time >= 100


def test_frames_out_of_order_are_left_out(recognizer):
    with recognizer.stream() as stream:
        for moment in (5.0, 4.0, 6.0, 5.5):
            stream.push_frame(moment, GREY)
            assert until(lambda: stream.intake._frame is None)
        assert until(lambda: stream.latest() and stream.latest().time == 6.0)
        assert stream.intake.window.frames_in == 4
    assert all(a.time <= b.time for a, b in itertools.pairwise(stream))


def test_sound_that_is_no_number_is_a_gap_and_not_an_answer_of_noise(recognizer):
    with recognizer.stream() as stream:
        for number in range(10):
            piece = np.full(RATE // 10, np.nan if number == 5 else 0.1, np.float32)
            stream.push_audio(piece, RATE, 10 + number / 10)
        assert until(lambda: stream.latest() and stream.latest().time == pytest.approx(11.0))
        assert State.SOUND_GAP in stream.latest().states
        assert np.isfinite(list(stream.latest().probabilities.values())).all()


def test_sound_far_faster_than_in_real_time_is_refused(recognizer):
    with recognizer.stream() as stream, pytest.raises(ValueError, match="ahead of real time"):
        for _ in range(2000):
            stream.push_audio(np.zeros(RATE), RATE)


def test_sound_without_times_goes_on_where_the_last_piece_ended(recognizer):
    with recognizer.stream() as stream:
        stream.push_audio(np.full(RATE, 0.1, np.float32), RATE, 10.0)
        stream.push_audio(np.full(RATE, 0.1, np.float32), RATE)
        assert until(lambda: stream.latest() and stream.latest().time == pytest.approx(12.0))
        assert State.SOUND_GAP not in stream.latest().states


def test_two_threads_may_push_into_one_stream(recognizer):
    with recognizer.stream() as stream:
        threads = [threading.Thread(target=feed, args=(stream, 1.0, 100.0 + k / 40)) for k in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert until(lambda: stream.latest() is not None)
    assert all(100 <= p.time < 102 for p in stream)


def test_streams_share_the_recogniser_fairly_and_hear_nothing_of_each_other():
    slow = Follower(delay=0.1, image_size=32)
    dark, bright = slow.stream(), slow.stream()
    threads = [
        threading.Thread(target=feed, args=(stream, 3.0, 100.0, level)) for stream, level in ((dark, 0), (bright, 255))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    dark.close()
    bright.close()
    counts = [len(list(stream)) for stream in (dark, bright)]
    slow.close()
    assert min(counts) >= 5 and max(counts) <= 1.5 * min(counts), counts


def test_a_callback_that_fails_ends_its_own_stream_only(recognizer, caplog):
    def fail(prediction):
        raise KeyError("mine")

    bad, good = recognizer.stream(on_result=fail), recognizer.stream()
    feed(bad, 0.3)
    assert until(lambda: bad.closed)
    with pytest.raises(KeyError, match="mine"):
        list(bad)
    feed(good, 0.3)
    assert next(good).time >= 100
    good.close()
    assert "on_result of stream" in caplog.text


def test_a_model_that_fails_once_misses_an_answer_and_one_that_fails_for_good_ends_the_stream():
    class Failing(Follower):
        fail = ValueError("not finite")

        def predict(self, window, step=None):
            if self.fail is not None:
                raise self.fail
            return super().predict(window, step)

    failing = Failing(image_size=32)
    with failing.stream() as stream:
        feed(stream, 0.3)
        assert stream.latest() is None and not stream.closed
        failing.fail = None
        feed(stream, 0.3, 101.0)
        assert next(stream).time >= 101
        failing.fail = AttributeError("broken")
        feed(stream, 0.3, 102.0)
        assert until(lambda: stream.closed)
        with pytest.raises(RuntimeError, match="the model has failed: broken"):
            list(stream)
    failing.close()


def test_a_source_that_ends_or_fails_or_is_none(recognizer):
    def breaks():
        yield VideoFrame(0.1, GREY)
        yield AudioChunk(0.2, np.zeros((1, RATE), np.float32), RATE)
        raise OSError("unplugged")

    with recognizer.stream(breaks(), hop=0.25) as stream:
        times = []
        with pytest.raises(OSError, match="unplugged"):
            times.extend(p.time for p in iter(stream.__next__, None))
        assert stream.closed and list(stream) == []
    with recognizer.stream(iter([VideoFrame(0.1, GREY), VideoFrame(0.6, GREY)]), hop=0.25) as stream:
        assert [p.time for p in stream] == pytest.approx([0.25, 0.5, 0.6])
    with pytest.raises(ValueError, match="a source yields VideoFrame and AudioChunk, got str"):
        list(recognizer.stream(iter(["clip.mp4"])))
    with pytest.raises(FileNotFoundError, match=r"there is no file nowhere\.mp4"):
        recognizer.stream("nowhere.mp4")
    with pytest.raises(ValueError, match="no file is named"):
        recognizer.stream([])
    for hop in (0.0, float("nan")):
        with pytest.raises(ValueError, match="hop must be above 0"):
            recognizer.stream(iter([]), hop=hop)
    with pytest.raises(ValueError, match="hop and progress are for files"):
        recognizer.stream(hop=1.0)


def test_reset_begins_anew_on_another_clock(recognizer):
    with recognizer.stream() as stream:
        feed(stream, 0.5, start=1000.0)
        assert until(lambda: stream.latest() is not None)
        assert until(lambda: stream.window().version and time.sleep(0.2) is None)  # no answer is on its way
        stream.reset()
        assert stream.window() is None and stream.latest() is None and stream._results._waiting == deque()
        assert until(lambda: not stream.intake._again)
        time.sleep(0.3)
        assert stream.latest() is None, "what was forgotten was answered"
        feed(stream, 0.5, start=10.0)
        assert until(lambda: stream.latest() and stream.latest().time < 20)
        assert State.WINDOW_FILLING in stream.latest().states


def test_what_nobody_reads_is_bounded_and_counted(recognizer):
    with recognizer.stream() as stream:
        prediction = next(iter(recognizer.stream(iter([VideoFrame(0.1, GREY)]))))
        for _ in range(300):
            stream._results.put(prediction)
        assert stream.lost == 300 - 256


def test_a_closed_recogniser_gives_no_stream_and_ends_those_it_gave(clips):
    made = EmotionRecognizer.from_pretrained(backend="pytorch", device="cpu", precision="fp32")
    stream = made.stream()
    made.close()
    made.close()
    assert stream.closed and list(stream) == []
    with pytest.raises(ValueError, match="this recogniser is closed"):
        made.stream()
