"""One recording as it grows: everything is offered from other threads, who never wait, and written on its own."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmadfer.sound.loudness import channel_of, is_silent, levels
from mmadfer.stream.intake import Frame, Sound

from ..outputs.answer import Answer
from .marker import Marker, iso
from .media import MediaWriter
from .tables import MARKER_COLUMNS, Tables, line, marker_line

log = logging.getLogger(__name__)

ANSWERS, MARKERS, METADATA = "answers.csv", "markers.csv", "metadata.json"
FORMAT = {"format": "mmadfer-recording", "version": 1}
OPENING = 1.5
"""Time that a camera or a microphone has to give something, s; afterwards the file has no track for it."""
MOST_BYTES, MOST_FRAMES = 96 << 20, 90
"""Frames that wait for the encoder; more are left out, and counted."""
MOST_SOUND = 30.0
"""Sound that waits for it, s."""
BEHIND = 1.0
"""Sound that is later than the picture by more than this, s, is taken to be missing."""
EVERY = 1.0
"""Time between two writes of what the recording says of itself, s."""
Item = Frame | Sound | Answer | Marker


@dataclass(frozen=True)
class Asked:
    """What somebody asked for. Raises ValueError where nobody says that the people in view have been told."""

    name: str = ""
    video: bool = True
    told: bool = False

    def __post_init__(self) -> None:
        if self.told is not True:
            raise ValueError("Nothing is recorded before the people in view and in hearing have been told (told).")


class Recording:
    """Frames, sound, answers and markers of one source in one folder. Times that come in are s, monotonic."""

    def __init__(
        self,
        folder: Path,
        asked: Asked,
        about: Mapping[str, Any],
        position: Callable[[float], float | None] | None = None,
        on_end: Callable[[Recording], object] = lambda _: None,
        on_open: Callable[[], object] = lambda: None,
    ) -> None:
        """Args: folder: exists and is empty. about: what runs: "labels", "weights" and so on, kept as it is.

        position: where a clip is at a moment, s. on_end, on_open: called on the recording's thread, once, at the end
        and when it is known which tracks there are. Raises OSError.
        """
        self.folder = folder
        self.trouble = ""
        """Why it ended by itself, in words."""
        self._asked = asked
        self._position = position
        self._on_end, self._on_open = on_end, on_open
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._frames_waiting, self._bytes_waiting, self._sound_waiting = 0, 0, 0.0
        self._ending: float | None = None
        self._begun = time.monotonic()
        self._zero: float | None = None
        self._media: MediaWriter | None = None
        self._opened = False
        self._held: list[Item] = []
        self._newest = 0.0
        self._channel = 0
        self._place: float | None = None
        self._described = 0.0
        self._losses = {"frames": 0, "soundSeconds": 0.0, "withoutTrack": 0}
        self._tables = Tables(about["labels"], "")
        self.about: dict[str, Any] = {
            **FORMAT,
            "name": asked.name,
            "told": asked.told,
            "startedUtc": iso(time.time()),
            "seconds": 0.0,
            "media": None,
            **about,
            "columns": self._tables.names,
            "segments": [],
            "baselines": [],
            "answers": 0,
            "markers": 0,
            "facesRead": [],
            "losses": self._losses,
            "clipBegins": [],
            "ended": None,
        }
        self._answers = open(folder / ANSWERS, "xb", buffering=0)  # noqa: SIM115 - closed at the end of the thread
        self._markers = open(folder / MARKERS, "xb", buffering=0)  # noqa: SIM115
        _write(self._answers, line(self._tables.names))
        _write(self._markers, line(MARKER_COLUMNS))
        self._describe()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """How long it is so far."""
        return max(0.0, (self._ending or time.monotonic()) - (self._zero or self._begun))

    @property
    def running(self) -> bool:
        """Whether it still takes what comes."""
        return self._ending is None

    @property
    def lacks(self) -> list[str]:
        """Which of "picture" and "sound" the file has no track for, though it should: known once it has begun."""
        if not self._opened:
            return []
        there = (self._media is not None and self._media.size, self._media is not None and self._media.channels)
        wanted = (("picture", self._asked.video, there[0]), ("sound", True, there[1]))
        return [name for name, asked, found in wanted if asked and not found]

    def offer(self, item: Item) -> None:
        """Take what came; returns at once. Frames and sound for which there is no room are left out, and counted."""
        with self._changed:
            if self._ending is not None:
                return
            if isinstance(item, Frame):
                if not self._asked.video:
                    return
                size = getattr(item.image, "nbytes", 0)
                if self._frames_waiting >= MOST_FRAMES or self._bytes_waiting + size > MOST_BYTES:
                    self._losses["frames"] += 1
                    return
                self._frames_waiting += 1
                self._bytes_waiting += size
            elif isinstance(item, Sound):
                length = item.samples.shape[1] / item.sample_rate
                if self._sound_waiting + length > MOST_SOUND:
                    self._losses["soundSeconds"] = round(self._losses["soundSeconds"] + length, 3)
                    return
                self._sound_waiting += length
            self._items.append(item)
            self._changed.notify()

    def stop(self, reason: str = "ended") -> None:
        """Take nothing more; returns at once. The first reason counts."""
        with self._changed:
            if self._ending is None:
                self._ending = time.monotonic()
                self.about["ended"] = reason
            self._changed.notify()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until all is written, at most ``timeout`` s; return whether it is."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # --- the recording's own thread

    def _run(self) -> None:
        try:
            while self._write_waiting():
                pass
            self._open_media(late=True)
        except OSError as error:
            self._fail(error)
        except Exception as error:  # whatever it is, what was written must be kept and offered
            log.exception("the recording has failed")
            self._fail(error)
        finally:
            self._finish()
            self._on_end(self)

    def _write_waiting(self) -> bool:
        """Write what waits; return whether more may come."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items) or self._ending is not None, timeout=EVERY / 2)
            items, self._items = self._items, deque()
            more = self._ending is None
        for item in items:
            if self._opened:
                self._write(item)
            else:
                self._held.append(item)
                self._open_media()
            self._written(item)
        if not self._opened:
            self._open_media()
        elif self._media is not None:
            self._media.fill_silence(self._newest - BEHIND)
        if time.monotonic() > self._described + EVERY:
            self._describe()
        return more

    def _written(self, item: Item) -> None:
        with self._changed:
            if isinstance(item, Frame):
                self._frames_waiting -= 1
                self._bytes_waiting -= getattr(item.image, "nbytes", 0)
            elif isinstance(item, Sound):
                self._sound_waiting -= item.samples.shape[1] / item.sample_rate

    def _open_media(self, late: bool = False) -> None:
        """Begin the file, once it is known which tracks it has. Args: late: with what there is."""
        if self._opened:
            return
        frame = next((item for item in self._held if isinstance(item, Frame)), None)
        sound = next((item for item in self._held if isinstance(item, Sound)), None)
        all_there = (frame is not None or not self._asked.video) and sound is not None
        if not (all_there or late or time.monotonic() > self._begun + OPENING):
            return
        first = frame or sound
        self._zero = first.time if first is not None else self._begun
        self.about["startedUtc"] = iso(time.time() - (time.monotonic() - self._zero))
        self._opened = True
        name = "video.webm" if frame is not None else "sound.webm"
        if first is not None:
            size = None if frame is None else (frame.image.shape[1], frame.image.shape[0])  # type: ignore[union-attr]
            channels = None if sound is None else min(2, len(sound.samples))
            self._media = MediaWriter(self.folder / name, size, channels)
            self.about["media"] = _media_about(name, size, sound)
        self._tables = Tables(self.about["labels"], name if first is not None else "none")
        self._on_open()
        held, self._held = self._held, []
        for item in held:
            self._write(item)

    def _write(self, item: Item) -> None:
        assert self._zero is not None
        if isinstance(item, Frame):
            self._write_frame(item, item.time - self._zero)
        elif isinstance(item, Sound):
            self._write_sound(item, item.time - self._zero)
        elif isinstance(item, Answer):
            if (at := item.prediction.time - self._zero) >= 0:
                _write(self._answers, self._tables.answer(item, at))
                self.about["answers"] += 1
                number = item.prediction.face_number
                if number is not None and number not in self.about["facesRead"]:
                    self.about["facesRead"].append(number)
        elif (at := item.utc - self._zero_utc()) >= 0:
            _write(self._markers, marker_line(item, at))
            self.about["markers"] += 1

    def _write_frame(self, frame: Frame, at: float) -> None:
        if at < 0:
            return
        rgb = frame.image() if callable(frame.image) else frame.image
        if self._media is None or not self._media.push_frame(at, rgb):
            self._losses["withoutTrack" if self._media is None or self._media.size is None else "frames"] += 1
        self._newest = max(self._newest, at)
        place = self._position(frame.time) if self._position else None
        if place is not None:
            if self._place is None or place < self._place:
                self.about["clipBegins"].append(round(at - place, 3))
            self._place = place

    def _write_sound(self, sound: Sound, at: float) -> None:
        if self._media is None or self._media.channels is None:
            self._losses["withoutTrack"] += 1
            return
        samples = sound.samples
        if len(samples) > 2:  # the first, and the one that is listened to
            found = levels(samples, sound.sample_rate)
            if not is_silent(found) or self._channel >= len(samples):
                self._channel = channel_of(found)
            samples = samples[[0, self._channel]]
        if len(samples) != self._media.channels:
            samples = samples[[0] * self._media.channels]
        self._media.push_sound(at, samples, sound.sample_rate)

    def _zero_utc(self) -> float:
        assert self._zero is not None
        return time.time() - (time.monotonic() - self._zero)

    def _fail(self, error: Exception) -> None:
        self.stop("failed")
        self.trouble = f"The recording could not be written any further ({_words(error)}): what came before is kept."
        log.warning("%s", self.trouble)

    def _finish(self) -> None:
        self.about["seconds"] = round(self.seconds, 3)
        self.about["segments"] = [{"from": 0, "to": self.about["seconds"]}]
        if self.trouble:
            self.about["trouble"] = self.trouble
        try:
            if self._media is not None:
                self._media.close()
            self._describe()
        except OSError as error:
            if not self.trouble:
                self._fail(error)
        finally:
            self._answers.close()
            self._markers.close()

    def _describe(self) -> None:
        if self._ending is None:
            self.about["seconds"] = round(self.seconds, 3)
        self._described = time.monotonic()
        write_about(self.folder, self.about)


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Write what a recording says of itself, whole or not at all. Raises OSError."""
    part = folder / f"{METADATA}.part"
    part.write_text(json.dumps(about, indent=2, ensure_ascii=False), encoding="utf-8")
    os.replace(part, folder / METADATA)


def _write(file: Any, text: str) -> None:
    data = text.encode("utf-8", "replace")
    while data:
        data = data[file.write(data) :]


def _words(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _media_about(name: str, size: tuple[int, int] | None, sound: Sound | None) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if size is not None:
        settings["video"] = {"width": size[0], "height": size[1]}
    if sound is not None:
        settings["audio"] = {"sampleRate": sound.sample_rate, "channelCount": len(sound.samples)}
    kind = "video/webm;codecs=vp8,opus" if size is not None else "audio/webm;codecs=opus"
    return {"file": name, "type": kind, "picture": size is not None, "settings": settings}
