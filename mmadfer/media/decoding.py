"""Decoded frames of one track, each with the stamp that tells when it is shown; damage is passed by and counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import av

MOST_PIXELS = 2**28
"""Of one picture; a file that says it has more is broken, or made to fill the memory."""


_NOT_SEEN = object()


class Decoded(NamedTuple):
    """A decoded frame of a track."""

    time: float | None
    """s by its own stamps; None where it has none."""
    frame: Any
    """PyAV's."""
    pixel_shape: float = 1.0
    """Width of a stored pixel, in heights of it."""


class FrameClock:
    """Which of a frame's two stamps tells when it is shown.

    The presentation stamp does, but some files have none (AVI), or wrong ones, and then the decoding stamps, which a
    decoder passes on in the order of its output, are steadier: those that went back less often so far are believed.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._went_back = {"pts": 0, "dts": 0}

    def stamp(self, frame: Any) -> int | None:
        """Return the stamp of the next ``frame``, in its time base; None where it has none."""
        stamps = {name: value for name in ("pts", "dts") if (value := getattr(frame, name)) is not None}
        for name, value in stamps.items():
            self._went_back[name] += value <= self._last.get(name, value - 1)
            self._last[name] = value
        trusted = min(stamps, key=self._went_back.__getitem__, default=None)
        return None if trusted is None else stamps[trusted]


def first_stamp(stream: Any, frame: Any, made_up: bool) -> float | None:
    """Return the stamp of a track's first ``frame``, s; None where it has none.

    Args: made_up: whether presentation stamps are guesses (`TrackClock.made_up`).
    """
    stamp = frame.dts if made_up else FrameClock().stamp(frame)
    return None if stamp is None else float(stamp * (frame.time_base or stream.time_base))


class Decoding:
    """Frames of one track of a PyAV container, from its packets."""

    def __init__(self, stream: Any) -> None:
        """Args: stream: of an opened container."""
        self._stream = stream
        context = stream.codec_context
        if stream.type == "audio":
            _forget_layout(context)
        else:
            context.options = {**context.options, "max_pixels": str(MOST_PIXELS)}
        self._first_shape: Any = _NOT_SEEN
        self.damaged = 0
        """Number of packets that cannot be decoded, or not without damage."""
        self.broke_off = ""
        """Why the packets end before the file does, in a few words; empty where they do not."""

    def frames(self, packets: Iterable[Any]) -> Iterator[Decoded]:
        """Yield the frames of ``packets``, the stream's own, in order."""
        clock = FrameClock()
        for frame in self._decoded(self._read(packets)):
            stamp = clock.stamp(frame)
            time = None if stamp is None else float(stamp * (frame.time_base or self._stream.time_base))
            yield Decoded(time, frame, self._pixel_shape())

    def _pixel_shape(self) -> float:
        """Return what the container says, until the stream itself says something new."""
        if self._stream.type == "audio":
            return 1.0
        own = self._stream.codec_context.sample_aspect_ratio
        if self._first_shape is _NOT_SEEN:
            self._first_shape = own
        return float((own if own != self._first_shape else self._stream.sample_aspect_ratio) or 1)

    def _read(self, packets: Iterable[Any]) -> Iterator[Any]:
        try:
            # An empty one would end the decoding. The last one is empty, but files that break off have no last one.
            yield from (packet for packet in packets if packet.size)
        except EOFError:
            return
        except av.error.FFmpegError as error:
            self.broke_off = error.strerror or "damaged"

    def _decoded(self, packets: Iterator[Any]) -> Iterator[Any]:
        for packet in packets:
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self.damaged += 1
            else:
                self.damaged += packet.is_corrupt or any(frame.is_corrupt for frame in frames)
                yield from frames
        try:
            frames = self._stream.codec_context.decode(None)
        except av.error.FFmpegError:
            return
        yield from frames


def _forget_layout(context: Any) -> None:
    """Let a decoder know the number of channels and not where each of them is meant to be heard.

    A layout that lists its channels one by one, as in CAF and MOV, is freed twice by PyAV 18, which ends the process.
    """
    channels = context.channels
    if channels:
        context.layout = f"{channels}C"
