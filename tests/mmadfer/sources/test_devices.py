"""Cameras and microphones of this machine: which are there, which is meant, and all channels of what is heard."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmadfer.sources.devices
import mmadfer.sources.local
from demo import live
from mmadfer.sound.loudness import sounding_channel
from mmadfer.sources.channels import FEW, FewChannels
from mmadfer.sources.devices import (
    Device,
    LocalDevices,
    camera_number,
    cameras,
    chosen_camera,
    chosen_microphone,
    listing,
    microphones,
)
from mmadfer.sources.local import LocalSource, Microphone, open_camera
from mmadfer.sources.opening import open_source
from tests.support.fake_sources import FakeCamera, Recorded
from tests.support.waiting import until

RATE = 48_000


def video(root: Path, *devices: tuple[int, str, int]) -> Path:
    """Lay out below ``root`` what Linux shows of video devices: (number, name, index among those of one camera)."""
    (root / "dev").mkdir(parents=True)
    for number, name, index in devices:
        (root / f"dev/video{number}").touch()
        facts = root / f"sys/class/video4linux/video{number}"
        facts.mkdir(parents=True)
        (facts / "name").write_bytes(name.encode("latin-1") + b"\n")
        (facts / "index").write_text(f"{index}\n")
    return root


CAMERAS = [
    Device(0, "Integrated Camera: Integrated C", "/dev/video0", default=True),
    Device(2, "Logitech BRIO", "/dev/video2"),
    Device(4, "OBS Virtual Camera", "/dev/video4"),
    Device(10, "Logitech C920", "/dev/video10"),
]


def test_linux_lists_its_cameras_by_number_and_name(tmp_path: Path) -> None:
    root = video(
        tmp_path,
        (10, "Logitech C920", 0),
        (2, "Logitech BRIO", 0),
        (3, "Logitech BRIO", 1),  # tells of the pictures of video2, and gives none
        (1, "A\x1b[2J\x07caf\xe9", 0),
    )
    (root / "dev/videotape").touch()
    (root / "dev/video7").touch()  # in a container: the device without what the system says of it
    found = [(d.number, d.name, d.place, d.default) for d in cameras(root, "linux")]
    assert found == [
        (1, "A?[2J?caf\ufffd", f"{root}/dev/video1", True),
        (2, "Logitech BRIO", f"{root}/dev/video2", False),
        (7, "", f"{root}/dev/video7", False),
        (10, "Logitech C920", f"{root}/dev/video10", False),
    ]
    assert cameras(tmp_path / "nothing", "linux") == []


@pytest.mark.parametrize(
    ("capabilities", "is_camera"),
    [(0x1, True), (0x1000, True), (0x800000, False), (0x2, False), (None, True)],
    ids=["capture", "in planes", "metadata", "output", "does not say"],
)
def test_a_device_that_gives_no_pictures_is_no_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capabilities: int | None, is_camera: bool
) -> None:
    monkeypatch.setattr(mmadfer.sources.devices, "_capabilities", lambda path: capabilities)
    assert bool(cameras(video(tmp_path, (0, "Any", 0)), "linux")) is is_camera


def test_elsewhere_the_numbers_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[FakeCamera] = []

    def capture(number: int) -> FakeCamera:
        made.append(FakeCamera(number % 2))
        return made[-1]

    monkeypatch.setattr("cv2.VideoCapture", capture)
    assert [(d.number, d.default) for d in cameras(system="darwin")] == [(1, True), (3, False), (5, False), (7, False)]
    assert all(camera.released for camera in made)
    made.clear()
    assert [camera_number(None, "win32"), camera_number("3", "win32")] == [0, 3]
    assert made == [], "cameras were opened to find one that was named by its number"


MEANT = {
    "the default": (None, 0),
    "a number": ("2", 2),
    "a number of two digits": ("10", 10),
    "a name": ("Logitech C920", 10),
    "a part of a name": ("brio", 2),
    "in capitals": ("OBS", 4),
    "with blanks around": ("  c920 ", 10),
    "a path": ("/dev/video2", 2),
    "a path with detours": ("/dev/../dev/video10", 10),
}


@pytest.mark.parametrize(("wanted", "number"), MEANT.values(), ids=MEANT.keys())
def test_a_camera_is_found_by_number_path_and_name(wanted: str | None, number: int) -> None:
    device = chosen_camera(wanted, CAMERAS)
    assert device is not None and device.number == number


UNKNOWN = {
    "no such number": ("1", ["no such camera", "0 (Integrated", "2 (Logitech BRIO)", "and 10 (Logitech C920)"]),
    "a huge number": ("9" * 5000, ["no such camera"]),
    "below zero": ("-1", ["no such camera", "0 (Integrated"]),
    "no such name": ("Kinect", ["no such camera", "2 (Logitech BRIO)"]),
    "two fit": ("logi", ["fits 2 (Logitech BRIO) and 10 (Logitech C920)", "by its number"]),
    "empty": ("", ["empty text", "0 (Integrated"]),
    "blank": ("  ", ["empty text", "0 (Integrated"]),
    "no such path": ("/dev/video9", ["no such camera", "0 (Integrated"]),
    "a folder": ("/dev", ["no such camera"]),
    "a file": (os.fspath(Path(__file__)), ["is a file", "--source"]),
    "control characters": ("\x1b[2J", ["no such camera"]),
}


@pytest.mark.parametrize(("wanted", "words"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_camera_that_is_not_meant_clearly_is_refused_with_what_is_there(wanted: str, words: list[str]) -> None:
    with pytest.raises(ValueError, match="camera") as caught:
        chosen_camera(wanted, CAMERAS)
    said = str(caught.value)
    assert [word for word in words if word not in said] == [], said
    assert said.isprintable() and len(said) < 400


def test_where_there_is_no_camera_that_is_said() -> None:
    assert chosen_camera(None, []) is None
    with pytest.raises(ValueError, match="no camera is there at all"):
        chosen_camera("0", [])


def test_a_link_leads_to_its_camera(tmp_path: Path) -> None:
    root = video(tmp_path, (0, "A", 0), (2, "B", 0))
    (root / "by-id").symlink_to(root / "dev/video2")
    device = chosen_camera(os.fspath(root / "by-id"), cameras(root, "linux"))
    assert device is not None and device.number == 2


class PortAudioError(Exception):
    pass


class Stream:
    """A PortAudio stream that gives one block of what it is made of, again and again."""

    active = True

    def __init__(self, sound: np.ndarray, callback: Callable[..., None]) -> None:
        self._sound, self._callback = sound, callback
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        moment = 0.0
        while not self._ended.wait(0.01):
            clock = argparse.Namespace(currentTime=moment, inputBufferAdcTime=moment)
            self._callback(self._sound.copy(), len(self._sound), clock, argparse.Namespace(input_overflow=False))
            moment += len(self._sound) / RATE


class FakePortAudio(types.ModuleType):
    """PortAudio with these microphones: (name, host API, channels); the first is the default."""

    PortAudioError = PortAudioError

    def __init__(self, *devices: tuple[str, int, int], systems: tuple[str, ...] = ("ALSA",), most: int = 999) -> None:
        """Args: most: channels that it gives, whatever it says that it has."""
        super().__init__("sounddevice")
        self._devices = [
            {"index": i, "name": n, "hostapi": api, "max_input_channels": c, "default_samplerate": float(RATE)}
            for i, (n, api, c) in enumerate(devices)
        ]
        self._systems, self._most = systems, most
        self.opened: list[tuple[Any, int]] = []
        self.sound: Callable[[int], np.ndarray] = lambda channels: np.zeros((480, channels), np.float32)

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": name} for name in self._systems]

    def query_devices(self, device: int | None = None, kind: str | None = None) -> Any:
        if device is None and kind is None:
            return list(self._devices)
        inputs = [info for info in self._devices if info["max_input_channels"] > 0]
        if device is None and not inputs:
            raise PortAudioError("no default input device")
        return inputs[0] if device is None else self._devices[device]

    def InputStream(self, channels: int, device: int | None, callback: Callable[..., None], **_: Any) -> Stream:
        self.opened.append((device, channels))
        if channels > self._most:
            raise PortAudioError("Invalid number of channels")
        return Stream(self.sound(channels), callback)

    def _terminate(self) -> None: ...

    def _initialize(self) -> None: ...


ALSA = (
    ("HDA Intel PCH: ALC257 Analog (hw:0,0)", 0, 2),
    ("HDMI", 0, 0),
    ("Scarlett 18i20 (hw:1,0)", 0, 18),
    ("default", 0, 32),
    ("sysdefault", 0, 128),
)
WINDOWS = (("Mikrofon (USB Audio)", 0, 2), ("Mikrofon (USB Audio)", 1, 2), ("Headset", 1, 1), ("Line", 0, 2))

HEARD = {
    "a number": (ALSA, "2", 2),
    "a part of a name": (ALSA, "scarlett", 2),
    "a whole name beside a longer one": (ALSA, "Default", 3),
    "the system's own of two ways to one": (WINDOWS, "usb audio", 0),
    "another way where there is no other": (WINDOWS, "headset", 2),
}


@pytest.mark.parametrize(("devices", "wanted", "number"), HEARD.values(), ids=HEARD.keys())
def test_a_microphone_is_found_by_number_and_name(devices: tuple, wanted: str, number: int) -> None:
    there = FakePortAudio(*devices, systems=("MME", "WASAPI"))
    assert chosen_microphone(wanted, there).number == number


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("1", ["no such microphone", "0 (HDA Intel", "2 (Scarlett"]),  # it has no input
        ("9", ["no such microphone"]),
        ("HDMI", ["no such microphone"]),
        ("hw:", ["fits 0 (HDA", "and 2 (Scarlett"]),
        ("", ["empty text"]),
    ],
)
def test_a_microphone_that_is_not_meant_clearly_is_refused_with_what_is_there(wanted: str, words: list[str]) -> None:
    with pytest.raises(ValueError, match="microphone") as caught:
        chosen_microphone(wanted, FakePortAudio(*ALSA))
    assert [word for word in words if word not in str(caught.value)] == [], caught.value


def test_microphones_are_listed_with_channels_and_default() -> None:
    found = microphones(FakePortAudio(*ALSA))
    assert [(d.number, d.channels, d.place, d.default) for d in found] == [
        (0, 2, "ALSA", True),
        (2, 18, "ALSA", False),
        (3, 32, "ALSA", False),
        (4, 128, "ALSA", False),
    ]
    assert microphones(FakePortAudio()) == [] == microphones(FakePortAudio(("HDMI", 0, 0)))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    """A machine with two cameras and three microphones."""
    root, made = video(tmp_path, (0, "Integrated Camera", 0), (2, "Logitech BRIO", 0)), FakePortAudio(*ALSA)
    monkeypatch.setattr(mmadfer.sources.devices, "cameras", lambda: cameras(root, "linux"))
    monkeypatch.setitem(sys.modules, "sounddevice", made)
    return made


def test_devices_are_listed_on_the_command_line(machine: FakePortAudio, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--list-devices"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    for words in ("0  Integrated Camera, ", "2  Logitech BRIO, ", "18i20 (hw:1,0), 18 channels, ALSA", "2 channels"):
        assert words in said.out
    assert [line.split()[0] for line in said.out.splitlines() if line.endswith("the default")] == ["0", "0"]


@pytest.mark.parametrize(
    ("error", "words"), [(OSError("PortAudio library not found"), "libportaudio2"), (ImportError(), "pip install")]
)
def test_without_portaudio_the_list_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, words: str
) -> None:
    class Missing:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "sounddevice":
                raise error

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    monkeypatch.setattr(mmadfer.sources.devices, "cameras", list)
    assert live.main(["--list-devices"]) == 0
    assert words in capsys.readouterr().out
    assert live.main(["--source", "local", "--microphone", "0"]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    recorded = Recorded()
    Microphone(recorded, threading.Event()).run()  # type: ignore[arg-type]
    assert words in recorded.states[-1]["microphone"]


WRONG = {
    "camera": (["--source", "local", "--camera", "7"], ["--camera 7", "0 (Integrated Camera) and 2 (Logitech BRIO)"]),
    "microphone": (["--source", "local", "--microphone", "7"], ["--microphone 7", "2 (Scarlett", "3 (default)"]),
    "both left out": (["--source", "local", "--camera", "none", "--microphone", "none"], ["nothing to see or hear"]),
    "camera without local": (["--camera", "0"], ["--camera", "--source local"]),
    "microphone without local": (["--microphone", "0"], ["--microphone", "--source local"]),
    "microphone of a clip": (["--source", os.fspath(Path(__file__)), "--microphone", "0"], ["--source local"]),
    "none of a clip": (["--source", os.fspath(Path(__file__)), "--camera", "none"], ["--source local"]),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_devices_end_with_one_sentence(
    machine: FakePortAudio, capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    assert live.main(arguments) == 2
    said = capsys.readouterr().err
    assert [word for word in words if word not in said] == [] and said.count("\n") == 1, said


def test_right_devices_are_taken(machine: FakePortAudio) -> None:
    for camera in (None, "none", "2", "brio", "integrated"):
        for microphone in (None, "scarlett", "0", "default"):
            LocalDevices(camera, microphone).check()


def test_the_named_devices_are_opened(machine: FakePortAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def capture(number: int) -> FakeCamera:
        opened.append(number)
        return FakeCamera(5)

    monkeypatch.setattr("cv2.VideoCapture", capture)
    source, recorded = open_source("local", LocalDevices("BRIO", "Scarlett")), Recorded()
    source.start(recorded)  # type: ignore[arg-type]
    assert until(lambda: opened and machine.opened)
    source.close()
    assert opened[0] == 2 and machine.opened[0] == (2, 18)


def test_the_default_camera_is_the_first_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv2.VideoCapture", lambda number: number)
    for there, number in (([Device(4, "A"), Device(6, "B")], 4), ([], None)):
        monkeypatch.setattr(mmadfer.sources.devices, "cameras", lambda there=there: there)
        assert open_camera() == number
    assert open_camera("gone") is None


@pytest.mark.parametrize("left_out", ["camera", "microphone"])
def test_what_is_left_out_is_not_opened_and_said(
    machine: FakePortAudio, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    opened: list[int] = []
    monkeypatch.setattr("cv2.VideoCapture", lambda number: opened.append(number) or FakeCamera(0))
    source, recorded = LocalSource(LocalDevices(**{left_out: "none"})), Recorded()
    source.start(recorded)  # type: ignore[arg-type]
    assert until(lambda: machine.opened if left_out == "camera" else opened)
    source.close()
    assert not (opened if left_out == "camera" else machine.opened)
    assert any("left out" in state.get(left_out, "") for state in recorded.states)


def heard(machine: FakePortAudio, device: str, seconds: float = 0.3) -> Recorded:
    """Return what a microphone has given."""
    recorded, stop = Recorded(), threading.Event()
    thread = threading.Thread(target=Microphone(recorded, stop, device).run)  # type: ignore[arg-type]
    thread.start()
    assert until(lambda: sum(s.samples.shape[1] for s in recorded.sounds) > seconds * RATE)
    stop.set()
    thread.join(10)
    return recorded


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmadfer.sources.local, "SETTLING", 0.0)


@pytest.mark.parametrize("voice", [0, 1, 2, 5])
@pytest.mark.parametrize("channels", [1, 2, 4, 6, 8, 18, 64, 128])
def test_the_voice_is_heard_on_whichever_channel_it_comes(
    settled: None, channels: int, voice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice %= channels
    machine = FakePortAudio(("Many", 0, channels))
    monkeypatch.setitem(sys.modules, "sounddevice", machine)
    tone = (0.3 * np.sin(2 * np.pi * 300 * np.arange(480) / RATE)).astype(np.float32)

    def sound(count: int) -> np.ndarray:
        made = np.full((480, count), 1e-6, np.float32)
        made[:, voice] = tone
        return made

    machine.sound = sound
    sounds = heard(machine, "many").sounds
    assert machine.opened == [(0, min(channels, 64))]
    assert {len(s.samples) for s in sounds} == {channels if channels <= FEW else 2}
    later = np.concatenate([s.samples for s in sounds[2:]], axis=1)
    chosen = sounding_channel(later, RATE)
    assert (chosen == 0) is (voice == 0)
    np.testing.assert_allclose(later[chosen][:480], tone, atol=1e-6)


@pytest.mark.parametrize(("given", "asked"), [(8, [18, 16, 8]), (2, [18, 16, 8, 4, 2]), (1, [18, 16, 8, 4, 2, 1])])
def test_a_device_that_refuses_its_channels_is_asked_for_fewer(
    settled: None, monkeypatch: pytest.MonkeyPatch, given: int, asked: list[int]
) -> None:
    machine = FakePortAudio(("Liar", 0, 18), most=given)
    monkeypatch.setitem(sys.modules, "sounddevice", machine)
    assert len(heard(machine, "0").sounds[0].samples) == given
    assert [count for _, count in machine.opened] == asked


def test_a_device_that_gives_nothing_is_said_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmadfer.sources.local.RETRY", 0.05)
    machine, recorded, stop = FakePortAudio(("Dead", 0, 2), most=0), Recorded(), threading.Event()
    monkeypatch.setitem(sys.modules, "sounddevice", machine)
    thread = threading.Thread(target=Microphone(recorded, stop, "dead").run)  # type: ignore[arg-type]
    thread.start()
    assert until(lambda: len(machine.opened) > 5)
    stop.set()
    thread.join(10)
    assert recorded.states[0]["microphone"] == "No microphone dead found on this machine"
    assert [count for _, count in machine.opened[:4]] == [2, 1, 2, 1]


def test_of_many_channels_the_second_changes_only_for_a_clearly_louder_one() -> None:
    few, seen = FewChannels(RATE), []
    rng = np.random.default_rng(0)
    voices = [(9, 0.2)] * 40 + [(11, 0.25)] * 40 + [(0, 0.3)] * 40 + [(5, 0.9)] * 200
    for channel, gain in voices:
        block = 1e-5 * rng.standard_normal((12, 480)).astype(np.float32)
        block[channel] += gain * np.sin(np.arange(480) / 5).astype(np.float32)
        picked = few.pick(block)
        np.testing.assert_array_equal(picked[0], block[0])
        seen.append(few._second)
    assert seen[0] == 9 and seen[-1] == 5
    assert len(np.flatnonzero(np.diff(seen))) <= 2, "the second channel flickers"


def test_listing_names_no_device_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmadfer.sources.devices, "cameras", list)
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio())
    assert [line for line in listing().splitlines() if line.strip() == "none"] == ["  none", "  none"]
