"""The live window: camera frames and sound go in as they come, the last W seconds come out as the model wants them."""

from __future__ import annotations

import threading

import numpy as np

from mmadfer.config import InputSpec
from mmadfer.faces.choice import ChoosingTracker
from mmadfer.faces.identities import Identities
from mmadfer.faces.mouth import MouthWatch, speaker
from mmadfer.faces.tracker import FaceTracker, TrackedFace, crop
from mmadfer.media.media_file import AudioChunk, VideoFrame
from mmadfer.preprocess import check_rgb, frame_indices
from mmadfer.sound.audio_buffer import AudioBuffer
from mmadfer.sound.loudness import loudness_over_time
from mmadfer.sound.voice_activity import VoiceActivity
from mmadfer.stream.frame_buffer import CropFrame, FrameBuffer
from mmadfer.stream.further import FurtherFaces, checked_count, movements
from mmadfer.stream.view import Window, earlier, face_states, sound_states
from mmadfer.types import NOBODY_HEARD, State

__all__ = ["AVWindow", "AudioBuffer", "FrameBuffer", "Window"]

_SOUND_WAIT = 0.25
"""Sound may arrive so much later than the frame of its time, s; beyond that, windows go on without it."""
_VIDEO_STALL = 1.0
"""Where no frame has come for so long while sound goes on, the window follows the sound, s."""
_FULL_SLACK = 0.1
"""A stream that began so little after the window's start fills it, s: clips end one frame before their duration."""
_HISTORY = 2.0
"""Kept beyond the window, s, so that an earlier end can be asked for."""


