"""Named weights: where each comes from and where it lies. ``python -m mmadfer.weights list|fetch|path|remove``."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mmadfer import cli
from mmadfer.config import IMAGE_SIZES
from mmadfer.download import TIMEOUT, download, looks_like_page, part_files

MIRROR = "MMADFER_WEIGHTS_MIRROR"
"""Environment variable: an http(s) address under which files lie by the names of `list`, asked before their sources."""
FOLDS = (1, 2, 3, 4, 5)
DEFAULT_FOLD, DEFAULT_SIZE = 1, 224
"""What `dfew` and `mafw` stand for: fold and size (px) that the official evaluation script takes by itself."""
DRIVE_FOLDERS = {
    "dfew": "https://drive.google.com/drive/folders/1I3dvClr4oVH3h5cGmaFXmTc8aV-nYHof",
    "mafw": "https://drive.google.com/drive/folders/1I5baHCpBdU5RT48yaFyNhnZoQkbHm-OS",
}


@dataclass(frozen=True)
class Source:
    """One set of named weights."""

    name: str
    what: str
    page: str
    """Address that a person opens to get the file."""
    url: str = ""
    """Address of the file itself; empty where it lies in a Drive folder, whose files have no address known to us."""
    pattern: str = ""
    """A file put by hand is taken where this regular expression finds its name, other than ``name``.pth."""

    @property
    def file(self) -> Path:
        """Where the file lies: as found, else where it is to be put."""
        wanted = folder() / f"{self.name}.pth"
        if wanted.exists() or not self.pattern or not folder().is_dir():
            return wanted
        found = [path for path in folder().glob("*.pth") if re.search(self.pattern, path.name, re.IGNORECASE)]
        if len(found) > 1:
            files = ", ".join(sorted(path.name for path in found))
            raise ValueError(f"{files} in {folder()} could all be {self.name}; name the right one {wanted.name}")
        return found[0] if found else wanted

    def by_hand(self) -> str:
        """Return what a person does to get the file, as the end of a sentence."""
        return f"open {self.page}, take the file of {self.what}, and save it as {folder() / self.name}.pth"


def _official(data_set: str, fold: int, size: int) -> Source:
    return Source(
        f"{data_set}-fold{fold}-{size}",
        f"{data_set.upper()} fold {fold} at {size} px",
        DRIVE_FOLDERS[data_set],
        pattern=rf"(?=.*{data_set})(?=.*(fold|set)[-_ ]?{fold}(?!\d))(?=.*(?<!\d){size}(?!\d))",
    )


SOURCES = {
    source.name: source
    for source in (
        *(_official(data_set, fold, size) for data_set in DRIVE_FOLDERS for fold in FOLDS for size in IMAGE_SIZES),
        Source(
            "mae-face",
            "MAE-Face's encoder (mae_face_pretrain_vit_base.pth)",
            "https://github.com/FuxiVirtualHuman/MAE-Face/releases",
            "https://github.com/FuxiVirtualHuman/MAE-Face/releases/latest/download/mae_face_pretrain_vit_base.pth",
            pattern=r"^mae_face_pretrain_vit_base\.pth$",
        ),
        Source(
            "audiomae",
            "AudioMAE's encoder (pretrained.pth)",
            "https://drive.google.com/file/d/1ni_DV4dRf7GxM8k-Eirx71WP9Gg89wwu/view",
            "https://drive.usercontent.google.com/download?id=1ni_DV4dRf7GxM8k-Eirx71WP9Gg89wwu&export=download&confirm=t",
            pattern=r"^(audiomae_)?pretrained\.pth$",
        ),
    )
}


def folder() -> Path:
    """Return where named weights lie: $MMADFER_HOME/weights, else mmadfer/weights in the user's cache folder."""
    home = os.environ.get("MMADFER_HOME")
    if home:
        return Path(home).expanduser() / "weights"
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mmadfer" / "weights"


