"""Every channel of the viewer's microphone is considered: the page sends the one that carries the voice."""

from __future__ import annotations

import base64
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.app import App
from tests.support.live import chromium_arguments, fake_devices, running_app
from tests.support.places import ROOT
from tests.support.waiting import until

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = pytest.mark.browser
SLOW = 30_000  # ms
RATE = 48_000
WORDS = "The voice comes on channel 2 of your microphone"


def spread(mono: Path, out: Path, *gains: float) -> Path:
    """Write ``mono`` as one channel for each of ``gains``, each that loud."""
    with wave.open(str(mono)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)
    with wave.open(str(out), "wb") as file:
        file.setnchannels(len(gains))
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.stack([gain * samples for gain in gains], axis=1).round().astype("<i2").tobytes())
    return out


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with running_app() as made:
        yield made


@pytest.fixture(scope="module")
def devices(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return fake_devices(clips / "derived_face_jfk_6s_44k.mp4", tmp_path_factory.mktemp("devices"))


STEREO = {
    "on the right": ((0.0, 1.0), True),
    "on the right, and next to nothing on the left": ((0.03, 1.0), True),
    "on the left": ((1.0, 0.0), False),
    "on both": ((1.0, 1.0), False),
    "louder on the right": ((0.3, 1.0), False),
}


@pytest.mark.parametrize(("gains", "other"), STEREO.values(), ids=STEREO.keys())
def test_a_real_stereo_microphone_is_heard_whichever_side_the_voice_is_on(
    playwright: Any,
    chromium: str | None,
    app: App,
    devices: tuple[Path, Path],
    tmp_path: Path,
    gains: tuple[float, float],
    other: bool,
) -> None:
    microphone = spread(devices[1], tmp_path / "stereo.wav", *gains)
    browser = playwright.chromium.launch(executable_path=chromium, args=chromium_arguments(devices[0], microphone))
    try:
        page = browser.new_page()
        page.goto(app.url)  # type: ignore[attr-defined]
        page.get_by_role("button", name="Start").click(timeout=SLOW)
        page.wait_for_selector(".mm-live[data-phase=live]", timeout=SLOW)
        notices = page.locator("[data-part=notices]")
        if other:
            notices.get_by_text(WORDS).wait_for(timeout=SLOW)
        assert until(lambda: app.server.sessions and app.server.sessions[0].counters.sound_seconds > 4)
        view = app.server.sessions[0].window()
        assert view is not None and view.waveform is not None
        assert view.waveform.shape[0] == 1, "the wire format carries one channel"
        loudness = float(np.sqrt(np.mean(view.waveform**2)))
        assert loudness > 0.2 * max(gains[:1] if not other else gains) * loudness_of(devices[1]), loudness
        assert app.server.sessions[0].counters.index_gaps == 0
        assert (WORDS in notices.inner_text()) is other
    finally:
        browser.close()
        assert until(lambda: not app.server.sessions, 5)


def loudness_of(mono: Path) -> float:
    with wave.open(str(mono)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    return float(np.sqrt(np.mean(samples**2)))


# The worklet's own code with what a browser's audio thread gives it: quanta of 128 samples of each channel.
RUN = """({ source, packed, rate }) => {
    const pack = (samples) => btoa(String.fromCharCode(...new Uint8Array(samples.buffer)));
    const unpack = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    const channels = packed.map(unpack);
    const scope = { currentFrame: 0, sampleRate: rate, blocks: [], told: [] };
    class AudioWorkletProcessor {
        constructor() {
            this.port = { postMessage: (data) => data.samples
                ? scope.blocks.push({ index: data.index, samples: pack(data.samples) })
                : scope.told.push([scope.currentFrame, data.channel]) };
        }
    }
    let Recorder;
    const names = ["AudioWorkletProcessor", "registerProcessor", "sampleRate", "scope"];
    const body = source.replaceAll("currentTime", "(scope.currentFrame / sampleRate)")
        .replaceAll("currentFrame", "scope.currentFrame").replaceAll("scope.scope.", "scope.");
    new Function(...names, body)(AudioWorkletProcessor, (_, made) => { Recorder = made; }, rate, scope);
    const recorder = new Recorder(), most = Math.max(...channels.map((channel) => channel.length));
    for (let at = 0; at + 128 <= most; at += 128) {
        scope.currentFrame = at;
        const there = channels.filter((channel) => channel.length >= at + 128);
        recorder.process([there.map((channel) => channel.slice(at, at + 128))]);
    }
    return { blocks: scope.blocks, told: scope.told };
}"""


@pytest.fixture(scope="module")
def run(playwright: Any, chromium: str | None) -> Iterator[Callable[..., tuple[np.ndarray, np.ndarray, list]]]:
    """Let the worklet hear channels `(n,)`; gives what it sent in [-1, 1], its block indices, and (frame, channel)."""
    source = (ROOT / "demo/page/recorder.worklet.js").read_text(encoding="utf-8")
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
    page = browser.new_page()

    def heard(*channels: np.ndarray) -> tuple[np.ndarray, np.ndarray, list]:
        packed = [base64.b64encode(channel.astype("<f4").tobytes()).decode() for channel in channels]
        got = page.evaluate(RUN, {"source": source, "packed": packed, "rate": RATE})
        samples = np.frombuffer(b"".join(base64.b64decode(b["samples"]) for b in got["blocks"]), "<i2") / 32768
        return samples, np.array([block["index"] for block in got["blocks"]]), got["told"]

    yield heard
    browser.close()


def tone(seconds: float, gain: float, hertz: float = 220.0) -> np.ndarray:
    return gain * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


def noise(seconds: float, gain: float, seed: int = 0) -> np.ndarray:
    return gain * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def joined(*pieces: np.ndarray) -> np.ndarray:
    return np.concatenate(pieces)


QUIET = 1e-5
CHANNELS: dict[str, tuple[tuple[np.ndarray, ...], list[int]]] = {
    "mono": ((tone(2, 0.3),), []),
    "left": ((tone(2, 0.3), noise(2, QUIET)), []),
    "right": ((noise(2, QUIET), tone(2, 0.3)), [1]),
    "right, digital zeros on the left": ((np.zeros(2 * RATE), tone(2, 0.3)), [1]),
    "right, an offset on the left": ((np.full(2 * RATE, 0.5), tone(2, 0.3)), [1]),
    "third of four": ((noise(2, QUIET), noise(2, QUIET, 1), tone(2, 0.3), noise(2, QUIET, 2)), [2]),
    "last of six": ((*(noise(2, QUIET, k) for k in range(5)), tone(2, 0.3)), [5]),
    "21 dB weaker on the left": ((tone(2, 0.3 * 10 ** (-21 / 20)), tone(2, 0.3)), [1]),
    "19 dB weaker on the left": ((tone(2, 0.3 * 10 ** (-19 / 20)), tone(2, 0.3)), []),
    "silence on both": ((np.zeros(2 * RATE), np.zeros(2 * RATE)), []),
    "too quiet to hear anybody": ((np.zeros(2 * RATE), noise(2, 3e-4)), []),
    "a click on the right": ((noise(2, QUIET), joined(noise(1, QUIET), [1.0] * 40, noise(1, QUIET)[:-40])), []),
    "right, with pauses": (
        (noise(6, QUIET), joined(tone(1, 0.3), noise(2, QUIET), tone(1, 0.3), noise(2, QUIET))),
        [1],
    ),
    "from left to right": ((joined(tone(2, 0.3), noise(4, QUIET)), joined(noise(2, QUIET), tone(4, 0.3))), [1]),
    "back to the left": ((joined(noise(2, QUIET), tone(4, 0.3)), joined(tone(2, 0.3), noise(4, QUIET))), [1, 0]),
    "hum on the right while the left pauses": (
        (joined(tone(2, 0.3), noise(3, QUIET), tone(2, 0.3)), tone(7, 0.004, 50.0)),
        [1, 0],
    ),
}


@pytest.mark.parametrize(("channels", "told"), CHANNELS.values(), ids=CHANNELS.keys())
def test_the_channel_that_carries_the_sound_is_sent_without_loss_or_click(
    run: Callable[..., tuple[np.ndarray, np.ndarray, list]], channels: tuple[np.ndarray, ...], told: list[int]
) -> None:
    samples, indices, changes = run(*channels)
    assert [channel for _, channel in changes] == told
    assert (np.diff(indices) == 512).all() and indices[0] == 0, "samples were lost"
    settling = 0.2 * RATE
    assert len(channels[0]) - settling - 1024 <= len(samples) <= len(channels[0]) - settling + 128
    if any(np.abs(np.diff(channel)).max() > 0.02 for channel in channels):
        return
    assert np.abs(np.diff(samples)).max() < 0.02, "one channel passed into another with a click"


def test_the_right_channel_is_taken_within_a_syllable_and_then_sample_for_sample(
    run: Callable[..., tuple[np.ndarray, np.ndarray, list]],
) -> None:
    right = tone(2, 0.3)
    samples, _, changes = run(np.zeros(2 * RATE), right)
    start = 9_600  # 0.2 s of settling, which is a whole number of quanta here
    assert changes[0][0] - start < 0.15 * RATE
    given = right[start : start + len(samples)]
    later = round(0.2 * RATE)
    assert np.abs(samples[later:] - given[later:]).max() < 1 / 32768
    assert np.abs(samples[:2000]).max() == 0


def test_one_channel_is_sent_sample_for_sample(run: Callable[..., tuple[np.ndarray, np.ndarray, list]]) -> None:
    for channels in ((noise(1, 0.1),), (noise(1, 0.1), noise(1, 0.1, 1))):
        samples, _, _ = run(*channels)
        given = channels[0][9_600 : 9_600 + len(samples)]
        assert np.abs(samples - given.clip(-1, 32767 / 32768)).max() <= 0.5001 / 32768


def test_a_channel_that_goes_away_is_not_waited_for(
    run: Callable[..., tuple[np.ndarray, np.ndarray, list]],
) -> None:
    # The second channel carries the voice and then is gone, as where another microphone is chosen in the browser.
    samples, indices, changes = run(joined(noise(1, QUIET), tone(1, 0.3)), tone(1, 0.3))
    assert [channel for _, channel in changes] == [1, 0]
    assert (np.diff(indices) == 512).all()
    assert np.abs(samples[-9_600:]).max() > 0.29
