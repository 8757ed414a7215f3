"""Packs one clip: its face crops as JPEG and the log-mel of its sound, from wherever the data set keeps them."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image, UnidentifiedImageError

from mmadfer.cli import sentence
from mmadfer.config import InputSpec
from mmadfer.data.lists.listing import Finding, natural
from mmadfer.data.manifest import Clip
from mmadfer.data.prepared import PreparedSettings
from mmadfer.data.shards import PackedClip, text_order, whole_log_mel
from mmadfer.faces.crop import crop
from mmadfer.faces.tracker import FaceTracker
from mmadfer.media.media_file import open_media
from mmadfer.media.orientation import UPRIGHT
from mmadfer.media.pictures import orientation_of, read_picture
from mmadfer.media.suffixes import PICTURE_SUFFIXES
from mmadfer.preprocess import resample
from mmadfer.sound.loudness import SILENCE, is_silent, levels

_WARNERS = {
    "mmadfer.media.tracks": "damaged parts",
    "mmadfer.media.media_file": "odd clock or format",
    "mmadfer.media.length": "odd clock or format",
    "mmadfer.media.picture_track": "odd clock or format",
    "mmadfer.media.sound_track": "odd clock or format",
    "mmadfer.media.pictures": "odd clock or format",
}
"""Who warns of what, and the kind of the finding."""
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, av.FFmpegError)
"""What reading a damaged file may raise; Pillow calls a broken PNG a SyntaxError."""


class Unusable(ValueError):
    """A clip that cannot be in the set: its first argument is the kind of the finding, its second the detail."""


@dataclass(frozen=True)
class Task:
    """A clip to pack."""

    clip: Clip
    frame_count: int | None = None
    """Number of its pictures by the set's lists; None where they do not say."""


@dataclass(frozen=True)
class Pictures:
    """The face crops of a clip."""

    jpegs: list[bytes]
    fps: float
    text_order: tuple[int, ...] = ()


