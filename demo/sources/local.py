"""The camera and the microphone of the machine that runs the server."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from ..session.intake import MAX_JUMP_SECONDS, Frame, Sound
from ..session.session import Session
from .channels import FewChannels
from .devices import NONE, LocalDevices, camera_number, chosen_microphone, portaudio

log = logging.getLogger(__name__)

RETRY = 2.0
"""Time between two attempts to open a device that is not there, s."""
DEAF = 3.0
"""A microphone that gives nothing for so long has gone, s; the first block may come 2 s after opening."""
CAMERA_GONE = "The camera has gone: plug it in again and it goes on"
MICROPHONE_GONE = "The microphone has gone: plug it in again and it goes on"
SETTLING = 2.5
"""Sound left out after opening, s: PulseAudio's word on its own delay is off by up to 0.4 s, at times for 1.5 s, which
would be taken for lost sound."""
LOST, STALLED = 0.02, 0.1
"""Sound this far behind the sound card's own clock, s, was lost: after an overflow, and without one."""
CREEP = 2e-4
"""How much two clocks may differ in rate."""
CHANNELS = (64, 32, 16, 8, 4, 2, 1)
"""Channels that a microphone is asked for where it refuses to give all that it has; 64 at most, as the window takes."""


class LocalSource:
    """One camera and one microphone; each is opened again when it goes."""

    def __init__(self, devices: LocalDevices | None = None) -> None:
        """Args: devices: which; the default ones where None."""
        self._devices = devices or LocalDevices()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, session: Session) -> None:
        """Stream both into ``session`` until closed."""
        runs: dict[str, Callable[[], None]] = {}
        if self._devices.camera == NONE:
            session.set_source_state(camera="The camera is left out: reading the voice alone")
        else:
            wanted = self._devices.camera
            runs["camera"] = Camera(session, self._stop, lambda: open_camera(wanted)).run
        if self._devices.microphone == NONE:
            session.set_source_state(microphone="The microphone is left out: reading the face alone")
        else:
            runs["microphone"] = Microphone(session, self._stop, self._devices.microphone).run
        for name, run in runs.items():
            thread = threading.Thread(target=run, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Let the devices go."""
        self._stop.set()
        for thread in self._threads:
            thread.join(3.0)


def open_camera(wanted: str | None = None) -> Any:
    """Return OpenCV's camera for a number, a path or a name, the default one where None; None where it is not there."""
    number = camera_number(wanted)
    return None if number is None else cv2.VideoCapture(number)


class Camera:
    """Frames of an OpenCV camera, stamped right after they were grabbed."""

    def __init__(self, session: Session, stop: threading.Event, open_camera: Callable[[], Any] = open_camera) -> None:
        """Args: open_camera: gives None, or what has OpenCV's `isOpened`, `grab`, `retrieve`, `set` and `release`."""
        self._session = session
        self._stop = stop
        self._open = open_camera
        self._sequence = 0

    def run(self) -> None:
        """Stream until stopped; a camera that is not there or goes is tried again and again."""
        seen = False
        while not self._stop.is_set():
            camera = self._open()
            if camera is not None:
                try:
                    if camera.isOpened():
                        seen = self._stream(camera) or seen
                finally:
                    camera.release()
            if self._stop.is_set():
                return
            self._session.set_source_state(camera=CAMERA_GONE if seen else "No camera found on this machine")
            self._stop.wait(RETRY)

    def _stream(self, camera: Any) -> bool:
        camera.set(cv2.CAP_PROP_FRAME_WIDTH, 640)
        camera.set(cv2.CAP_PROP_FRAME_HEIGHT, 480)
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        any_frame = False
        while not self._stop.is_set() and camera.grab():
            now = time.monotonic()
            good, image = camera.retrieve()
            if not good:
                break
            if not any_frame:
                any_frame = True
                self._session.set_source_state(camera="")
            rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
            self._session.intake.offer_frame(Frame(self._sequence, now, rgb))
            self._sequence += 1
        return any_frame


class Microphone:
    """Blocks of a PortAudio microphone, stamped with the time at which their first sample was recorded."""

    def __init__(self, session: Session, stop: threading.Event, device: str | None = None) -> None:
        """Args: device: PortAudio's number, or a part of a name; its default where None."""
        self._session = session
        self._stop = stop
        self._device = device
        self._index = 0
        self._start: float | None = None
        self._heard = 0.0
        self._settled = 0.0

    def run(self) -> None:
        """Stream until stopped; a microphone that is not there or goes is tried again and again."""
        try:
            sounddevice = portaudio()
        except (OSError, ImportError) as error:
            self._session.set_source_state(microphone=f"No microphone: {error}")
            return
        while not self._stop.is_set():
            try:
                self._stream(sounddevice)
                words = MICROPHONE_GONE
            except (sounddevice.PortAudioError, ValueError) as error:
                log.info("no microphone: %s", error)
                words = f"No microphone {self._device or ''}".rstrip() + " found on this machine"
            if self._stop.is_set():
                return
            self._session.set_source_state(microphone=words)
            self._stop.wait(RETRY)
            # PortAudio lists devices once; only starting it anew finds one that was plugged in since.
            sounddevice._terminate()
            sounddevice._initialize()

    def _stream(self, sounddevice: Any) -> None:
        number = None if self._device is None else chosen_microphone(self._device, sounddevice).number
        info = sounddevice.query_devices(number, "input")
        rate = int(info["default_samplerate"])
        few = FewChannels(rate)
        self._start = None
        opened = time.monotonic()
        self._heard = opened

        def take(data: np.ndarray, frames: int, clock: Any, status: Any) -> None:
            """Hand a block on, once the sound card has settled; called on PortAudio's own thread."""
            now = time.monotonic()
            first, self._heard = self._heard == opened, now
            self._settled = now + SETTLING if first else self._settled
            if now < self._settled:
                return
            self._session.set_source_state(microphone="")
            adc = clock.inputBufferAdcTime
            self.take(few.pick(data.T).T, now - (clock.currentTime - adc), adc, status, rate)

        options: dict[str, Any] = {"samplerate": rate, "device": number, "dtype": "float32", "callback": take}
        options["latency"] = "high"  # blocks carry their own time, so that large buffers cost nothing and lose less
        with _opened(sounddevice, info["max_input_channels"], options) as stream:
            while not self._stop.wait(0.2) and stream.active and time.monotonic() < self._heard + DEAF:
                pass

    def take(self, data: np.ndarray, captured: float, adc: float, status: Any, rate: int) -> None:
        """Hand a block on; called on PortAudio's own thread, so it only copies.

        Args: data: (n, channels); captured: time of the first sample, s, monotonic; adc: the same on the card's clock.
        """
        # Drivers do not always tell of an overflow: sound that falls behind the card's own clock by more than jitter
        # was lost all the same. The start may creep, for no two clocks run at quite the same rate.
        start = adc - self._index / rate
        if self._start is None or start < self._start:
            self._start = start
        late = start - self._start
        if late > MAX_JUMP_SECONDS:
            # The card's clock was set, or the machine slept. The block's own time tells how much was not heard; an
            # index that far ahead would be refused, and so would every later one.
            self._start = start
        elif late > (LOST if status.input_overflow else STALLED):
            self._index += round(late * rate)
        else:
            self._start += min(late, CREEP * len(data) / rate)
        # A copy in any case: the buffer is PortAudio's and will be overwritten. `np.ascontiguousarray` makes none of a
        # block of one sample or one channel, and what then was heard was noise.
        self._session.intake.offer_sound(Sound(self._index, captured, np.array(data.T, order="C"), rate))
        self._index += len(data)


def _opened(sounddevice: Any, there: int, options: dict[str, Any]) -> Any:
    """Return a stream of all channels; of fewer where the device does not give what it says that it has."""
    first, *fewer = dict.fromkeys([min(there, CHANNELS[0]), *(count for count in CHANNELS if count < there)])
    try:
        return sounddevice.InputStream(channels=first, **options)
    except sounddevice.PortAudioError as error:
        for count in fewer:
            with contextlib.suppress(sounddevice.PortAudioError):
                return sounddevice.InputStream(channels=count, **options)
        raise error
