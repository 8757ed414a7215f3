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

_BACK = 0.5
"""A stamp this much before the one before it, s, starts the clock anew; less is the disorder of broken files."""
_AHEAD = 10.0
"""A stamp this much after the one before it, s, leaves a hole that is told of."""
_SAME_START = 3.0
"""Tracks that start anew within this, s, of each other's stamps do so together."""
_STRAY_PACKETS = 8
"""So few packets after which the clock goes on as if nothing had been are stray stamps and no recording."""
_RESUMES = 1.0
"""What is within this, s, of the end of a stretch goes on with it."""

_NO_PACKET = 2**62
"""Number beyond all packets."""


@dataclass
class _Stretch:
    """Packets of one track whose stamps follow from each other; times in s, as stamped."""

    first: int
    """Number of its first packet in its track."""
    place: int
    """Number of that packet in the file."""
    start: float
    end: float
    last: float
    packets: int = 1
    shift: float = 0.0
    stray: bool = False

    @property
    def shown(self) -> tuple[float, float]:
        """Start and end on the clock of the whole, s."""
        return self.start + self.shift, self.end + self.shift


@dataclass(frozen=True)
class TrackClock:
    """What is done to the stamps of one track's packets."""

    shifts: tuple[tuple[int, float], ...] = ()
    """(number of the first packet, s to add from it on), ascending."""
    strays: tuple[range, ...] = ()
    """Numbers of packets whose stamps mean nothing."""

    def shifted(self, packets: Iterator[Any]) -> Iterator[Any]:
        """Yield the track's packets with their stamps on the clock of the whole file; stray ones are left out."""
        if not self.shifts and not self.strays:
            yield from packets
            return
        shifts, shift = list(self.shifts), 0.0
        for number, packet in enumerate(packets):
            while shifts and shifts[0][0] <= number:
                shift = shifts.pop(0)[1]
            if any(number in stray for stray in self.strays):
                continue
            if shift and packet.time_base:
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


def read_timeline(container: Any, streams: Sequence[Any]) -> Timeline:
    """Return the clock of ``streams``, tracks of an opened PyAV ``container``, which is read to its end."""
    start = float(Fraction(container.start_time or 0, av.time_base))
    found: dict[int, list[_Stretch]] = {stream.index: [] for stream in streams}
    counts = dict.fromkeys(found, 0)
    for place, packet in enumerate(_packets(container, streams)):
        index, number = packet.stream.index, counts[packet.stream.index]
        counts[index] += bool(packet.size)  # the last one of each track is empty
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is not None and packet.time_base:
            _take(found[index], number, place, packet, float(stamp * packet.time_base))
    kept = {index: _without_strays(stretches) for index, stretches in found.items()}
    restarts = _join(kept)
    shown = sorted(s.shown for stretches in kept.values() for s in stretches)
    return Timeline(
        start=start,
        end=max(end for _, end in shown) - start if shown else None,
        unstamped=0 if shown or not streams else counts[streams[0].index],
        tracks={index: _clock(found[index], kept[index]) for index in found},
        restarts=tuple(time - start for time in restarts),
        holes=tuple((begin - start, end - start) for begin, end in _holes(shown)),
    )


def _packets(container: Any, streams: Sequence[Any]) -> Iterator[Any]:
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, EOFError):
            return
        except av.error.FFmpegError:
            continue  # as the decoding does, which tells of it
        yield packet


def _take(stretches: list[_Stretch], number: int, place: int, packet: Any, stamp: float) -> None:
    shown = stamp if packet.pts is None else float(packet.pts * packet.time_base)
    end = shown + float((packet.duration or 0) * packet.time_base)
    if shown - stamp > _AHEAD:  # where decoding stamps are made up, the first after a jump lies before it
        stamp = shown
    current = stretches[-1] if stretches else None
    if current is None or not -_BACK < stamp - current.last < _AHEAD:
        stretches.append(_Stretch(number, place, shown, end, stamp))
        return
    current.start, current.end = min(current.start, shown), max(current.end, end)
    current.last, current.packets = stamp, current.packets + 1


def _without_strays(stretches: list[_Stretch]) -> list[_Stretch]:
    """Mark stretches that are a few packets with a wrong stamp; return the others, one where the clock went on."""
    kept: list[_Stretch] = []
    for current in stretches:
        strayed = len(kept) > 1 and kept[-1].packets < _STRAY_PACKETS
        if strayed and abs(current.start - kept[-2].end) < _RESUMES:
            kept.pop().stray = True
            before = kept[-1]
            before.end, before.last = max(before.end, current.end), current.last
            before.packets += current.packets
        else:
            kept.append(current)
    return kept


def _join(tracks: dict[int, list[_Stretch]]) -> list[float]:
    """Set the shifts, so that what starts anew lies behind what was before it; return where that is, as stamped."""
    begun = sorted((s.place, index, k) for index, stretches in tracks.items() for k, s in enumerate(stretches) if k)
    restarts = []
    while begun:
        _, index, k = begun.pop(0)
        together = {index: k}
        for place, other, j in list(begun):
            near = abs(tracks[other][j].start - tracks[index][k].start) < _SAME_START
            if other not in together and near and tracks[other][j].start < tracks[other][j - 1].end:
                together[other] = j
                begun.remove((place, other, j))
        before = {track: tracks[track][j - 1] for track, j in together.items()}
        new = {track: tracks[track][j] for track, j in together.items()}
        shift = max(before[track].shown[1] - new[track].start for track in together)
        old = max(stretch.shift for stretch in before.values())
        if all(new[track].start + old >= before[track].shown[1] - _BACK for track in together):
            shift = old  # it has jumped ahead: that is a hole, and no new clock
        else:
            restarts.append(shift + min(stretch.start for stretch in new.values()))
        for stretch in new.values():
            stretch.shift = shift
    return restarts


def _clock(stretches: list[_Stretch], kept: list[_Stretch]) -> TrackClock:
    bounds = [*(s.first for s in stretches), _NO_PACKET][1:]
    return TrackClock(
        tuple((s.first, s.shift) for s in kept) if any(s.shift for s in kept) else (),
        tuple(range(s.first, end) for s, end in zip(stretches, bounds, strict=True) if s.stray),
    )


def _holes(shown: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return (from, to) of each long time that none of the stretches ``shown``, sorted, covers."""
    holes, covered = [], shown[0][1] if shown else 0.0
    for start, end in shown:
        if start - covered > _AHEAD:
            holes.append((covered, start))
        covered = max(covered, end)
    return holes
