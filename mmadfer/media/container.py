"""Opening a media file by PyAV: its bytes and nothing else, whatever it is called and whatever it points to."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from mmadfer.files.names import shown
from mmadfer.media.suffixes import PICTURE_SUFFIXES

_REFUSED = re.compile(
    # Lists of other files or streams, here or elsewhere.
    "concat|dash|hls|imf|rtp|rtsp|sap|sdp|vobsub|webm_dash_manifest"
    # Cameras, screens, sound cards and what draws test pictures.
    "|alsa|avfoundation|decklink|dshow|fbdev|gdigrab|iec61883|jack|kmsgrab|lavfi|oss|pulse|sndio|v4l2|video4linux2"
    "|vfwcap|x11grab"
    # Single pictures, which Pillow reads, with what else is known of them.
    "|image2|image2pipe|.*_pipe|.*_pix|fits|ico"
    # Text, shown as a film of letters or none at all.
    "|adf|bin|data|ffmetadata|idf|tty|xbin"
    # Numbers without a header: their rate, size and channels would be guessed.
    "|[fsu](8|16|24|32|64)([bl]e)?|alaw|aptx|aptx_hd|bitpacked|codec2raw|dfpwm|g726|g726le|mulaw"
    "|rawvideo|sln|v210|v210x|vidc"
)
_LISTS = (
    b"#EXTM3U",
    b"ffconcat version",
    b"v=0\r\n",
    b"v=0\n",
    b"[playlist]",
    b"[Reference]",
    b"<asx",
    b"<MPD",
    b"<smil",
)
"""What lists of other files begin with, after XML's own first lines."""
_HEAD = 4096
_SAFE_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


class _Bytes:
    """An opened file under a name that says nothing but its kind, for ffmpeg guesses some formats by that."""

    def __init__(self, file: Any, suffix: str) -> None:
        self.name = f"media{suffix}"
        self.read, self.tell, self._seek = file.read, file.tell, file.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        """Return the new place, or, as ffmpeg wants it, a negative error where a broken file leads to none."""
        try:
            return int(self._seek(offset, whence))
        except OSError as error:
            return -(error.errno or 1)


@contextlib.contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """Open ``path`` by PyAV for the body of a `with`. Raises OSError, or ValueError in one sentence where it cannot be.

    PyAV gets the bytes and not the name: so no name is taken for an address, a pattern or an option, and what the
    file says about other files leads nowhere.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(path, "rb", buffering=0))
        options = {"protocol_whitelist": "none", "format_whitelist": _formats(), "fflags": "-genpts"}
        try:
            container = stack.enter_context(
                av.open(_Bytes(file, _hint(path)), options=options, metadata_errors="replace")
            )
        except (av.error.FFmpegError, ValueError) as error:
            raise _unreadable(path, error) from error
        if container.format.name == "mjpeg" and not _begins_with_picture(path):
            raise ValueError(f"{shown(path)} cannot be read as video or sound: it is a document; give the video itself")
        yield container


@functools.cache
def _formats() -> str:
    """Return the formats that may be read, as ffmpeg lists them."""
    names = {name for names in av.formats_available for name in names.split(",")}
    return ",".join(sorted(name for name in names if not _REFUSED.fullmatch(name)))


def _begins_with_picture(path: Path) -> bool:
    """Return whether the file begins as a film of JPEG pictures does; ffmpeg finds such in documents (PDF), too."""
    with open(path, "rb") as file:
        return file.read(2) == b"\xff\xd8"


def _hint(path: Path) -> str:
    """Return the suffix of ``path`` where it may say more than the content."""
    suffix = path.suffix.lower()
    return suffix if _SAFE_SUFFIX.fullmatch(suffix) and suffix not in PICTURE_SUFFIXES else ""


def _unreadable(path: Path, error: Exception) -> ValueError:
    with open(path, "rb") as file:
        head = re.sub(rb"<[?!][^>]*>", b"", file.read(_HEAD)).lstrip(b"\xef\xbb\xbf \t\r\n")
    what = f"{shown(path)} cannot be read as video or sound"
    if head.startswith(_LISTS):
        return ValueError(f"{what}: it is a playlist; give the files that it names")
    if isinstance(error, av.error.ArgumentError) and path.suffix.lower() not in PICTURE_SUFFIXES:  # a refused format
        return ValueError(f"{what}: it is text, a rare kind of picture, or numbers without a header; convert it")
    reason = error.strerror if isinstance(error, av.error.FFmpegError) else error
    return ValueError(f"{what} ({reason}); is it damaged or cut short?")
