"""The cameras and microphones of this machine: which there are, and the one that is meant by a number or a name."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NONE = "none"
"""Said in place of a device to leave it out."""
MOST_TRIED = 8
"""Camera numbers that are tried where the system does not list its cameras."""
_QUERY_CAPABILITIES = 0x80685600  # VIDIOC_QUERYCAP
_TELLS_APART = 0x80000000  # V4L2_CAP_DEVICE_CAPS: the second number is of this device alone
_CAPTURES = 0x1 | 0x1000  # V4L2_CAP_VIDEO_CAPTURE, and the same in several planes


@dataclass(frozen=True)
class Device:
    """One camera or microphone. ``number`` is OpenCV's or PortAudio's."""

    number: int
    name: str
    place: str = ""
    """A camera's path, or the system through which a microphone is reached; "" where there is no word for it."""
    channels: int = 0
    """A microphone's input channels."""
    default: bool = False
    preferred: bool = True
    """Whether it is reached through the system's own way to sound: the same microphone may be listed several times."""

    def __str__(self) -> str:
        """Return number and name, for a sentence."""
        return f"{self.number} ({self.name})" if self.name else str(self.number)


@dataclass(frozen=True)
class LocalDevices:
    """Which camera and which microphone to open: a number, a path or a name, "none", or None for the default ones."""

    camera: str | None = None
    microphone: str | None = None

    def check(self) -> None:
        """Raise ValueError or OSError, in one sentence, where one that is named is not there."""
        if self.camera == self.microphone == NONE:
            raise ValueError("--camera none with --microphone none leaves nothing to see or hear; leave one out only")
        if self.camera not in (None, NONE):
            chosen_camera(self.camera)
        if self.microphone not in (None, NONE):
            chosen_microphone(self.microphone, portaudio())


def portaudio() -> Any:
    """Return the module that reaches microphones. Raises OSError or ImportError in words where it does not run."""
    try:
        import sounddevice
    except OSError as error:
        words = "the PortAudio library is missing (Debian and Ubuntu: apt-get install libportaudio2)"
        raise OSError(words) from error
    except ImportError as error:
        raise ImportError("the package sounddevice is missing (pip install sounddevice)") from error
    return sounddevice


def cameras(root: Path = Path("/"), system: str = sys.platform) -> list[Device]:
    """Return the cameras: on Linux those listed below ``root``, elsewhere the numbers that OpenCV opens, nameless."""
    if not system.startswith("linux"):
        return _tried_cameras()
    found = []
    for path in (root / "dev").glob("video*"):
        digits = path.name[len("video") :]
        if re.fullmatch("[0-9]{1,4}", digits) and _captures(root, path):
            name = _first_line(root / "sys/class/video4linux" / path.name / "name")
            found.append(Device(int(digits), name, os.fspath(path)))
    found.sort(key=lambda device: device.number)
    return [Device(d.number, d.name, d.place, default=d is found[0]) for d in found]


def microphones(sounddevice: Any) -> list[Device]:
    """Return what PortAudio can record from."""
    try:
        default = sounddevice.query_devices(kind="input")["index"]
    except (sounddevice.PortAudioError, ValueError):
        default = -1
    systems = [api["name"] for api in sounddevice.query_hostapis()]
    own = sounddevice.query_devices()[default]["hostapi"] if default >= 0 else 0
    return [
        Device(
            info["index"],
            _printable(info["name"]),
            systems[info["hostapi"]],
            info["max_input_channels"],
            info["index"] == default,
            info["hostapi"] == own,
        )
        for info in sounddevice.query_devices()
        if info["max_input_channels"] > 0
    ]


def chosen_camera(wanted: str | None, there: Sequence[Device] | None = None) -> Device | None:
    """Return the camera that is meant; the first where None is wanted, and None where there is none at all.

    Raises ValueError, in one sentence that lists what is there, where ``wanted`` fits none or several.
    """
    there = cameras() if there is None else there
    if wanted is None:
        return next(iter(there), None)
    if "/" in wanted or os.sep in wanted:
        path = os.path.realpath(wanted)
        by_path = [device for device in there if device.place and os.path.realpath(device.place) == path]
        if not by_path and os.path.isfile(path):
            raise ValueError(f"--camera {_printable(wanted)} is a file; --source plays it as if it came from a camera")
        return _only("camera", wanted, by_path, there)
    return _chosen("camera", wanted, there)