class AVWindow:
    """The newest W seconds of one camera and one microphone. Bounded, thread-safe, and one connection's own.

    Which moment a window ends at, where it is not asked for: the newest frame. If its sound is not there yet, the
    newest frame whose sound is, but at most 0.25 s back; sound later than that is not waited for, and the window ends
    early in its sound. So what a window holds depends on time stamps, not on which of both arrived first. Without
    frames for 1 s it ends at the newest sound.
    """

    def __init__(
        self,
        spec: InputSpec,
        tracker: FaceTracker | None = None,
        voice_activity: bool = True,
        keeps_person: bool = False,
        faces: int = 1,
    ) -> None:
        """Args: spec: window length and crops. tracker: made with the first frame where None; closed by `close`.

        voice_activity: look for a voice in the sound; without it windows do not say whether there is one.
        keeps_person: of several faces go on with the one that was read, as `ChoosingTracker` does; without it another
        one is read where that is not found for a second. faces: how many are read at once; more than one goes with
        ``keeps_person`` alone.
        Raises ValueError for a number of faces that cannot be read.
        """
        self.spec = spec
        self._tracker = tracker
        self._keeps_person = keeps_person
        kept = spec.window_seconds + _HISTORY
        if checked_count(faces) > 1 and not keeps_person:
            raise ValueError("several faces can be read where the one that was read is kept: keeps_person=True")

        def buffer() -> FrameBuffer:
            # A window after a hole as long as itself holds little, and has to fill again.
            return FrameBuffer(kept, longest_hole=spec.window_seconds)

        self._frames = buffer()
        self._mouth = MouthWatch()
        self._further = FurtherFaces(spec, faces - 1, buffer) if faces > 1 else None
        self._voice = VoiceActivity(kept) if voice_activity else None
        self._sound = AudioBuffer(kept, longest_hole=spec.window_seconds, listener=self._voice)
        self._intake = threading.Lock()  # held while a face is looked for; never taken inside the other
        self._lock = threading.Lock()  # held for moments only
        self._closed = False
        self._version = 0
        self.frames_in = 0
        """Frames that came, those left out as too late or too soon included."""

    @property
    def audio_seconds(self) -> float:
        """Sound that came, s; without the zeros that stand in for gaps."""
        return self._sound.received

    @property
    def gaps(self) -> int:
        """Holes in the sound so far: samples that did not come or were no numbers."""
        return self._sound.gaps

    def push_frame(self, time: float, rgb: np.ndarray) -> TrackedFace | None:
        """Take a frame; find the face and keep only its crop. Return the face, or None where there is none.

        A frame not later than the newest is left out, and so is all that comes after `close`: None as well.

        Args:
            time: when the frame was taken, s on the clock of the sound's time stamps.
            rgb: `(height, width, 3)` uint8; not kept.

        Raises ValueError on a malformed frame or time.
        """
        check_rgb(rgb)
        with self._intake:
            if self._closed:
                return None
            with self._lock:
                self.frames_in += 1
                accepted = self._frames.accepts(time)
            if not accepted:
                return None
            if self._tracker is None:
                self._tracker = ChoosingTracker(self.spec) if self._keeps_person else _numbering(self.spec)
            before = self._tracker.restarts
            face = self._tracker.update(rgb, time)
            picture = None if face is None else crop(rgb, face.box, self.spec.image_size)
            moved, others = self._look_further(rgb, time, None if face is None or face.held else picture)
            with self._lock:
                if self._tracker.restarts != before:  # no window holds pictures of two persons
                    self._frames.reset()
                self._frames.push(_kept(time, picture, face, len(self._tracker.in_view), moved))
                if self._further is not None:
                    self._further.keep(others)
                self._version += 1
            return face

    def choose_face(self, number: int) -> None:
        """Read the face of this number from the next frame on, if it is in view then."""
        if isinstance(self._tracker, ChoosingTracker):
            self._tracker.choose(number)

    def _look_further(
        self, rgb: np.ndarray, time: float, picture: np.ndarray | None
    ) -> tuple[float | None, list[tuple[int, CropFrame]]]:
        """Return how the mouth of the chosen face has moved, and what the frame shows of the further faces."""
        if self._further is None or not isinstance(self._tracker, ChoosingTracker):
            return None, []
        return self._mouth.push(picture, time), self._further.look(rgb, time, self._tracker)

    @property
    def further(self) -> tuple[int, ...]:
        """Numbers of the faces that are read beside the chosen one."""
        return () if self._further is None else tuple(self._further.buffers)

    @property
    def tracker(self) -> FaceTracker | None:
        """What follows the faces; None before the first frame."""
        return self._tracker

    def push_audio(
        self,
        waveform: np.ndarray,
        sample_rate: int,
        time: float | None = None,
        sample_index: int | None = None,
    ) -> None:
        """Take a piece of sound of any length; arguments as for `AudioBuffer.push`. After `close` it is left out.

        Raises ValueError on a malformed chunk.
        """
        with self._lock:
            if not self._closed:
                self._sound.push(waveform, sample_rate, time, sample_index)
                self._version += 1

    def push(self, item: VideoFrame | AudioChunk) -> TrackedFace | None:
        """Take what `MediaFile.packets` yields; return as `push_frame` does, and None for sound."""
        if isinstance(item, VideoFrame):
            return self.push_frame(item.time, item.rgb)
        self.push_audio(item.waveform, item.sample_rate, item.time)
        return None

    def window(self, end: float | None = None) -> Window:
        """Return the W seconds before ``end`` (s; the newest moment where None). Cheap: only the sound is copied.

        Where nothing has come yet, the window is empty and its states say so.
        """
        return self._window(None, self._frames, end)

    def further_windows(self) -> list[Window]:
        """Return the newest window of each of the `further` faces."""
        further = {} if self._further is None else self._further.buffers
        return [self._window(number, buffer, None) for number, buffer in further.items()]

    def _window(self, number: int | None, buffer: FrameBuffer, end: float | None) -> Window:
        """Return the window of the face in ``buffer``. Args: number: of a further face; None: of the chosen one."""
        with self._lock:
            end = self._newest() if end is None else end
            seconds = self.spec.window_seconds
            frames = buffer.until(end, seconds)
            mouths = movements(self._buffers(), end, seconds)
            waveform, gap = self._sound.span(end, seconds)
            speech = None
            if self._voice is not None and waveform is not None:
                speech = self._voice.share(*self._sound.numbers(end, seconds))
            starts = [s for s in (buffer.start_time, self._sound.start_time) if s is not None]
            face_time, sound_end = buffer.face_time, self._sound.end_time
            sample_rate, version = self._sound.sample_rate, self._version
        with_face = [frame for frame in frames if frame.crop is not None]
        lost = end - max((f.time for f in with_face), default=earlier(face_time, end, starts))
        newest = frames[-1] if frames and end - frames[-1].time <= _VIDEO_STALL else None
        face = None if newest is None else newest.box
        states = [State.WINDOW_FILLING] if not starts or end - seconds < max(starts) - _FULL_SLACK else []
        states += face_states(bool(with_face), face)
        late = sound_end is not None and end - sound_end > _SOUND_WAIT
        states += sound_states(waveform, sample_rate, gap or late, speech)
        heard = waveform is not None and NOBODY_HEARD.isdisjoint(states) and "audio" in self.spec.handles_missing
        if heard and with_face and len(mouths) > 1 and waveform is not None:
            speaks = speaker(mouths, *loudness_over_time(waveform, sample_rate, min(end, sound_end or end)))
            if speaks is not None and speaks != (number or next(iter(mouths))):
                states.append(State.OTHERS_VOICE)
        picked = [with_face[i] for i in frame_indices(len(with_face), self.spec.num_frames)] if with_face else []
        return Window(
            end=end,
            start=end - seconds,
            crops=[frame.crop for frame in picked if frame.crop is not None],
            frame_times=[frame.time for frame in picked],
            waveform=waveform,
            sample_rate=sample_rate,
            face=face,
            states=tuple(states),
            face_lost_s=0.0 if face is not None else max(0.0, lost),
            version=version,
            speech=speech,
            face_number=number or (None if newest is None or newest.known is None else newest.known.number),
            face_count=None if newest is None else max(newest.count, int(face is not None)),
        )

    def _buffers(self) -> dict[int, FrameBuffer]:
        """Return what is kept of each face that is read, by its number; nothing where one is read, or none yet."""
        chosen = self._tracker.number if isinstance(self._tracker, ChoosingTracker) else None
        if self._further is None or chosen is None:
            return {}
        return {chosen: self._frames, **self._further.buffers}

    def reset(self) -> None:
        """Forget everything pushed; counters too."""
        with self._intake, self._lock:
            self._frames.reset()
            if self._further is not None:
                self._further.reset()
            self._sound.reset()
            self.frames_in = 0
            self._version += 1
            if self._tracker is not None:
                self._tracker.reset()

    def close(self) -> None:
        """Free the face detector and the rings' memory; what is pushed later is left out."""
        with self._intake, self._lock:
            if not self._closed:
                self._closed = True
                self._frames.reset()
                if self._further is not None:
                    self._further.reset()
                self._sound.reset()
                if self._tracker is not None:
                    self._tracker.close()

    def _newest(self) -> float:
        """Return the default end of a window, s; see the class."""
        seen, heard = self._frames.end_time, self._sound.end_time
        if seen is None or heard is None:
            return seen if seen is not None else heard if heard is not None else 0.0
        if heard - seen > _VIDEO_STALL:
            return heard
        if not 0 < seen - heard <= _SOUND_WAIT:
            return seen
        return next((f.time for f in reversed(self._frames.until(heard)) if seen - f.time <= _SOUND_WAIT), seen)


def _numbering(spec: InputSpec) -> FaceTracker:
    return FaceTracker(spec, identities=Identities())


def _kept(
    time: float, picture: np.ndarray | None, face: TrackedFace | None, count: int, moved: float | None
) -> CropFrame:
    if face is None:
        return CropFrame(time, None, None, count=count)
    return CropFrame(time, picture, face.box, face.held, face.known, count, moved)
