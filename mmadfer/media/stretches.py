"""Stretches of packets whose stamps follow from each other, and how they lie one behind the other."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av

from mmadfer.media.sound_header import frame_seconds

_BACK = 0.2
"""A stamp this much before the one before it, s, starts the clock anew; less is the disorder of broken files."""
AHEAD = 10.0
"""A stamp this much after the end of what was before it, s, leaves a hole that is told of."""
_NO_HOLE = 12 * 3600.0
"""A longer one is none: so ffmpeg shows stamps that start anew below the first of a file, as if 26.5 h had passed."""
_TOGETHER = 10.0
"""Tracks that start anew are of one recording where their stamps are within this, s, of each other."""
_STRAY_PACKETS = 8
"""So few packets after which the clock goes on as if nothing had been have stray stamps and are no recording."""
_RESUMES = 1.0
"""What is within this, s, of the end of a stretch goes on with it."""


@dataclass(eq=False)
class Stretch:
    """Packets of one track whose stamps follow from each other; times in s, as stamped."""

    track: int
    """Index of its track in the container."""
    first: int
    """Number of its first packet in its track."""
    start: float
    """When its first picture or sample is shown."""
    end: float
    last: float
    """Stamp of its newest packet."""
    beside: tuple[Stretch, float] | None = None
    """The other track's stretch when this one began, and how far that was then."""
    packets: int = 0
    shift: float = 0.0
    """What is to be added to its stamps."""
    stray: bool = False
    part_of: Stretch | None = None
    """The stretch that goes on in this one, after stray packets."""

    @property
    def shown(self) -> tuple[float, float]:
        """Start and end on the clock of the whole, s."""
        return self.start + self.shift, self.end + self.shift


class Track:
    """A track that is being looked through."""

    def __init__(self, stream: Any, made_up: bool) -> None:
        """Args: stream: of an opened PyAV container; made_up: whether its presentation stamps are guesses."""
        self.index: int = stream.index
        self.stretches: list[Stretch] = []
        self.packets = 0
        self.seconds = 0.0
        """Length of all packets, whatever their stamps say."""
        self._codec: str = stream.codec_context.name
        self._is_sound = stream.type == "audio"
        self._rate: int = stream.codec_context.sample_rate if self._is_sound else 0
        self._tick = float(stream.time_base or 0)
        self._usual, self._still = 0.0, 0
        self._made_up, self._has_pts = made_up, False
        self._guess = self._meant = math.nan  # what ffmpeg would make of a missing next stamp, and what it should be

    @property
    def stands_still(self) -> bool:
        """Whether this is a video whose stamps do not move on."""
        return not self._is_sound and self.packets >= _STRAY_PACKETS and self._still > self.packets // 2

    @property
    def is_even(self) -> bool:
        """Whether this is a video whose stamps tell its rate."""
        return not self._is_sound and not self.stands_still

    def take(self, packet: Any, other: Stretch | None) -> bool:
        """Take the next packet and return whether a stretch begins with it. Args: other: the other track's newest."""
        number = self.packets
        self.packets += 1
        length = (packet.duration or 0) * self._tick
        if length > AHEAD:  # so some formats write a hole
            length = self._usual
        self._usual = length
        seconds = (frame_seconds(self._codec, bytes(memoryview(packet)[:8])) if self._is_sound else None) or length
        self.seconds += seconds - self._skipped(packet)
        stamp, pts = packet.dts if packet.dts is not None else packet.pts, None if self._made_up else packet.pts
        if stamp is None or packet.is_discard:
            return False
        self._has_pts |= pts is not None
        # Where decoding stamps are made up, the first after a jump lie before it.
        time = (pts if pts is not None and abs(pts - stamp) * self._tick > AHEAD else stamp) * self._tick
        shown = time if pts is None else pts * self._tick
        guess = time + length
        if self._is_sound and abs(time - self._guess) < 1.5 * self._tick and self._guess != self._meant:
            time = shown = self._meant
        self._guess, self._meant = guess, shown + seconds
        return self._extend(number, time, shown, seconds, other)

    def _skipped(self, packet: Any) -> float:
        """Return how much of a packet of sound is there for the codec's sake only and not to be heard, s."""
        if not self._is_sound or not packet.has_sidedata("skip_samples"):
            return 0.0
        at_start, at_end = struct.unpack("<II", bytes(packet.get_sidedata("skip_samples"))[:8])
        return (at_start + at_end) / self._rate if self._rate else 0.0

    def shown_from(self, stamp: float | None) -> None:
        """Take the stamp of the first decoded frame, s: it is a later one where there are no presentation stamps."""
        if stamp is not None and self.stretches and not self._has_pts:
            late = max(0.0, stamp - self.stretches[0].start)
            for stretch in self.stretches:
                stretch.start, stretch.end = stretch.start + late, stretch.end + late

    def _extend(self, number: int, time: float, shown: float, seconds: float, other: Stretch | None) -> bool:
        current = self.stretches[-1] if self.stretches else None
        begins = current is None or not current.last - _BACK < time < max(current.last, current.end) + AHEAD
        begins = begins or self._resumes(time)
        self._still += current is not None and time <= current.last
        if current is None or begins:
            beside = None if other is None else (other, other.last)
            current = Stretch(self.index, number, shown, shown, time, beside)
            self.stretches.append(current)
        elif self._is_sound and time <= current.last:
            shown = current.end  # where stamps do not move on, the lengths tell
        current.start, current.end = min(current.start, shown), max(current.end, shown + seconds)
        current.last, current.packets = time, current.packets + 1
        return begins

    def _resumes(self, time: float) -> bool:
        """Return whether the clock goes on from where it was before a few packets that went astray."""
        if len(self.stretches) < 2 or self.stretches[-1].packets >= _STRAY_PACKETS:
            return False
        before, current = self.stretches[-2:]
        return abs(time - before.last) < min(_RESUMES, abs(time - current.last))