def camera_number(wanted: str | None = None, system: str = sys.platform) -> int | None:
    """Return OpenCV's number of the camera that is meant, or None where it is not there now: it may come."""
    if not system.startswith("linux") and (wanted is None or re.fullmatch("[0-9]{1,9}", wanted)):
        return int(wanted or 0)  # to look for it first would open every camera
    try:
        device = chosen_camera(wanted)
    except ValueError:
        return None
    return None if device is None else device.number


def chosen_microphone(wanted: str, sounddevice: Any) -> Device:
    """Return the microphone that is meant. Raises ValueError as `chosen_camera` does."""
    return _chosen("microphone", wanted, microphones(sounddevice))


def listing() -> str:
    """Return all cameras and microphones, a line each, or why there are none."""
    lines = ["Cameras (--camera NUMBER, or a part of the name):"]
    lines += [_line(device) for device in cameras()] or ["  none"]
    lines.append("Microphones (--microphone NUMBER, or a part of the name):")
    try:
        lines += [_line(device) for device in microphones(portaudio())] or ["  none"]
    except (OSError, ImportError) as error:
        lines.append(f"  none: {error}")
    return "\n".join(lines)


def _line(device: Device) -> str:
    facts = [device.name or f"camera {device.number}"]
    if device.channels:
        facts.append("1 channel" if device.channels == 1 else f"{device.channels} channels")
    facts += [device.place] if device.place else []
    facts += ["the default"] if device.default else []
    return f"  {device.number:>3}  {', '.join(facts)}"


def _chosen(kind: str, wanted: str, there: Sequence[Device]) -> Device:
    if re.fullmatch("[0-9]{1,9}", wanted):
        return _only(kind, wanted, [device for device in there if device.number == int(wanted)], there)
    name = wanted.strip().casefold()
    if not name:
        raise ValueError(f"--{kind} must name a {kind}, got an empty text; {_what_is_there(kind, there)}")
    whole = [device for device in there if device.name.casefold() == name]
    fitting = whole or [device for device in there if name in device.name.casefold()]
    return _only(kind, wanted, [d for d in fitting if d.preferred] or fitting, there)


def _only(kind: str, wanted: str, fitting: Sequence[Device], there: Sequence[Device]) -> Device:
    if len(fitting) == 1:
        return fitting[0]
    shown = _printable(wanted)[:100]
    if fitting:
        raise ValueError(f"--{kind} {shown} fits {_joined(fitting)}; name one of them by its number")
    raise ValueError(f"--{kind} {shown}: there is no such {kind}; {_what_is_there(kind, there)}")


def _what_is_there(kind: str, there: Sequence[Device]) -> str:
    return f"there is {_joined(there)}" if there else f"no {kind} is there at all"


def _joined(devices: Sequence[Device]) -> str:
    texts = [str(device) for device in devices]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _captures(root: Path, path: Path) -> bool:
    """Return whether a video device gives pictures: cameras have a second one that tells of the pictures only."""
    capabilities = _capabilities(path)
    if capabilities is not None:
        return bool(capabilities & _CAPTURES)
    return _first_line(root / "sys/class/video4linux" / path.name / "index") in ("", "0")  # the second one's is 1


def _capabilities(path: Path) -> int | None:
    """Return what the device says that it can do, or None where it does not say: it is another user's, or no device."""
    try:
        import fcntl

        file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except (ImportError, OSError):
        return None
    try:
        answer = fcntl.ioctl(file, _QUERY_CAPABILITIES, bytes(104))
    except OSError:
        return None
    finally:
        os.close(file)
    of_all, of_this = struct.unpack_from("=II", answer, 84)
    return int(of_this if of_all & _TELLS_APART else of_all)


def _tried_cameras() -> list[Device]:
    import cv2

    found: list[Device] = []
    for number in range(MOST_TRIED):
        camera = cv2.VideoCapture(number)
        if camera.isOpened():
            found.append(Device(number, "", default=not found))
        camera.release()
    return found


def _first_line(path: Path) -> str:
    with contextlib.suppress(OSError):
        return _printable(path.read_bytes()[:200].decode("utf-8", "replace").split("\n")[0].strip())
    return ""


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
