"""Picture and sound as WebM (VP8, Opus), written as they come, so that one that ends early lacks its last moment."""

from __future__ import annotations

import errno
import io
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from .track_clock import SoundClock

CLUSTER = 0.3
"""Picture and sound reach the disk at least this often, s; what a process that is killed may lose beside its queue."""
RATE = 48_000
"""Hz; Opus knows no other that keeps all that is heard."""
TICKS = 1000
"""WebM counts ms."""
KEYFRAMES = 30
"""Frames between two from which a player can begin."""
BITS_PER_PIXEL = 9.0
"""A second; 640 x 480 px get 2.8 Mbit/s, about what browsers give them."""
_OPTIONS = {
    "cluster_time_limit": str(round(1000 * CLUSTER)),
    "max_interleave_delta": str(round(1e6 * CLUSTER)),  # µs one track waits for the other, which may have gone
    "flush_packets": "1",
}
_VP8 = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "8"}


class DiskFile(io.RawIOBase):
    """A file that is written without a buffer of ours, and says why where that fails."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - closed by `close`
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of ``data``. Raises OSError; nothing is written after that, so that what is there stays whole."""
        view = memoryview(data).cast("B")
        if self.error is not None:
            raise self.error
        done = 0
        try:
            while done < len(view):
                count = self._file.write(view[done:])
                if not count:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                done += count
        except OSError as error:
            self.error = error
            raise
        return done

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to ``offset``."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return where the next byte goes."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Return True: length and index are filled in at the end."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
        super().close()


class MediaWriter:
    """One file of one recording. Times are seconds in the recording; calls come from one thread."""

    def __init__(self, path: Path, size: tuple[int, int] | None, channels: int | None) -> None:
        """Args: size: of the picture, (width, height) in px; None: no picture. channels: 1 or 2; None: no sound.

        Raises OSError.
        """
        self.size, self.channels = size, channels
        self._file = DiskFile(path)
        self._container: Any = av.open(self._file, "w", format="webm", options=_OPTIONS)
        self._video: Any = self._add_video(*size) if size else None
        self._audio: Any = self._add_audio(channels) if channels else None
        self._clock = SoundClock(RATE)
        self._resampler: Any = None
        self._source_rate = 0
        self._written = -1

    def _add_video(self, width: int, height: int) -> Any:
        stream = self._container.add_stream("libvpx", rate=30, options=_VP8)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        stream.bit_rate = max(200_000, min(round(BITS_PER_PIXEL * width * height), 20_000_000))
        stream.gop_size = KEYFRAMES
        stream.codec_context.thread_count = 1  # the model needs the others
        return stream

    def _add_audio(self, channels: int) -> Any:
        stream = self._container.add_stream("libopus", rate=RATE, layout="mono" if channels == 1 else "stereo")
        stream.bit_rate = 64_000 * channels
        return stream

    @property
    def sound_end(self) -> float:
        """How far the sound reaches, s."""
        return self._clock.position / RATE

    def push_frame(self, time: float, rgb: npt.NDArray[np.uint8]) -> bool:
        """Write one frame ``(height, width, 3)``; return False where it is not after the one before."""
        stamp = round(time * TICKS)
        if self._video is None or stamp <= self._written:
            return False
        self._written = stamp
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        assert self.size is not None
        picture = picture.reformat(*self.size, format="yuv420p", dst_colorspace="ITU601")
        picture.pts, picture.time_base = stamp, Fraction(1, TICKS)
        self._mux(self._video.encode(picture))
        return True

    def push_sound(self, time: float, samples: npt.NDArray[np.float32], sample_rate: int) -> None:
        """Write a block ``(channels, n)`` whose first sample is of ``time``; holes become silence."""
        if self._audio is None:
            return
        if sample_rate != self._source_rate:
            self._source_rate = sample_rate
            layout = "mono" if self.channels == 1 else "stereo"
            self._resampler = av.AudioResampler("fltp", layout, RATE)
        at_rate = self._resampled(samples, sample_rate)
        # What the resampler holds back comes with the next block: a time of the end, which that does not change.
        begin = time + samples.shape[1] / sample_rate - at_rate.shape[1] / RATE
        self._encode(self._clock.place(begin, at_rate))

    def fill_silence(self, until: float) -> None:
        """Let the sound reach ``until`` where its source has said nothing."""
        if self._audio is not None and until > self.sound_end and self.channels:
            self._encode(self._clock.place(until, np.zeros((self.channels, 0), np.float32), at_once=True))

    def close(self) -> None:
        """Write what is held back, the length and the index. Raises OSError; the file stays readable then, too."""
        try:
            if self._file.error is None:
                for stream in (self._video, self._audio):
                    if stream is not None:
                        self._mux(stream.encode(None))
                self._container.close()
        except av.error.FFmpegError as error:
            raise self._file.error or OSError(str(error)) from error
        finally:
            self._file.close()

    def _resampled(self, samples: npt.NDArray[np.float32], sample_rate: int) -> npt.NDArray[np.float32]:
        if sample_rate == RATE:
            return samples
        block = self._frame(samples, sample_rate)
        return np.concatenate(
            [np.zeros((len(samples), 0), np.float32), *(f.to_ndarray() for f in self._resampler.resample(block))],
            axis=1,
        )

    def _frame(self, samples: npt.NDArray[np.float32], sample_rate: int) -> Any:
        layout = "mono" if self.channels == 1 else "stereo"
        made = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        made.sample_rate, made.time_base = sample_rate, Fraction(1, sample_rate)
        return made

    def _encode(self, samples: npt.NDArray[np.float32]) -> None:
        if not samples.shape[1]:
            return
        block = self._frame(samples, RATE)
        block.pts = self._clock.position - samples.shape[1]
        self._mux(self._audio.encode(block))

    def _mux(self, packets: Any) -> None:
        try:
            self._container.mux(packets)
        except av.error.FFmpegError as error:
            raise self._file.error or OSError(str(error)) from error
        if self._file.error is not None:
            raise self._file.error
