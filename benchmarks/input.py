"""Time of everything but the model, per camera frame, on one core: `python -m benchmarks.input`.

Each frame comes as a browser sends it (a 640 x 480 JPEG of quality 80) with its share of 48 kHz stereo sound, and goes
through the same objects as live: decode, face, crop, the spectrogram's new columns for the page, and the window. The
model's input tensors, made once per answer and not per frame, are a row of their own.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch

from benchmarks.support.clip import FPS, jpegs, sound
from benchmarks.support.machine import cpu_name
from mmadfer.config import InputSpec
from mmadfer.faces.tracker import FaceTracker, crop
from mmadfer.preprocess import model_inputs
from mmadfer.sound.logmel import LogMel
from mmadfer.stream.window import AVWindow

RATE = 48_000
TARGET_MS = 15.0


class Stopwatch:
    """Collects the times of named steps, ms."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the body of a `with` as one run of the step ``name``."""
        start = time.perf_counter()
        yield
        self.times[name].append(1000 * (time.perf_counter() - start))


def one_core() -> None:
    """Keep this process, OpenCV and PyTorch on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def measure(name: str, seconds: float, spec: InputSpec) -> Stopwatch:
    """Return the times of the steps over ``seconds`` of a camera that shows the clip ``name`` again and again."""
    files, speech, watch = jpegs(name), sound("jfk.flac", RATE), Stopwatch()
    tracker = FaceTracker(spec)
    window, columns = AVWindow(spec, tracker), LogMel(RATE)
    share = RATE // FPS
    for k in range(round(seconds * FPS)):
        now, at = k / FPS, (k * share) % (speech.shape[1] - share)
        chunk = speech[:, at : at + share]
        with watch.step("frame"):
            with watch.step("decode JPEG"):
                rgb = cv2.imdecode(files[2 * k % len(files)], cv2.IMREAD_COLOR_RGB)
                assert rgb is not None
            with watch.step("face, crop, frame ring"):
                window.push_frame(now, rgb)
            with watch.step("sound ring"):
                window.push_audio(chunk, RATE, now, k * share)
            with watch.step("log-mel columns"):
                columns.push(chunk)
            with watch.step("window"):
                view = window.window()
        if view.face is not None:
            with watch.step("(crop alone)"):
                crop(rgb, view.face, spec.image_size)
        if k % FPS == 0:
            with watch.step("(tensors for one answer)"):
                model_inputs(view.crops, view.waveform, view.sample_rate, spec)
    window.close()
    return watch


def main() -> None:
    """Print the table and the machine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the camera stream, s (default: 20)")
    parser.add_argument("--size", type=int, default=224, help="face size of the weights, px (default: 224)")
    arguments = parser.parse_args()
    one_core()
    print(f"one core of {os.cpu_count()}, {cpu_name()}; Python {platform.python_version()}, torch {torch.__version__}")
    for name in ("derived_face_jfk_6s_44k.mp4", "intel_asl_sorry.mkv", "pyfeat_no_face.mp4"):
        watch = measure(name, arguments.seconds, InputSpec(image_size=arguments.size))
        print(f"\n{name}: ms per camera frame\n{'':28}{'median':>8}{'p95':>8}")
        for step, times in watch.times.items():
            print(f"{step:28}{statistics.median(times):8.2f}{np.percentile(times, 95):8.2f}")
        median = statistics.median(watch.times["frame"])
        print(f"median {median:.1f} ms, target {TARGET_MS:.0f} ms: {'met' if median < TARGET_MS else 'MISSED'}")


if __name__ == "__main__":
    main()
