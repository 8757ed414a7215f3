"""One clock for everything in a file: joined recordings lie one behind the other, and holes are known.

The stamps of a file may start anew (recordings joined byte by byte), jump, or go astray for a packet or two. The
packets are looked through once, without decoding, for all tracks together: so picture and sound stay in step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av

from mmadfer.media.decoding import Decoded, first_stamp
from mmadfer.media.stretches import AHEAD, Stretch, Track, join, read_stretches

_NO_PACKET = 2**62
"""Number beyond all packets."""
_NO_STAMPS, _GENERIC_INDEX, _RESTARTS = 0x80, 0x100, 0x200
"""Flags of ffmpeg's formats: they hold no stamps; they have no index; their stamps may start anew."""
_EARLY = 1.0
"""A header's start this far, s, from the packets' own is wrong."""


@dataclass(frozen=True)
class TrackClock:
    """What is done to the stamps of one track's packets."""

    shifts: tuple[tuple[int, float], ...] = ()
    """(number of the first packet, s to add from it on), ascending."""
    strays: tuple[range, ...] = ()
    """Numbers of packets whose stamps mean nothing."""
    made_up: bool = False
    """Whether the presentation stamps are ffmpeg's guesses; in a stream without a container the others are steadier."""
    still: bool = False
    """Whether the stamps do not move on, and mean nothing."""

    def shifted(self, packets: Iterator[Any]) -> Iterator[Any]:
        """Yield the track's packets with their stamps on the clock of the whole file; stray stamps are taken off."""
        shifts, strays, shift = list(self.shifts), list(self.strays), 0.0
        number = -1
        for packet in packets:
            number += bool(packet.size)
            while shifts and shifts[0][0] <= number:
                shift = shifts.pop(0)[1]
            while strays and strays[0].stop <= number:
                strays.pop(0)
            if self.made_up:
                packet.pts = None
            if self.still or (strays and number in strays[0]):
                packet.pts = packet.dts = None
            elif shift and packet.time_base:
                ticks = round(Fraction(shift) / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts + ticks
                packet.dts = None if packet.dts is None else packet.dts + ticks
            yield packet


@dataclass(frozen=True)
class Timeline:
    """The clock of a file."""

    start: float = 0.0
    """The stamp that counts as 0, s."""
    end: float | None = None
    """Length by the packets, s; None where they bear no stamps."""
    counted: bool = False
    """Whether the file is a mere stream of sound, where one piece follows the other and the samples tell the time."""
    rate: float | None = None
    """Packets of the video a second, where there is one; holes do not count."""
    still: int = 0
    """Number of the pictures where their stamps do not move on; then an even pace is taken."""
    unstamped: int = 0
    """Number of packets of the first track where none bears a stamp."""
    tracks: dict[int, TrackClock] = field(default_factory=dict)
    """By the track's index in its container."""
    restarts: tuple[float, ...] = ()
    """Where the clock started anew, s from the file's start."""
    holes: tuple[tuple[float, float], ...] = ()
    """(from, to) where the file jumps over a long time in which it holds nothing, s from its start."""

    def track(self, index: int) -> TrackClock:
        """Return the clock of the track with this index."""
        return self.tracks.get(index, TrackClock())


def read_timeline(container: Any, found: Sequence[tuple[Any, Decoded]]) -> Timeline:
    """Return the clock of an opened PyAV ``container``, which is read to its end.

    Args: found: (track, its first decoded frame) for each track that counts.
    """
    streams = [stream for stream, _ in found]
    made_up = bool(container.format.flags & _NO_STAMPS)
    tracks, order = read_stretches(container, streams, made_up)
    if streams[0].type == "audio" and container.format.flags & (_GENERIC_INDEX | _RESTARTS) == _GENERIC_INDEX:
        return Timeline(end=tracks[0].seconds or None, counted=True)
    for track, (stream, decoded) in zip(tracks, found, strict=True):
        track.shown_from(first_stamp(stream, decoded.frame, made_up))
    restarts = join(order)
    kept = [stretch for stretch in order if not stretch.stray and stretch.part_of is None]
    shown = sorted(stretch.shown for stretch in kept)
    start = _start(container, kept)
    return Timeline(
        start=start,
        end=max(end for _, end in shown) - start if shown else None,
        rate=_rate([s for s in kept if tracks[0].is_even and s.track == tracks[0].index]),
        unstamped=0 if shown else tracks[0].packets,
        still=sum(track.packets for track in tracks if track.stands_still),
        tracks={track.index: _clock(track, made_up) for track in tracks},
        restarts=tuple(time - start for time in restarts),
        holes=tuple((begin - start, end - start) for begin, end in _holes(shown)),
    )


def _start(container: Any, kept: list[Stretch]) -> float:
    """Return the stamp that counts as 0, s: what the header says, unless that has nothing to do with the packets."""
    firsts = {stretch.track: stretch for stretch in reversed(kept)}.values()
    if container.start_time is None:
        return min((s.start for s in firsts), default=0.0)
    start = float(Fraction(container.start_time, av.time_base))
    near = any(s.start - _EARLY < start < max(s.end, s.start + _EARLY) for s in firsts)
    return start if near or not firsts else min(s.start for s in firsts)


def _rate(stretches: list[Stretch]) -> float | None:
    seconds = sum(stretch.end - stretch.start for stretch in stretches)
    return sum(stretch.packets for stretch in stretches) / seconds if seconds > 0 else None


def _clock(track: Track, made_up: bool) -> TrackClock:
    stretches = track.stretches
    bounds = [*(s.first for s in stretches), _NO_PACKET][1:]
    kept = [s for s in stretches if not s.stray and s.part_of is None]
    return TrackClock(
        tuple((s.first, s.shift) for s in kept) if any(s.shift for s in kept) else (),
        tuple(range(s.first, end) for s, end in zip(stretches, bounds, strict=True) if s.stray),
        made_up,
        track.stands_still,
    )


def _holes(shown: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return (from, to) of each long time that none of the stretches ``shown``, sorted, covers."""
    holes, covered = [], shown[0][1] if shown else 0.0
    for start, end in shown:
        if start - covered > AHEAD:
            holes.append((covered, start))
        covered = max(covered, end)
    return holes
