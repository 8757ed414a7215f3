"""What live tests and benchmarks share: a fast recogniser whose answers follow the input, fake devices, a server."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np

from mmadfer.config import InputSpec
from mmadfer.postprocess import probabilities
from mmadfer.recognizer import prediction_of
from mmadfer.stream.window import Window
from mmadfer.types import Prediction, WeightsInfo

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]


class FollowingRecognizer:
    """Answers from the window's own brightness and loudness, so that they change if and only if the input does."""

    device = "cpu"
    exact_seconds = float("inf")
    weights_sha256 = ""

    def __init__(self, delay: float = 0.0, trained: bool = True, image_size: int = 112) -> None:
        """Args: delay: time an answer takes, s."""
        self.delay = delay
        self.spec = InputSpec(image_size=image_size)
        self.info = WeightsInfo(name="brightness and loudness", trained=trained)
        self.windows: list[Window] = []
        self.closed = False

    def describe(self) -> str:
        return "test weights (brightness and loudness) on CPU"

    def warmup(self) -> None: ...

    def close(self) -> None:
        self.closed = True

    def streaming_step(self) -> None: ...

    def predict(self, window: Window, step: Any = None) -> Prediction:
        start = time.perf_counter()
        time.sleep(self.delay)
        self.windows = [*self.windows[-200:], window]
        loudness = 0.0 if window.waveform is None else float(np.sqrt(np.mean(np.square(window.waveform[:, -8820:]))))
        brightness = float(window.crops[-1].mean()) / 255 if window.crops else 0.0
        logits = np.linspace(0, 0.6, len(self.spec.labels))
        logits[0] += 6 * brightness
        logits[4] += 24 * loudness
        values = probabilities(logits, self.spec.labels)
        return prediction_of(window, values, self.spec, self.info, time.perf_counter() - start)


class Machine(FollowingRecognizer):
    """Its exact answers take as long as is set at the moment, its steps no time; the way of each answer is noted."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.exact_seconds = self.seconds = seconds
        self.ways: list[bool] = []

    def streaming_step(self) -> Any:
        return SimpleNamespace(new_frames=1)

    def predict(self, window: Window, step: Any = None) -> Prediction:
        self.ways = [*self.ways[-200:], step is None]
        time.sleep(self.seconds if step is None else 0.0)
        return super().predict(window)


@contextmanager
def running_app(**settings: Any) -> Iterator[Any]:
    """Give the app with a fast recogniser, served and loaded; its address is ``url``."""
    from demo.app import App

    app = App(load=FollowingRecognizer, **settings)
    app.url = app.launch()  # type: ignore[attr-defined]
    app.load()
    yield app
    app.close()


def fake_devices(clip: Path, folder: Path) -> tuple[Path, Path]:
    """Write ``clip`` as Chromium's fake camera (MJPEG, 640 x 360, 30 frames/s) and microphone (WAV, 48 kHz mono)."""
    camera, microphone = folder / "camera.mjpeg", folder / "microphone.wav"
    with av.open(str(clip)) as source, av.open(str(camera), "w", format="mjpeg") as target:
        stream = target.add_stream("mjpeg", rate=30, options={"qscale": "4"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuvj420p"
        stream.codec_context.color_range = 2  # full range, which MJPEG's encoder insists on
        stream.codec_context.time_base = Fraction(1, 30)
        for number, frame in enumerate(source.decode(video=0)):
            picture = frame.reformat(640, 360, "yuvj420p", dst_color_range="JPEG")
            picture.pts, picture.time_base = number, Fraction(1, 30)
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    with av.open(str(clip)) as source, av.open(str(microphone), "w") as target:
        stream = target.add_stream("pcm_s16le", rate=48_000, layout="mono")
        resampler = av.AudioResampler("s16", "mono", 48_000)
        for frame in source.decode(audio=0):
            for piece in resampler.resample(frame):
                target.mux(stream.encode(piece))
        target.mux(stream.encode(None))
    return camera, microphone


def chromium_arguments(camera: Path | None, microphone: Path | None, allow: bool = True) -> list[str]:
    """Return Chromium's command line for these fake devices; without ``allow`` it asks for permission, and waits."""
    files = [f"--use-file-for-fake-video-capture={camera}"] if camera else []
    files += [f"--use-file-for-fake-audio-capture={microphone}"] if microphone else []
    return [*CHROMIUM_ARGUMENTS, *files, *(["--use-fake-ui-for-media-stream"] if allow else [])]


def tops(page: Any, count: int = 12, notice: str = "Silence") -> list[str]:
    """Return the class shown as the answer at each of ``count`` answers, once the window is full; or "no face".

    Args: notice: what the page says of the sound by then.
    """
    words = "words = document.querySelector('[data-part=notices]').innerText"
    full = f"/{notice}/.test({words}) && !/Filling/.test(words)"
    page.wait_for_function(f"() => {{ let words; return {full}; }}", timeout=30_000)
    script = """count => new Promise(resolve => {
        const live = document.querySelector('.mm-live'), seen = [];
        let last = '';
        const look = () => {
            if (live.dataset.results !== last) {
                last = live.dataset.results;
                const face = document.querySelector('[data-part=overlay]').dataset.face === 'yes';
                const top = document.querySelector('.mm-bar.mm-top');
                seen.push(!face ? 'no face' : top ? top.dataset.name : 'no answer');
            }
            if (seen.length < count) setTimeout(look, 20); else resolve(seen);
        };
        look();
    })"""
    return list(page.evaluate(script, count))


def serve(port: int) -> None:
    """Run the app on ``port`` until killed, once a line comes in; the reconnection test kills this process."""
    from demo.app import App

    sys.stdin.readline()
    app = App(load=FollowingRecognizer)
    sys.stdout.write(f"{app.launch(port=port)}\n")
    sys.stdout.flush()
    app.load()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