class Packer:
    """Packs clips of one data set, one by one. It holds the face detector: one per process."""

    def __init__(self, root: Path, settings: PreparedSettings, unpadded_frames: bool = False) -> None:
        """Args: root: of the data set. unpadded_frames: as of `Listing`."""
        self.root = root
        self.settings = settings
        self._unpadded = unpadded_frames
        self._tracker: FaceTracker | None = None
        self._findings: list[Finding] = []
        self._clip_id = ""

    def pack(self, task: Task) -> tuple[PackedClip | None, list[Finding]]:
        """Return the clip, or None where it cannot be used, and everything odd about it."""
        self._findings, self._clip_id = [], task.clip.clip_id
        packed = None
        with self._warnings():
            try:
                pictures = self._pictures(task)
                packed = self._with_sound(task.clip, pictures)
            except Unusable as error:
                self._note(error.args[0], error.args[1], left_out=True)
            except UNREADABLE as error:
                self._note("broken file", sentence(error), left_out=True)
        return packed, self._findings

    def _note(self, kind: str, detail: str, left_out: bool = False) -> None:
        # Without the root: a report then says the same wherever the set lies.
        self._findings.append(Finding(kind, self._clip_id, detail.replace(f"{self.root}/", ""), left_out))

    @contextlib.contextmanager
    def _warnings(self) -> Iterator[None]:
        """Note what the reading of files warns of."""
        with contextlib.ExitStack() as stack:
            for name, kind in _WARNERS.items():
                stack.enter_context(self._noting(logging.getLogger(name), kind))
            yield

    @contextlib.contextmanager
    def _noting(self, logger: logging.Logger, kind: str) -> Iterator[None]:
        handler = logging.Handler()
        handler.emit = lambda record: self._note(kind, record.getMessage())  # type: ignore[method-assign]
        propagate, logger.propagate = logger.propagate, False
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.propagate = propagate

    def _pictures(self, task: Task) -> Pictures:
        clip = task.clip
        if clip.frames:
            return self._distributed(task)
        if not clip.video:
            raise Unusable("sound without pictures", clip.audio)
        if not (self.root / clip.video).is_file():
            raise Unusable("missing file", clip.video)
        return self._cut(clip)

    def _distributed(self, task: Task) -> Pictures:
        """Return the face crops that came with the set; their bytes are kept where they have the set's size."""
        clip, folder = task.clip, self.root / task.clip.frames
        if not folder.is_dir():
            raise Unusable("missing folder", clip.frames)
        names = [path.name for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES]
        names = sorted((name for name in names if not name.startswith(".")), key=natural)
        if not names:
            raise Unusable("empty folder", clip.frames)
        if task.frame_count not in (None, len(names)):
            self._note("frame count differs from the list", f"{len(names)} files, {task.frame_count} by the list")
        jpegs = {name: jpeg for name in names if (jpeg := self._jpeg(folder / name)) is not None}
        if not jpegs:
            raise Unusable("broken file", f"none of the {len(names)} pictures in {clip.frames} can be read")
        order = text_order(list(jpegs))
        if order:
            self._note("unpadded frame names", f"{names[0]} to {names[-1]}")
        return Pictures(list(jpegs.values()), self._frame_rate(clip, len(names)), order)

    def _jpeg(self, path: Path) -> bytes | None:
        try:
            data = path.read_bytes()
            if self._may_stay(data):
                return data
            rgb = Image.fromarray(read_picture(path))
        except UNREADABLE as error:
            self._note("broken picture", f"{path}: {sentence(error)}")
            return None
        size = (self.settings.image_size, self.settings.image_size)
        return self._encoded(rgb if rgb.size == size else rgb.resize(size, Image.Resampling.BILINEAR))

    def _may_stay(self, data: bytes) -> bool:
        """Return whether the bytes of a picture are what the set holds: an upright JPEG of its size, whole."""
        with contextlib.suppress(UnidentifiedImageError), Image.open(io.BytesIO(data)) as picture:
            picture.load()  # all of it: a file that is cut short must be seen now, not in training
            fits = picture.size == (self.settings.image_size, self.settings.image_size)
            known = picture.format == "JPEG" and picture.mode in ("RGB", "L")
            return fits and known and orientation_of(picture) == UPRIGHT
        return False

    def _encoded(self, picture: Image.Image) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=self.settings.quality)
        return buffer.getvalue()

    def _frame_rate(self, clip: Clip, frames: int) -> float:
        """Return the pictures per second of face crops that lie beside their video; 0 where that is not known."""
        if not clip.video or not (self.root / clip.video).is_file():
            return 0.0
        try:
            seconds = open_media(self.root / clip.video).duration
        except UNREADABLE:
            return 0.0  # noted with the sound, which is in the same file
        return frames / seconds if seconds > 0 else 0.0

    def _cut(self, clip: Clip) -> Pictures:
        """Return the followed face of each frame, cut as the live app does it; frames without one are left out."""
        media = open_media(self.root / clip.video)
        if not media.has_video:
            raise Unusable("sound without pictures", clip.video)
        tracker = self._ready_tracker()
        jpegs, seen = [], 0
        for time, rgb in media.frames():
            if clip.end is not None and time >= clip.end:
                break
            if time < clip.start:
                continue
            seen += 1
            face = tracker.update(rgb, time)
            if face is not None:
                part = crop(rgb, face.box, self.settings.image_size)
                jpegs.append(self._encoded(Image.fromarray(part)))
        if not seen:
            raise Unusable("no pictures in its span", f"{clip.start:g} s to {clip.end} s of {media.duration:.2f} s")
        if not jpegs:
            raise Unusable("no face found", f"in {seen} frames of {clip.video}")
        if len(jpegs) < seen:
            self._note("frames without a face", f"{seen - len(jpegs)} of {seen}")
        order = text_order([str(k) for k in range(len(jpegs))]) if self._unpadded else ()
        return Pictures(jpegs, media.fps, order)

    def _ready_tracker(self) -> FaceTracker:
        if self._tracker is None:
            self._tracker = FaceTracker(
                InputSpec(image_size=self.settings.image_size, level_eyes=self.settings.level_eyes)
            )
        self._tracker.reset()
        return self._tracker

    def _with_sound(self, clip: Clip, pictures: Pictures) -> PackedClip:
        waveform, rate = self._sound(clip)
        log_mel = whole_log_mel(None, 0, self.settings.mel)
        if waveform is not None:
            try:
                used = self.settings.sample_rate or rate
                log_mel = whole_log_mel(resample(waveform, rate, used), used, self.settings.mel)
            except ValueError as error:
                self._note("broken sound", str(error))
            else:
                if not len(log_mel):
                    self._note("sound too short", f"{waveform.shape[1]} samples at {rate} Hz")
                elif is_silent(levels(waveform, rate)):
                    self._note("silent sound", f"nothing is louder than {SILENCE:g} of full scale")
        rate = rate if len(log_mel) else 0
        return PackedClip(clip, pictures.jpegs, log_mel, rate, pictures.fps, pictures.text_order)

    def _sound(self, clip: Clip) -> tuple[np.ndarray | None, int]:
        """Return the waveform `(channels, samples)` of the clip's span and its rate in Hz; None where there is none."""
        if not clip.audio:
            return None, 0
        path = self.root / clip.audio
        if not path.is_file():
            self._note("no sound file", clip.audio)
            return None, 0
        try:
            media = open_media(path)
            if not media.has_audio:
                self._note("no audio track", clip.audio)
                return None, 0
            waveform = media.read_span(clip.start, clip.end)
        except UNREADABLE as error:
            self._note("broken sound", sentence(error))
            return None, 0
        return waveform, media.sample_rate
