"""How long one frame of coded sound lasts, by its own header, for streams that change their rate on the way."""

from __future__ import annotations

_AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_MPEG_RATES = (44_100, 48_000, 32_000)
_AC3_RATES = (48_000, 44_100, 32_000)


def frame_seconds(codec: str, head: bytes) -> float | None:
    """Return the length of the frame that begins with ``head``, s; None where that is not known.

    Args: codec: ffmpeg's name of it; head: the first 8 bytes or more.
    """
    if len(head) < 8:
        return None
    if codec == "aac":
        return _adts(head)
    if codec in ("mp1", "mp2", "mp3", "mp1float", "mp2float", "mp3float"):
        return _mpeg(head)
    return _ac3(head) if codec == "ac3" else None


def _adts(head: bytes) -> float | None:
    rate = head[2] >> 2 & 15
    if head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or rate >= len(_AAC_RATES):
        return None
    return 1024 * (1 + (head[6] & 3)) / _AAC_RATES[rate]


def _mpeg(head: bytes) -> float | None:
    version, layer, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 2 & 3
    if head[0] != 0xFF or head[1] < 0xE0 or version == 1 or layer == 0 or rate == 3:
        return None
    samples = {3: 384, 2: 1152, 1: 1152 if version == 3 else 576}[layer]
    return samples * {3: 1, 2: 2, 0: 4}[version] / _MPEG_RATES[rate]


def _ac3(head: bytes) -> float | None:
    rate = head[4] >> 6
    if head[:2] != b"\x0b\x77" or rate == 3 or head[5] >> 3 > 8:
        return None
    return 1536 / _AC3_RATES[rate]