def read_stretches(container: Any, streams: Sequence[Any], made_up: bool) -> tuple[list[Track], list[Stretch]]:
    """Return the tracks as ``streams`` gives them, and their stretches in the order of the file.

    Args: streams: one or two tracks of an opened PyAV ``container``, which is read to its end; made_up: whether their
    presentation stamps are ffmpeg's guesses.
    """
    tracks = {stream.index: Track(stream, made_up) for stream in streams}
    order: list[Stretch] = []
    for packet in _packets(container, streams):
        if not packet.size:
            continue
        track = tracks[packet.stream_index]
        other = next((t.stretches[-1] for t in tracks.values() if t is not track and t.stretches), None)
        if track.take(packet, other):
            order.append(track.stretches[-1])
    return list(tracks.values()), order


def _packets(container: Any, streams: Sequence[Any]) -> Iterator[Any]:
    try:
        yield from container.demux(*streams)
    except (EOFError, av.error.FFmpegError):
        return  # the decoding breaks off there, too, and tells of it


def join(order: list[Stretch]) -> list[float]:
    """Set the shifts, so that what starts anew lies behind all that was before it; mark strays.

    Args: order: stretches of all tracks in the order of the file. Returns where the clock starts anew, s.
    """
    _mark_strays(order)
    before: dict[int, Stretch] = {}
    restarts, shift = [], 0.0
    for recording in _recordings([s for s in order if not s.stray and s.part_of is None]):
        if any(track in before and _starts_anew(before[track], s, shift) for track, s in recording.items()):
            restarts.append(max(s.shown[1] for s in before.values()))
            shift = restarts[-1] - min(s.start for s in recording.values())
        for track, stretch in recording.items():
            # Sound that lies behind all of the video in the file begins on the first clock.
            stretch.shift = shift if track in before or len(recording) > 1 else 0.0
            before[track] = stretch
    return restarts


def _starts_anew(before: Stretch, after: Stretch, shift: float) -> bool:
    ahead = after.start + shift - before.shown[1]
    return ahead < -_BACK or ahead > _NO_HOLE


def _recordings(order: list[Stretch]) -> list[dict[int, Stretch]]:
    """Return the stretches that began together on one clock, by track, in the order of the file."""
    recordings: list[dict[int, Stretch]] = []
    for stretch in order:
        newest = recordings[-1] if recordings else {}
        if newest and stretch.track not in newest and _is_beside(stretch, newest):
            newest[stretch.track] = stretch
        else:
            recordings.append({stretch.track: stretch})
    return recordings


def _is_beside(stretch: Stretch, recording: dict[int, Stretch]) -> bool:
    other, reached = stretch.beside or (None, 0.0)
    other = other.part_of or other if other is not None else None
    return other in recording.values() and abs(stretch.start - reached) < _TOGETHER


def _mark_strays(order: list[Stretch]) -> None:
    """Mark stretches that are a few packets with a wrong stamp, and those in which the one before them goes on."""
    for track in {stretch.track for stretch in order}:
        kept: list[Stretch] = []
        for current in (stretch for stretch in order if stretch.track == track):
            strayed = len(kept) > 1 and kept[-1].packets < _STRAY_PACKETS
            if strayed and abs(current.start - kept[-2].end) < _RESUMES:
                kept.pop().stray = True
                _go_on(kept[-1], current)
            else:
                kept.append(current)


def _go_on(before: Stretch, after: Stretch) -> None:
    after.part_of = before
    before.end, before.last = max(before.end, after.end), after.last
    before.packets += after.packets