def find(name: str) -> Source:
    """Return the weights called ``name``; fold and size may be left out (`dfew`, `dfew-fold2`, `dfew-160`).

    Raises ValueError for a name that is not known.
    """
    short = re.fullmatch(r"(dfew|mafw)(?:-fold(\d+))?(?:-(\d+))?", name)
    full = f"{short[1]}-fold{short[2] or DEFAULT_FOLD}-{short[3] or DEFAULT_SIZE}" if short else name
    if full not in SOURCES:
        sizes = ", ".join(map(str, IMAGE_SIZES))
        raise ValueError(
            f"{name!r} is no file and no known name; known are mae-face, audiomae and dfew or mafw, the latter two "
            f"alone or with -fold1 to -fold{FOLDS[-1]} and a size ({sizes}), such as dfew-fold1-160"
        )
    return SOURCES[full]


def resolve(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of weights given as a path or a name of `list`, fetched where it is not here yet.

    Raises FileNotFoundError for a path where nothing is, ValueError for an unknown name or a file that is not the one
    first recorded, OSError where it cannot be fetched: one sentence each, with the link and the folder to put it in.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    text = os.fspath(name_or_path)
    if path.suffix or len(path.parts) > 1:
        raise FileNotFoundError(f"there is no file {text}")
    return fetch(text)


def fetch(name: str, *, timeout: float = TIMEOUT, progress: bool = True) -> Path:
    """Return the file of the weights called ``name``, fetched where it is not here yet, and checked in any case.

    ``timeout`` in seconds is the longest wait for the next bytes. Raises ValueError or OSError as `resolve` does.
    """
    source = find(name)
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


def remove(name: str) -> list[Path]:
    """Delete the file of the weights called ``name`` with all that lies beside it; returns what was deleted.

    Raises ValueError for an unknown name, FileNotFoundError where nothing of it is here.
    """
    source = find(name)
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


def _state(source: Source) -> str:
    file, (part, _) = source.file, part_files(source.file)
    if file.is_file():
        return f"{file.stat().st_size / 1e6:,.0f} MB in {file.name}"
    if part.is_file():
        return f"{part.stat().st_size / 1e6:,.0f} MB so far; fetch goes on"
    return "fetch gets it" if _address(source) else "to be put here by hand"


def _list(_: argparse.Namespace) -> int:
    page = ""
    sys.stdout.write(f"folder: {folder()}\n")
    for source in SOURCES.values():
        if source.page != page:
            page = source.page
            sys.stdout.write(f"\nfrom {page}\n")
        sys.stdout.write(f"  {source.name:<17}{_state(source)}\n")
    default = f"fold{DEFAULT_FOLD}-{DEFAULT_SIZE}"
    sys.stdout.write(f"\ndfew and mafw alone stand for dfew-{default} and mafw-{default}.\n")
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    sys.stdout.write(f"{fetch(arguments.name)}\n")
    return 0


def _path(arguments: argparse.Namespace) -> int:
    source = find(arguments.name)
    if not source.file.is_file():
        raise FileNotFoundError(f"{source.name} is not here: run `python -m mmadfer.weights fetch {source.name}`")
    sys.stdout.write(f"{source.file}\n")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    sys.stdout.writelines(f"deleted {path}\n" for path in remove(arguments.name))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of list, fetch, path and remove; returns the exit code."""
    parser = cli.Parser("python -m mmadfer.weights", "Weights by name: list, fetch, find and remove them.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, what, command in (
        ("list", "what there is, where it comes from and what is here", _list),
        ("fetch", "get a file where it is not here, check it and tell where it lies", _fetch),
        ("path", "tell where a file lies that is here", _path),
        ("remove", "delete a file and what was noted of it", _remove),
    ):
        sub = commands.add_parser(name, prog=f"python -m mmadfer.weights {name}", description=what, help=what)
        sub.set_defaults(run=command)
        if name != "list":
            sub.add_argument("name", metavar="NAME", help="a name of `list`")
    return cli.run(parser, lambda arguments: int(arguments.run(arguments)), argv)


if __name__ == "__main__":
    sys.exit(main())
