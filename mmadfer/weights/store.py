"""Named weights on disk: fetched, checked, found and removed."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from mmadfer import cli
from mmadfer.weights import hub
from mmadfer.weights.catalogue import STARTER, UNTRAINED, Source, find, folder
from mmadfer.weights.download import TIMEOUT, download, looks_like_page, part_files
from mmadfer.weights.hub import HubName

MIRROR = "MMADFER_WEIGHTS_MIRROR"
"""Environment variable: an http(s) address under which files lie by the names of `list`, asked before their sources."""


def resolve(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of weights given as a path, a name of `list` or of the hub, fetched where it is not here yet.

    A path that exists wins over a name of the hub, which looks like one. Raises FileNotFoundError for a path where
    nothing is, ValueError for an unknown name or a file that is not the one first recorded, OSError where it cannot be
    fetched: one sentence each, with the link and the folder to put it in.
    """
    text, path = os.fspath(name_or_path), Path(name_or_path)
    if text == UNTRAINED:
        raise ValueError(f"{UNTRAINED} weights have no file; name others")
    if text == STARTER:  # before files: what is meant where nothing is named must not hang on the folder one is in
        return fetch(text)
    if path.is_file():
        return path
    if path.is_dir() and len(path.parts) > 1:
        raise IsADirectoryError(f"{text} is a folder; name the weights file in it")
    if HubName.parse(text) is None and (path.suffix or len(path.parts) > 1):
        raise FileNotFoundError(f"there is no file {text}")
    return fetch(text)


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--weights`` as every command understands it."""
    what = f"file, name of `python -m mmadfer.weights list`, or org/name[@revision] of the hub; {UNTRAINED}: random"
    parser.add_argument("--weights", metavar="WEIGHTS", default=STARTER, help=what)


def fetch(name: str, *, timeout: float = TIMEOUT, progress: bool = True) -> Path:
    """Return the file of the weights called ``name``, fetched where it is not here yet, and checked in any case.

    ``timeout`` in seconds is the longest wait for the next bytes. Raises ValueError or OSError as `resolve` does.
    """
    if on_hub := HubName.parse(name):
        return hub.fetch(on_hub)
    source = find(name)
    if source.packaged:
        return _packaged(source.packaged)
    file, address = source.file, _address(source)
    if not file.is_file():
        if not address:
            with contextlib.suppress(OSError):  # the folder is only there to save a step
                folder().mkdir(parents=True, exist_ok=True)
            raise FileNotFoundError(
                f"{source.name} is not here and cannot be fetched by itself: please {source.by_hand()}"
            )
        try:
            download(address, file, timeout=timeout, progress=progress)
        except OSError as error:
            reason = cli.sentence(error)
            raise OSError(f"{source.name} could not be fetched: {reason}; or {source.by_hand()}") from error
    verify(source, address or source.page)
    return file


def _packaged(file: Path) -> Path:
    if not file.is_file():
        raise FileNotFoundError(f"this package lacks its file {file.name}; install it again, from a whole checkout")
    return file


def verify(source: Source, origin: str = "") -> None:
    """Compare the file of ``source`` with the SHA-256 recorded when it first came; record it, as from ``origin``, then.

    Raises ValueError where it is empty, a web page, or another file than at first.
    """
    file = source.file
    with open(file, "rb") as opened:
        if looks_like_page(head := opened.read(64)) or not head:
            kind = "a web page" if head else "empty"
            raise ValueError(f"{file} is {kind}, not weights: delete it, then {source.by_hand()}")
        opened.seek(0)
        digest = hashlib.sha256()
        while chunk := opened.read(1 << 20):
            digest.update(chunk)
    now = Record(source.name, origin or source.page, file.stat().st_size, digest.hexdigest())
    first = Record.read(file)
    if first is None:
        now.write(file)
    elif first.sha256 != now.sha256:
        raise ValueError(
            f"{file} has changed since it came (SHA-256 {now.sha256[:12]}..., {first.sha256[:12]}... at first): "
            f"run `python -m mmadfer.weights remove {source.name}` and fetch it again"
        )


@dataclass(frozen=True)
class Record:
    """What was noted beside a file when it first came."""

    name: str
    source: str
    size: int
    sha256: str

    @staticmethod
    def beside(file: Path) -> Path:
        """Return where the record of ``file`` lies."""
        return file.with_name(file.name + ".json")

    @classmethod
    def read(cls, file: Path) -> Record | None:
        """Return the record of ``file``, None where there is none. Raises ValueError where it cannot be read."""
        note = cls.beside(file)
        try:
            return cls(**json.loads(note.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise ValueError(f"{note} is damaged; delete it if you trust {file.name} beside it") from error

    def write(self, file: Path) -> None:
        """Write the record beside ``file``, whole or not at all."""
        fresh = file.with_name(file.name + ".json.new")
        fresh.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        os.replace(fresh, self.beside(file))


def file_of(name: str) -> Path:
    """Return the file of the weights called ``name``. Raises FileNotFoundError where it is not here."""
    if on_hub := HubName.parse(name):
        return hub.find(on_hub)
    source = find(name)
    if not source.file.is_file():
        raise FileNotFoundError(f"{source.name} is not here: run `python -m mmadfer.weights fetch {source.name}`")
    return source.file


def remove(name: str) -> list[Path]:
    """Delete the file of the weights called ``name`` with all that lies beside it; returns what was deleted.

    Raises ValueError for an unknown name, FileNotFoundError where nothing of it is here.
    """
    if on_hub := HubName.parse(name):
        return hub.remove(on_hub)
    source = find(name)
    if source.packaged:
        raise ValueError(f"{source.name} is a part of the package and cannot be removed by itself")
    file = source.file
    present = [path for path in (file, Record.beside(file), *part_files(file)) if path.exists()]
    if not present:
        raise FileNotFoundError(f"nothing of {source.name} is in {folder()}")
    for path in present:
        path.unlink()
    return present


def _address(source: Source) -> str:
    """Return the address to fetch ``source`` from; empty where there is none."""
    mirror = os.environ.get(MIRROR, "")
    if mirror and not mirror.startswith(("http://", "https://")):
        raise ValueError(f"{MIRROR} must be an http or https address, got {mirror!r}")
    return f"{mirror.rstrip('/')}/{source.name}.pth" if mirror else source.url


def state(source: Source) -> str:
    """Return what is here of ``source``, in words."""
    if source.packaged:
        return f"{_packaged(source.packaged).stat().st_size / 1e6:,.0f} MB; meant where no weights are named"
    file, (part, _) = source.file, part_files(source.file)
    if file.is_file():
        return f"{file.stat().st_size / 1e6:,.0f} MB in {file.name}"
    if part.is_file():
        return f"{part.stat().st_size / 1e6:,.0f} MB so far; fetch goes on"
    return "fetch gets it" if _address(source) else "to be put here by hand"
