"""One file over HTTP: resumed where it stopped, checked for its length, there whole or not at all."""

from __future__ import annotations

import http.client
import json
import logging
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
TIMEOUT = 30.0
"""How long to wait for an answer, or for the next bytes of one, s."""
WEB_PAGE = (
    "the server sent a web page instead of the file (Google Drive does so when too many people fetched the file today, "
    "or when it wants a confirmation)"
)


@dataclass(frozen=True)
class _Part:
    """What is known of a file that is only partly here, so that it goes on with the same file or starts anew."""

    url: str
    etag: str = ""
    total: int = 0
    """Length of the whole file in bytes, 0 where the server did not say."""


def part_files(target: Path) -> tuple[Path, Path]:
    """Return where ``target`` grows while it is fetched, and the note beside it."""
    part = target.with_name(target.name + ".part")
    return part, part.with_name(part.name + ".json")


def download(url: str, target: Path, *, timeout: float = TIMEOUT, progress: bool = True) -> None:
    """Fetch ``url`` into the file ``target``, with a bar on a terminal's stderr where ``progress``.

    An earlier attempt's bytes are used again. ``timeout`` is in seconds.
    Raises OSError with the reason in words; what came so far is kept for the next attempt.
    """
    host = urllib.parse.urlsplit(url).netloc
    part, note = part_files(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part, note, timeout, progress)
        os.replace(part, target)
        note.unlink(missing_ok=True)
    except urllib.error.HTTPError as error:
        raise OSError(f"{host} answered {error.code} {error.reason}") from error
    except TimeoutError as error:
        raise OSError(f"{host} sent nothing for {timeout:g} s") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise OSError(f"{host} did not answer within {timeout:g} s") from error
        raise OSError(f"there is no connection to {host} ({_reason(error.reason)})") from error
    except http.client.HTTPException as error:
        raise OSError(f"the connection to {host} broke ({type(error).__name__}); run it again to go on") from error


def looks_like_page(head: bytes) -> bool:
    """Return whether a file that starts with ``head`` is HTML or XML, which no weights are."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _reason(reason: str | BaseException) -> str:
    return reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)


def _receive(url: str, part: Path, note: Path, timeout: float, progress: bool) -> None:
    """Fill ``part`` from where it ends; returns once it holds the whole file."""
    known, start = _read_note(note, url), part.stat().st_size if part.exists() else 0
    if known is None or (known.total and start > known.total):
        known, start = None, 0
    if known and known.total and start == known.total:
        return
    try:
        response = urllib.request.urlopen(_request(url, known, start), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not start:
            raise
        part.unlink()
        return _receive(url, part, note, timeout, progress)
    with response:
        if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            raise OSError(WEB_PAGE)
        start, total = _place(response, start)
        note.write_text(json.dumps(asdict(_Part(url, response.headers.get("ETag", ""), total))), encoding="utf-8")
        _require_space(part.parent, total - start)
        with open(part, "ab" if start else "wb") as file:
            _copy(response, file, start, total, progress)
    size = part.stat().st_size
    if size == 0:
        raise OSError("the server sent an empty file")
    if total and size != total:
        raise OSError(f"the connection ended after {size:,} of {total:,} bytes; run it again to go on")


def _request(url: str, known: _Part | None, start: int) -> urllib.request.Request:
    request = urllib.request.Request(url, headers={"User-Agent": "mmadfer", "Accept-Encoding": "identity"})
    if known and start:
        request.add_header("Range", f"bytes={start}-")
        if known.etag and not known.etag.startswith("W/"):  # weak ones do not promise equal bytes
            request.add_header("If-Range", known.etag)
    return request


def _place(response: http.client.HTTPResponse, start: int) -> tuple[int, int]:
    """Return where this answer's bytes begin in the file, and the file's whole length (0: not said)."""
    length = int(response.headers.get("Content-Length") or 0)
    if response.status == http.client.PARTIAL_CONTENT and start:
        said = response.headers.get("Content-Range", "")
        if not said.startswith(f"bytes {start}-"):
            raise OSError(f"the server was asked to go on at byte {start} and answered {said or 'without a range'!r}")
        logger.info("going on after %d bytes", start)
        return start, start + length if length else 0
    return 0, length


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _require_space(folder: Path, needed: int) -> None:
    free = _free_bytes(folder)
    if needed > free:
        raise OSError(f"the disk of {folder} has {free / 1e6:,.0f} MB free and {needed / 1e6:,.0f} MB are to come")


def _copy(response: http.client.HTTPResponse, file: BinaryIO, start: int, total: int, progress: bool) -> None:
    bar = tqdm(total=total or None, initial=start, unit="B", unit_scale=True, disable=None if progress else True)
    with bar:
        # read1 returns what has come: a break then loses nothing of it, where read would drop up to a whole chunk
        while chunk := response.read1(CHUNK):
            if start == 0 and file.tell() == 0 and looks_like_page(chunk):
                raise OSError(WEB_PAGE)
            file.write(chunk)
            bar.update(len(chunk))


def _read_note(note: Path, url: str) -> _Part | None:
    """Return what is known of the part; None where nothing is, or it came from another address."""
    try:
        known = _Part(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # a note that cannot be read costs a new start and nothing else
    return known if known.url == url else None
